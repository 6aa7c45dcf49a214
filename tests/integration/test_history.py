"""A stretch of the log, read in pages that are bounded in events and in bytes."""

from __future__ import annotations

import pytest

from base.time import SECOND, now
from events.change import Change
from events.event import Event
from events.history import PAGE_BYTES, PAGE_EVENTS, Stretch, pages, stretch


def event(number, type_="a", *, at, **fields):
    return Event(id=f"e{number}", source="/s", type=type_, time=at, received=at, **fields)


@pytest.fixture
async def start(journal):
    """Ten events, a second apart; when the first of them came in."""
    start = now() - 100 * SECOND
    events = [event(n, "ab"[n % 2], at=start + n * SECOND) for n in range(10)]
    await journal.submit(Change(tuple(events)))
    return start


async def read(database, part, wants=lambda _: True):
    return [[one.event.id for one in page.events] async for page in pages(database, part, wants)]


async def test_it_begins_and_ends_by_when_events_came_in(database, start):
    everything = await stretch(database, 0)
    assert everything.length == 10
    assert await read(database, everything) == [[f"e{n}" for n in range(10)]]
    part = await stretch(database, start + 3 * SECOND, start + 6 * SECOND)
    assert await read(database, part) == [["e3", "e4", "e5"]]
    between = await stretch(database, start + SECOND // 2, start + SECOND)
    assert (between.length, await read(database, between)) == (0, [])
    assert (await stretch(database, now())).length == 0
    newest = await stretch(database, 0, most=2)
    assert await read(database, newest) == [["e8", "e9"]]
    assert await stretch(database, 0, most=100) == everything


async def test_it_is_known_from_when_on_events_are_kept(database, start):
    later = start + 3 * SECOND - 1
    assert (await stretch(database, 0)).start == start
    assert (await stretch(database, later)).start == later
    assert (await stretch(database, later, most=2)).start == start + 8 * SECOND
    assert (await stretch(database, 0, start)).start == 0
    assert (await stretch(database, now() - SECOND)).length == 0


async def test_an_empty_log_is_an_empty_stretch(database):
    part = await stretch(database, 0)
    assert (part.length, await read(database, part)) == (0, [])


async def test_types_that_nobody_wants_are_left_out_and_still_counted(database, start):
    part = await stretch(database, 0)
    found = [page async for page in pages(database, part, lambda type_: type_ == "b")]
    (page,) = found
    assert [one.event.id for one in page.events] == ["e1", "e3", "e5", "e7", "e9"]
    assert (page.position, page.at) == (part.last, start + 9 * SECOND)
    (nothing,) = [page async for page in pages(database, part, lambda _: False)]
    assert (list(nothing.events), nothing.position) == ([], part.last)


async def test_pages_are_bounded_in_events(database, journal):
    at = now()
    total = 2 * PAGE_EVENTS + 1
    for begin in range(0, total, 1_000):
        batch = [event(n, at=at) for n in range(begin, min(begin + 1_000, total))]
        await journal.submit(Change(tuple(batch)))
    read_ = await read(database, await stretch(database, 0))
    assert [len(page) for page in read_] == [PAGE_EVENTS, PAGE_EVENTS, 1]
    assert [id_ for page in read_ for id_ in page] == [f"e{n}" for n in range(total)]


async def test_pages_are_bounded_in_bytes_and_hold_one_event_at_least(database, journal):
    size = PAGE_BYTES // 3
    for number in range(7):
        await journal.submit(Change((event(number, at=now(), data="x" * size),)))
    part = await stretch(database, 0)
    assert await read(database, part) == [["e0", "e1"], ["e2", "e3"], ["e4", "e5"], ["e6"]]
    await journal.submit(Change((event(7, at=now(), data="x" * (PAGE_BYTES + 1)),)))
    assert await read(database, Stretch(part.last, part.last + 1, 0)) == [["e7"]]
