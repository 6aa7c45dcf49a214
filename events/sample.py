"""The newest events of each type: a sample for whoever wants to know what events are like.

It is bounded in types, in events of a type and in bytes, and served by the index over type and
time, so that the length of the log does not matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import text
from sqlmodel import col, func, select

from base.database import Database
from events import log
from events.event import Stored
from events.tables import EventRow

MOST_TYPES: Final = 10_000
MOST_BYTES: Final = 4 << 20
"""Of the data of one type's events."""

# From each type straight to the next, by the index; a DISTINCT would read all of it.
_TYPES: Final = text(
    "WITH RECURSIVE known(type) AS ("
    " SELECT min(type) FROM event"
    " UNION ALL"
    " SELECT (SELECT min(type) FROM event WHERE type > known.type)"
    " FROM known WHERE known.type IS NOT NULL"
    ") SELECT type FROM known WHERE type IS NOT NULL LIMIT :most"
)


async def types(database: Database) -> list[str]:
    """All types that are stored; where there are more than `MOST_TYPES`, so many of them."""
    async with database.reader() as session:
        rows = await session.exec(_TYPES, params={"most": MOST_TYPES})  # type: ignore[call-overload]  # plain SQL is fine here
        return [str(row[0]) for row in rows]


async def known(database: Database, names: Collection[str]) -> list[str]:
    """Those of these types of which there is an event."""
    found = []
    async with database.reader() as session:
        for name in names:
            query: Any = select(EventRow.type).where(col(EventRow.type) == name).limit(1)
            if (await session.exec(query)).first() is not None:
                found.append(name)
    return found


async def newest(database: Database, event_type: str, most: int) -> Iterator[Stored]:
    """The newest events of this type by their own time, newest first, as far as the bytes allow.

    They are read out of their rows one by one, as they are asked for, and once only.
    """
    sizes: Any = (
        select(EventRow.position, func.length(EventRow.data))
        .where(col(EventRow.type) == event_type)
        .order_by(col(EventRow.time).desc())
        .limit(most)
    )
    async with database.reader() as session:
        size = 0
        positions: list[int] = []
        for position, length in await session.exec(sizes):
            size += length or 0
            if size > MOST_BYTES and positions:
                break
            positions.append(position)
        found: Any = (
            select(*EventRow.__table__.columns)  # type: ignore[attr-defined]  # SQLModel adds it
            .where(col(EventRow.type) == event_type)
            .order_by(col(EventRow.time).desc())
            .limit(len(positions))
        )
        wanted = set(positions)
        rows = [row for row in await session.exec(found) if row[0] in wanted]
    return map(log.stored, rows)
