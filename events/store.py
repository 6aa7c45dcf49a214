"""Opening the events floor on a database: the right writer and the right memory of ids."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from base.database import Database
from events.seen import PlainSeen
from events.segmented_seen import BLOCKS, SegmentedSeen
from events.sqlite import SqliteWriter
from events.writer import Writer

_BLOCKS = text("SELECT id FROM seen_block ORDER BY id")
_TAIL = text("SELECT position, at, records FROM seen_tail")
_FILTER = text("SELECT id, bits FROM seen_filter")


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
        blocks = [row[0] for row in await connection.execute(_BLOCKS)]
        tail = [tuple(row) for row in await connection.execute(_TAIL)]
        parts = {row[0]: row[1] for row in await connection.execute(_FILTER)}
    return SegmentedSeen(sorted({block // BLOCKS for block in blocks}), tail, parts)
