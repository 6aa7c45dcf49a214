"""Filling the filter over older segments after a start."""

from __future__ import annotations

import asyncio

from sqlmodel import col, select

from base.database import Database
from events.segmented_seen import BLOCKS, SegmentedSeen
from events.tables import SeenBlockRow

_SLICE = 8


class SeenLoader:
    """Reads the blocks of older segments, newest first, a few at a time.

    Until a segment is loaded its blocks are asked instead, so nothing has to wait for this.
    """

    def __init__(self, seen: SegmentedSeen, database: Database) -> None:
        self._seen = seen
        self._database = database

    async def run(self) -> None:
        """Returns when all are loaded."""
        for segment in self._seen.to_load():
            for block in range(0, BLOCKS, _SLICE):
                for records in await self._blocks(segment * BLOCKS + block):
                    self._seen.load(segment, records)
                    await asyncio.sleep(0)
            self._seen.loaded(segment)

    async def _blocks(self, first: int) -> list[bytes]:
        id_ = col(SeenBlockRow.id)
        statement = select(SeenBlockRow.records).where(id_ >= first, id_ < first + _SLICE)
        async with self._database.reader() as session:
            return list(await session.exec(statement))
