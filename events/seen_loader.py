"""Filling the filter over older segments after a start."""

from __future__ import annotations

import asyncio

from sqlmodel import col, select

from base.database import Database
from events.segmented_seen import SegmentedSeen
from events.tables import SeenRow

_SLICE = 2_048


class SeenLoader:
    """Reads the keys of older segments, newest first, a slice at a time.

    Until a segment is loaded its index is asked instead, so nothing has to wait for this.
    """

    def __init__(self, seen: SegmentedSeen, database: Database) -> None:
        self._seen = seen
        self._database = database

    async def run(self) -> None:
        """Returns when all are loaded."""
        for segment in self._seen.to_load():
            last = b""
            while keys := await self._keys(segment, last):
                self._seen.load(segment, keys)
                last = keys[-1]
                await asyncio.sleep(0)
            self._seen.loaded(segment)

    async def _keys(self, segment: int, after: bytes) -> list[bytes]:
        statement = (
            select(SeenRow.key)
            .where(SeenRow.segment == segment, col(SeenRow.key) > after)
            .order_by(col(SeenRow.key))
            .limit(_SLICE)
        )
        async with self._database.reader() as session:
            return list(await session.exec(statement))
