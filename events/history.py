"""A stretch of the log read from its beginning to its end, for whoever looks back.

It is read in pages that are bounded in events and in bytes, so that it may be as long as it
likes; and what is in events that nobody asked for, by their type, is never fetched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.database import Database
from base.time import Micros
from events import log
from events.event import Stored
from events.tables import EventRow

PAGE_EVENTS: Final = 500
PAGE_BYTES: Final = 4 << 20

Wants = Callable[[str], bool]
"""Whether events of this type are to be read."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The events behind position `after`, up to and with `last`.

    `start` is from when on it is known what happened: what was asked for, or when the first of
    the events came in, where none are kept from before.
    """

    after: int
    last: int
    start: Micros

    @property
    def length(self) -> int:
        return max(self.last - self.after, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """What was wanted of the events up to `position`, in the order of the log.

    `events` are read out of their rows one by one, as they are asked for, and once only.
    """

    events: Iterator[Stored]
    position: int
    at: Micros
    """When the last of them came in."""


async def stretch(
    database: Database, since: Micros, until: Micros | None = None, *, most: int | None = None
) -> Stretch:
    """What came in from `since` on and before `until`, of what is stored now; the newest `most`.

    It goes by when events arrived, which is the order of the log, and not by their own time.
    """
    async with database.reader() as session:
        first, last = await _ends(session)
        begin = asked = await _position(session, since, first, last)
        end = last + 1 if until is None else await _position(session, until, first, last)
        if most is not None:
            begin = max(begin, end - most)
        known = None if first < begin == asked else await _next(session, begin)
    start = max(since, known[1]) if known and known[0] < end else since
    return Stretch(begin - 1, max(end, begin) - 1, start)


async def pages(database: Database, part: Stretch, wants: Wants) -> AsyncIterator[Page]:
    """The events of a stretch, page by page. Between pages no transaction is held open."""
    wanted = lru_cache(maxsize=10_000)(wants)
    after = part.after
    while after < part.last:
        async with database.reader() as session:
            page = await _page(session, replace(part, after=after), wanted)
        if page is None:
            return
        yield page
        after = page.position


async def _page(session: AsyncSession, rest: Stretch, wants: Wants) -> Page | None:
    position, kind = col(EventRow.position), col(EventRow.type)
    sizes: Any = (
        select(position, kind, func.length(EventRow.data), EventRow.received)
        .where(position > rest.after, position <= rest.last)
        .order_by(position)
        .limit(PAGE_EVENTS)
    )
    wanted: set[str] = set()
    size, some_left_out, last, at = 0, False, 0, 0
    for place, type_, length, received in await session.exec(sizes):
        if wants(type_):
            size += length or 0
            if size > PAGE_BYTES and wanted:
                break
            wanted.add(type_)
        else:
            some_left_out = True
        last, at = place, received
    if not last:
        return None
    if not wanted:
        return Page(iter(()), last, at)
    query: Any = (
        select(*EventRow.__table__.columns)  # type: ignore[attr-defined]  # SQLModel adds it
        .where(position > rest.after, position <= last)
        .order_by(position)
    )
    if some_left_out:
        query = query.where(kind.in_(wanted))
    return Page(map(log.stored, (await session.exec(query)).all()), last, at)


async def _ends(session: AsyncSession) -> tuple[int, int]:
    """The first and the last position; for an empty log an empty stretch."""
    position = EventRow.position
    found: Any = select(func.min(position), func.max(position))
    first, last = (await session.exec(found)).one()
    return (first, last) if first is not None else (1, 0)


async def _position(session: AsyncSession, instant: Micros, first: int, last: int) -> int:
    """The first position from `instant` on, by halving: positions are in order of arrival."""
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        row = await _next(session, middle)
        if row is not None and row[1] < instant:
            low = row[0] + 1
        else:
            high = middle
    return low


async def _next(session: AsyncSession, position: int) -> tuple[int, Micros] | None:
    """The first event at or behind a position: where it is, and when it came in."""
    found: Any = (
        select(EventRow.position, EventRow.received)
        .where(col(EventRow.position) >= position)
        .order_by(col(EventRow.position))
        .limit(1)
    )
    row = (await session.exec(found)).first()
    return None if row is None else (row[0], row[1])
