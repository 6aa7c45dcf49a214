"""The newest events of each type: a sample for whoever wants to know what events are like.

It is bounded in types, in events of a type and in bytes, and served by what is written down of
types (see `type_index.py`; on PostgreSQL the index over type and time), so that events that are
not asked for are not read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.database import Database
from base.time import Micros
from events import log, type_index
from events.event import Stored
from events.tables import EventRow, EventTypeRow

MOST_TYPES: Final = 10_000
MOST_BYTES: Final = 4 << 20
"""Of the data of one type's events."""
_MOST_ROWS: Final = 1_000

# From each type straight to the next, by the index; a DISTINCT would read all of it.
_TYPES: Final = text(
    "WITH RECURSIVE known(type) AS ("
    " SELECT min(type) FROM event"
    " UNION ALL"
    " SELECT (SELECT min(type) FROM event WHERE type > known.type)"
    " FROM known WHERE known.type IS NOT NULL"
    ") SELECT type FROM known WHERE type IS NOT NULL LIMIT :most"
)
# The oldest segment may name types whose events are gone: there, as behind the newest, the log
# says itself what is in it.
_SQLITE = (
    "(SELECT type FROM event_type WHERE segment > (SELECT min(last) FROM event_segment)"
    " UNION SELECT type FROM event WHERE position <= (SELECT min(last) FROM event_segment)"
    " UNION SELECT type FROM event"
    " WHERE position > (SELECT coalesce(max(last), 0) FROM event_segment))"
)
_SQLITE_TYPES: Final = text(f"SELECT type FROM {_SQLITE} ORDER BY type LIMIT :most")
_SQLITE_KNOWN: Final = text(
    f"SELECT type FROM {_SQLITE} WHERE type IN (SELECT value FROM json_each(:names))"
)
_Newest = tuple[Micros, int, int]
"""Time, position and bytes of an event."""


async def types(database: Database) -> list[str]:
    """All types that are stored; where there are more than `MOST_TYPES`, so many of them."""
    async with database.reader() as session:
        statement = _SQLITE_TYPES if _is_sqlite(session) else _TYPES
        rows = await session.exec(statement, params={"most": MOST_TYPES})  # type: ignore[call-overload]  # plain SQL is fine here
        return [str(row[0]) for row in rows]


async def known(database: Database, names: Collection[str]) -> list[str]:
    """Those of these types of which there is an event."""
    async with database.reader() as session:
        if _is_sqlite(session):
            given = {"names": orjson.dumps([*names]).decode()}
            rows = await session.exec(_SQLITE_KNOWN, params=given)  # type: ignore[call-overload]  # plain SQL is fine here
            stored = {row[0] for row in rows}
            return [name for name in names if name in stored]
        return [name for name in names if await _newest(session, name, 1)]


async def newest(database: Database, event_type: str, most: int) -> Iterator[Stored]:
    """The newest events of this type by their own time, newest first, as far as the bytes allow.

    They are read out of their rows one by one, as they are asked for, and once only.
    """
    async with database.reader() as session:
        size = 0
        positions: list[int] = []
        for _, position, length in await _newest(session, event_type, most):
            size += length
            if size > MOST_BYTES and positions:
                break
            positions.append(position)
        rows = await _rows(session, positions)
    return map(log.stored, rows)


async def _newest(session: AsyncSession, event_type: str, most: int) -> Sequence[_Newest]:
    """The newest first."""
    size = func.coalesce(func.length(EventRow.data), 0)
    statement: Any = (
        select(EventRow.time, EventRow.position, size)
        .where(EventRow.type == event_type)
        .order_by(col(EventRow.time).desc())
        .limit(most)
    )
    if not _is_sqlite(session):
        return (await session.exec(statement)).all()  # type: ignore[no-any-return]
    known = await type_index.segments(session)
    listed = type_index.listed().where(col(EventTypeRow.type) == event_type)
    found = (await session.exec(statement.where(type_index.behind(known)))).all()
    newest_first = sorted(known, key=lambda segment: segment.latest, reverse=True)
    for chosen in type_index.some(newest_first):
        if len(found) == most and found[-1][0] > chosen[0].latest:
            break
        more = await session.exec(statement.where(type_index.within(listed, chosen)))
        found = sorted([*found, *more], reverse=True)[:most]
    return found  # type: ignore[no-any-return]


async def _rows(session: AsyncSession, positions: Sequence[int]) -> list[Any]:
    """In this order; those that were deleted meanwhile are left out."""
    found: dict[int, Any] = {}
    columns: Any = select(*EventRow.__table__.columns)  # type: ignore[attr-defined]  # SQLModel adds it
    for begin in range(0, len(positions), _MOST_ROWS):
        some = positions[begin : begin + _MOST_ROWS]
        rows = await session.exec(columns.where(col(EventRow.position).in_(some)))
        found |= {row[0]: row for row in rows}
    return [found[position] for position in positions if position in found]


def _is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"
