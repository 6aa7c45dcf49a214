"""Figures that are counted in the database: for gauges of what replicas share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from base.database import Database
from base.logs import logger
from base.services import Service

EVERY: Final = 15.0
"""Seconds between two counts."""

Count = Callable[[AsyncSession], Awaitable[None]]
"""Counts, and sets its gauges."""

log = logger("figures")


class Figures(Service):
    """Counts again and again; a database out of reach leaves the gauges as they are."""

    def __init__(self, database: Database, *counts: Count) -> None:
        super().__init__("figures")
        self._database = database
        self._counts = counts

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                await self.count()
            except (SQLAlchemyError, OSError) as error:
                log.warning("figures_not_counted", reason=str(error))
            await self.pause(EVERY)

    async def count(self) -> None:
        """Bring all gauges up to date."""
        async with self._database.reader() as session:
            for count in self._counts:
                await count(session)
