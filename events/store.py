"""Opening the events floor on a database: the right writer and the right memory of ids."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from base.database import Database
from events.seen import Entry, PlainSeen
from events.segmented_seen import SegmentedSeen
from events.sqlite import SqliteWriter
from events.writer import Writer

_SEGMENTS = text("""
WITH RECURSIVE s(n) AS (
  SELECT min(segment) FROM seen
  UNION ALL
  SELECT (SELECT min(segment) FROM seen WHERE segment > s.n) FROM s WHERE s.n IS NOT NULL
)
SELECT n FROM s WHERE n IS NOT NULL ORDER BY n
""")
_TAIL = text('SELECT "key", position, digest, at FROM seen_tail')


def open_writer(database: Database) -> Writer:
    """The journal's connection, not opened yet."""
    if database.address.path:
        return SqliteWriter(database.address.path)
    # Its driver costs memory and time to start, which a server on SQLite need not spend.
    from events.postgres import PostgresWriter

    return PostgresWriter(database.address.url)


async def open_seen(database: Database) -> PlainSeen | SegmentedSeen:
    """Deduplication as this database needs it."""
    if database.address.dialect == "postgresql":
        return PlainSeen()
    async with database.reader() as session:
        connection: Any = await session.connection()
        segments = [row[0] for row in await connection.execute(_SEGMENTS)]
        tail = [Entry(*row) for row in await connection.execute(_TAIL)]
    return SegmentedSeen(segments, tail)
