"""Deduplication over segments: what was taken once is known, wherever it is kept."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from base.database import Database
from base.time import SECOND, now
from events import log, segmented_seen
from events.change import Change
from events.evaluation import NoRules
from events.event import Event
from events.journal import Journal
from events.retention import Retention, Sweep, delete_events, forget_seen
from events.seen_loader import SeenLoader
from events.segmented_seen import SegmentedSeen
from events.store import open_seen, open_writer


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmented_seen, "SEGMENT_KEYS", 20)
    monkeypatch.setattr(segmented_seen, "_SLICE", 3)


def event(id_: str, at: int | None = None) -> Event:
    at = at or now()
    return Event(id=id_, source="/test", type="a", time=at, received=at)


async def submit(journal: Journal, ids: list[str]) -> list[bool]:
    """Which of them were new."""
    receipt = await journal.submit(Change(events=[event(i) for i in ids]))
    return [position is not None for position in receipt.positions]


@pytest.mark.usefixtures("small_segments")
async def test_duplicates_are_known_over_many_segments_and_restarts(
    database: Database, running: Any
) -> None:
    random.seed(7)
    model: set[str] = set()
    for _ in range(4):
        async with running(database) as journal:
            for _ in range(30):
                ids = [str(random.randrange(900)) for _ in range(random.randrange(1, 30))]
                expected = []
                for i in ids:
                    expected.append(i not in model)
                    model.add(i)
                assert await submit(journal, ids) == expected
    async with database.reader() as session:
        assert await log.last_position(session) >= len(model)


@pytest.mark.usefixtures("small_segments")
async def test_the_filter_is_loaded_after_a_start_and_then_spares_the_index(
    database: Database, running: Any
) -> None:
    if database.address.dialect == "postgresql":
        assert (await open_seen(database)).segments("x") == [0]
        return
    async with running(database) as journal:
        for n in range(10):
            await submit(journal, [f"{n}-{k}" for k in range(20)])
    loaded = await open_seen(database)
    assert isinstance(loaded, SegmentedSeen)
    assert len(loaded.segments("new")) >= 9
    await SeenLoader(loaded, database).run()
    assert loaded.to_load() == []
    # One segment and the current one: the filter names hardly any other.
    assert sum(len(loaded.segments(f"{n}-3")) for n in range(9)) <= 9 * 2 + 1
    assert sum(len(loaded.segments(f"new{n}")) for n in range(100)) <= 100 + 2


@pytest.mark.usefixtures("small_segments")
async def test_old_ids_and_events_are_forgotten_in_slices_and_new_ones_kept(
    database: Database,
) -> None:
    writer = open_writer(database)
    await writer.open()
    memory = await open_seen(database)
    clock = [now() - 10_000 * SECOND]
    journal = Journal(writer, memory, NoRules(), clock=lambda: clock[0])
    task = asyncio.create_task(journal.run())
    for n in range(10):
        old = [event(f"{n}-{k}", clock[0]) for k in range(20)]
        await journal.submit(Change(events=old))
        clock[0] += 1_000 * SECOND
    # A newer segment, so that the last full one is not the current one.
    await journal.submit(Change(events=[event("newest", clock[0])]))
    keep = timedelta(seconds=4_500)
    retention = Retention(journal, [])
    gone = await retention.sweep(Sweep("seen", keep, forget_seen(memory)))
    events = await retention.sweep(Sweep("event", keep, delete_events))
    # Those of 10,000 to 5,000 seconds ago, 20 for each thousand.
    assert (gone, events) == (6 * 20, 6 * 20)
    assert await submit(journal, ["0-0", "9-19", "newest"]) == [True, False, False]
    journal.drain()
    await task
    await writer.close()


async def test_the_newest_event_outlives_its_age_so_that_positions_only_rise(
    journal: Journal, database: Database
) -> None:
    old = now() - 10**6 * SECOND
    await journal.submit(Change(events=[event(str(n), old) for n in range(5)]))
    removed = await Retention(journal, []).sweep(Sweep("event", timedelta(0), delete_events))
    assert removed == 4
    receipt = await journal.submit(Change(events=[event("next")]))
    assert receipt.positions == [6]
