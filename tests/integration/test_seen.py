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
from events.fingerprint import id_hash
from events.journal import Journal
from events.retention import Retention, Sweep, delete_events, forget_seen
from events.seen import Entry
from events.seen_loader import SeenLoader
from events.segmented_seen import SegmentedSeen
from events.store import open_seen, open_writer
from events.tx import BULK


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmented_seen, "SEGMENT_KEYS", 20)


def event(id_: str, at: int | None = None) -> Event:
    at = at or now()
    return Event(id=id_, source="/test", type="a", time=at, received=at)


async def submit(journal: Journal, ids: list[str]) -> list[bool]:
    """Which of them were new."""
    receipt = await journal.submit(Change(events=[event(i) for i in ids]))
    return [position is not None for position in receipt.positions]


def test_what_is_remembered_of_an_event_is_the_same_for_ever():
    one = Event("é-1", "/shop", "shop.order.created", 1, 2, data={"total": 5})
    entry = Entry.of([event("0"), one], 6)[1]
    key, digest = "4d73fb0f9658144094037fde1db786c34b64f830", "5c647a4e8e9ea4bd"
    assert (entry.key.hex(), entry.digest.hex()) == (key, digest)
    assert (entry.position, entry.at, id_hash(one.id).hex()) == (7, 2, key[:24])


@pytest.mark.parametrize("keys", [20, 150])
async def test_duplicates_are_known_over_many_segments_and_restarts(
    database: Database, running: Any, monkeypatch: pytest.MonkeyPatch, keys: int
) -> None:
    """Of 150 keys a segment is written over many transactions, and some stay half written."""
    monkeypatch.setattr(segmented_seen, "SEGMENT_KEYS", keys)
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


async def test_a_duplicate_behind_a_new_one_leaves_its_place_to_the_next(
    database: Database, running: Any
) -> None:
    async with running(database) as journal:
        assert await submit(journal, ["a"]) == [True]
        assert await submit(journal, ["b", "a", "a"]) == [True, False, False]
        for id_ in ("c", "d", "e"):
            assert await submit(journal, [id_]) == [True]
    async with running(database) as journal:
        assert await submit(journal, ["a", "b", "c", "d", "e", "f"]) == [False] * 5 + [True]


@pytest.mark.parametrize("doubt", [False, True])
async def test_among_many_events_those_known_change_nothing_and_the_others_are_stored(
    database: Database, running: Any, monkeypatch: pytest.MonkeyPatch, *, doubt: bool
) -> None:
    """PostgreSQL hopes that none is known; for a while after one was, it looks first."""
    from events import postgres

    monkeypatch.setattr(postgres, "_DOUBT", int(doubt))
    many = 2 * BULK
    async with running(database) as journal:
        taken = [f"0-{n}" for n in range(many)]
        assert await submit(journal, taken) == [True] * many
        for round_ in range(1, 5):
            fresh = [f"{round_}-{n}" for n in range(many)]
            ids = [*fresh, taken[round_], fresh[3], *taken[-2:]]
            assert await submit(journal, ids) == [True] * many + [False] * 4
            taken += fresh
    async with database.reader() as session:
        found = await log.find(session, log.Query(order="asc", limit=1_000))
    assert [s.event.id for s in found] == taken


@pytest.mark.usefixtures("small_segments")
async def test_the_filter_is_loaded_after_a_start_and_then_spares_the_index(
    database: Database, running: Any
) -> None:
    if database.address.dialect == "postgresql":
        return  # it has no segments
    async with running(database) as journal:
        for n in range(10):
            await submit(journal, [f"{n}-{k}" for k in range(20)])
    loaded = await open_seen(database)
    assert isinstance(loaded, SegmentedSeen)

    def asked(id_: str) -> list[int]:
        return loaded._filter.candidates([id_hash(id_)]).get(0, [])

    assert len(asked("new")) == 9
    await SeenLoader(loaded, database).run()
    assert loaded.to_load() == []
    assert [asked(f"{n}-3") for n in range(9)] == [[n] for n in range(9)]
    assert sum(len(asked(f"new{n}")) for n in range(100)) == 0
    async with database.reader() as session:
        assert await loaded.positions(session, "3-7") == [3 * 20 + 8]
        assert await loaded.positions(session, "9-7") == [9 * 20 + 8]
        assert await loaded.positions(session, "new") == []


@pytest.mark.usefixtures("small_segments")
async def test_what_the_filter_knew_is_read_back_at_a_start(
    database: Database, running: Any
) -> None:
    if database.address.dialect == "postgresql":
        return  # it has no segments
    async with running(database) as journal:
        for n in range(17):
            await submit(journal, [f"{n}-{k}" for k in range(20)])
        for n in range(12):
            await submit(journal, [f"one-{n}"])
        for _ in range(20):  # a part of the filter goes with each
            await submit(journal, ["one-0"])
        for n in range(3):
            await submit(journal, [f"late{n}-{k}" for k in range(20)])
    loaded = await open_seen(database)
    assert isinstance(loaded, SegmentedSeen)
    assert loaded.to_load() == [18, 17]
    asked = loaded._filter.candidates([id_hash(f"{n}-3") for n in range(17)])
    assert [asked[n][2:] for n in range(17)] == [[n] for n in range(17)]
    async with running(database) as journal:
        ids = [f"{n}-{k}" for n in range(17) for k in range(20)]
        assert await submit(journal, [*ids, "one-7", "late2-19", "new"]) == [False] * 342 + [True]


@pytest.mark.usefixtures("small_segments")
async def test_numbers_of_segments_that_begin_anew_are_not_taken_for_the_old_ones(
    database: Database, running: Any
) -> None:
    if database.address.dialect == "postgresql":
        return  # it has no segments
    for round_ in range(3):
        async with running(database) as journal:
            for n in range(17):
                await submit(journal, [f"{round_}-{n}-{k}" for k in range(20)])
            for n in range(12):
                await submit(journal, [f"{round_}-one-{n}"])
            for _ in range(20):
                await submit(journal, [f"{round_}-one-0"])
            seen = journal._seen

            async def forget(tx: Any, seen: Any = seen) -> list[Event]:
                while await seen.expire(tx, now() + SECOND, 1):
                    pass
                return []

            await journal.submit(Change(operation=forget))
        async with running(database) as journal:
            again = [f"{round_}-one-{n}" for n in range(12)]
            assert await submit(journal, again) == [False] * 12
            for n in range(5):
                await submit(journal, [f"{round_}-second-{n}-{k}" for k in range(20)])
        async with running(database) as journal:
            ids = [f"{round_}-second-{n}-{k}" for n in range(5) for k in range(20)]
            assert await submit(journal, ids) == [False] * 100


async def test_after_an_unknown_outcome_the_tail_is_read_again(
    database: Database, running: Any
) -> None:
    async with running(database) as journal:
        await submit(journal, ["1", "2"])
        journal._seen.settle(None)
        assert await submit(journal, ["2", "3", "1"]) == [False, True, False]


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
    blocks_or_keys = 64 if database.address.dialect == "sqlite" else 20
    assert (gone, events) == (6 * blocks_or_keys, 6 * 20)
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
