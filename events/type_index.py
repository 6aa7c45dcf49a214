"""Events by their type, on SQLite: where they are in the log, written down a segment at a time.

Types come in no order, so an index over them dirties another page with every event, and costs
more than the event itself. So the positions of new events are gathered in memory, type by type,
and written when there are many:

    append ─▶ tail (memory) ── 8,192 events ─▶ one segment, in one transaction

A segment is a stretch of the log. Its row in `event_segment` says which, and the times of the
first and the last of its events by their own clock; for each type in it one row of `event_type`
lists the positions, as JSON, which SQL can read. Rows are keyed by the segment first, so nothing
is ever inserted in the middle of a table.

What is behind the last segment is found in the log itself: so whoever reads, in this process or
another, goes by what is in the database alone. After a start the tail is read from there too. A
position whose event was deleted finds nothing, and goes with its segment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Select, func, true
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.time import Micros
from events.event import Event
from events.tables import EventRow, EventSegmentRow, EventTypeRow
from events.tx import InsertSpec, Tx

if TYPE_CHECKING:
    from events.log import Query

SEGMENT_EVENTS = 8_192
SEGMENT_TYPES = 2_048
"""With so many types the tail is written before it is full, as no transaction shall be long."""
_MOST_AT_ONCE: Final = 64
"""Segments looked into by one statement."""
_SEGMENT = InsertSpec(EventSegmentRow, columns=("last", "first", "earliest", "latest"))
_TYPE = InsertSpec(EventTypeRow, columns=("segment", "type", "positions"))
_UNWRITTEN = (
    "SELECT type, position, time FROM event WHERE position > "
    "(SELECT coalesce(max(last), 0) FROM event_segment) ORDER BY position"
)
_Place = tuple[str, int, Micros]
"""Type, position and time of an event."""


class _Tail:
    """Committed events that are in no segment yet."""

    def __init__(self) -> None:
        self.positions: defaultdict[str, list[int]] = defaultdict(list)
        self._spans: list[Segment] = []
        self._events = 0

    @property
    def is_full(self) -> bool:
        return self._events >= SEGMENT_EVENTS or len(self.positions) >= SEGMENT_TYPES

    @property
    def segment(self) -> Segment:
        """What it becomes."""
        first, last, earliest, latest = zip(*self._spans, strict=True)
        return Segment(first[0], last[-1], min(earliest), max(latest))

    def add(self, places: Sequence[_Place]) -> None:
        """In the order of the log."""
        if not places:
            return
        positions = self.positions
        for type_, position, _ in places:
            positions[type_].append(position)
        times = [time for _, _, time in places]
        self._spans.append(Segment(places[0][1], places[-1][1], min(times), max(times)))
        self._events += len(places)


class TypeIndex:
    """The writer's side. One writer, which tells it what became of each transaction."""

    def __init__(self) -> None:
        self._tail: _Tail | None = None
        """None: it is read from the log, as after a start."""
        self._fresh: list[_Place] = []
        self._is_read = False
        """The tail is as the open transaction sees the log."""
        self._is_written = False
        """The open transaction makes a segment of the tail."""

    async def append(self, tx: Tx, events: Sequence[tuple[int, Event]]) -> None:
        """To be called before events are written to the log in the same transaction."""
        if self._tail is None:
            self._tail = _Tail()
            self._tail.add(await tx.fetch(_UNWRITTEN))
            self._is_read = True
        if self._tail.is_full and not self._is_written:
            await self._write(tx, self._tail)
        self._fresh += [(event.type, position, event.time) for position, event in events]

    def settle(self, committed: bool | None) -> None:
        """What became of the transaction; None: nobody knows."""
        if committed:
            if self._is_written:
                self._tail = _Tail()
            if self._tail is not None:
                self._tail.add(self._fresh)
        elif committed is None or self._is_read:
            self._tail = None
        self._is_read = self._is_written = False
        self._fresh = []

    async def _write(self, tx: Tx, tail: _Tail) -> None:
        first, last, earliest, latest = tail.segment
        types = sorted(tail.positions.items())
        await tx.insert(_SEGMENT, [(last, first, earliest, latest)])
        await tx.insert(_TYPE, [(last, type_, orjson.dumps(at).decode()) for type_, at in types])
        self._is_written = True


class Segment(NamedTuple):
    """Events of a stretch of the log: their positions and their times, the last ones included."""

    first: int
    last: int
    earliest: Micros
    latest: Micros


async def segments(session: AsyncSession) -> list[Segment]:
    """All that are written, in the order of the log. What is behind them is found there."""
    row = EventSegmentRow
    found: Any = select(row.first, row.last, row.earliest, row.latest).order_by(col(row.last))
    return [Segment(*one) for one in await session.exec(found)]


def listed() -> Select[Any]:
    """The positions in all segments: narrow it down by `EventTypeRow`."""
    each = func.json_each(EventTypeRow.positions).table_valued("value")
    return select(each.c.value).select_from(EventTypeRow).join(each, true())


def within(positions: Select[Any], chosen: Iterable[Segment]) -> ColumnElement[bool]:
    """That an event is at one of these positions, in one of these segments."""
    last = [segment.last for segment in chosen]
    return col(EventRow.position).in_(positions.where(col(EventTypeRow.segment).in_(last)))


def behind(known: Sequence[Segment]) -> ColumnElement[bool]:
    """That an event is in no segment."""
    return col(EventRow.position) > (known[-1].last if known else 0)


def some(chosen: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    """A few of them at first, for who may be served by those, and then more at once."""
    begin, count = 0, 1
    while begin < len(chosen):
        yield chosen[begin : begin + count]
        begin += count
        count = min(4 * count, _MOST_AT_ONCE)


async def parts(
    session: AsyncSession, query: Query, positions: Select[Any]
) -> Iterator[ColumnElement[bool]]:
    """Conditions for the events at these positions, and for all that are in no segment.

    Each is for another stretch of the log, and they come in the order of the query. Stretches
    that by their times or places have nothing for it are left out.
    """
    return _parts(await segments(session), query, positions)


def _parts(
    known: Sequence[Segment], query: Query, positions: Select[Any]
) -> Iterator[ColumnElement[bool]]:
    wanted = [segment for segment in known if _reaches(query, segment)]
    if query.order == "desc":
        yield behind(known)
        wanted.reverse()
    for chosen in some(wanted):
        yield within(positions, chosen)
    if query.order == "asc":
        yield behind(known)


def _reaches(query: Query, segment: Segment) -> bool:
    if query.since is not None and segment.latest < query.since:
        return False
    if query.until is not None and segment.earliest >= query.until:
        return False
    if query.after is None:
        return True
    return segment.last > query.after if query.order == "asc" else segment.first < query.after
