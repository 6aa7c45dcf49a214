"""How far this server's clock is off that of the database which it shares with others.

Timers ring by the clock of the server that takes them, so one whose clock is wrong rings those of
all. It says so, and is not ready, until somebody has set it right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from base.database import Database
from base.logs import logger
from base.services import Service
from base.time import SECOND, Micros, format_duration, now

log = logger("clock")

MOST: Final[Micros] = 5 * SECOND
"""What a server may be off by. Machines that ask for the time are off by milliseconds."""
_EVERY: Final = 10.0
_CLOCK: Final = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")


class ClockSkew(Service):
    """For servers on PostgreSQL. `problem` is why this one is not ready."""

    def __init__(self, database: Database, *, clock: Callable[[], Micros] = now) -> None:
        super().__init__("clock-skew")
        self.problem: str | None = None
        self._database = database
        self._clock = clock

    async def open(self) -> None:
        await self.look()

    async def run(self) -> None:
        while not self.stopping.is_set():
            await self.pause(_EVERY)
            await self.look()

    async def look(self) -> None:
        """Ask the database what time it is; where it cannot be asked, what was so stays so."""
        before = self._clock()
        try:
            async with self._database.reader() as session:
                there = int((await (await session.connection()).execute(_CLOCK)).scalar_one())
        except (SQLAlchemyError, OSError):
            return
        after = self._clock()
        # It was asked somewhere between the two.
        off = before - there if before > there else min(after - there, 0)
        was, self.problem = self.problem, _problem(off)
        if self.problem and not was:
            log.error("clock_is_wrong", seconds=round(off / SECOND, 3))


def _problem(off: Micros) -> str | None:
    if abs(off) <= MOST:
        return None
    where = "ahead of" if off > 0 else "behind"
    return f"{format_duration(abs(off) // SECOND * SECOND)} {where} the database's"
