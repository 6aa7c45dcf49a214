"""The clock that leases go by: that of the database, which is one for all servers that share it.

A server whose own clock is wrong takes nobody's runs, and loses none of its own.
"""

from __future__ import annotations

from typing import Final

from base.time import SECOND, Micros
from events.tx import Tx

LEAP: Final[Micros] = 2 * SECOND
"""A clock that comes so far ahead of the steady one between two looks was set."""


async def clock(tx: Tx) -> Micros:
    """What time it is there now. On SQLite that is this machine's."""
    if tx.dialect == "sqlite":
        return tx.now
    rows = await tx.fetch("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")
    return int(rows[0][0])


class Doubt:
    """For how long leases prove nothing, because their clock leapt ahead."""

    def __init__(self, lease: Micros) -> None:
        self._lease = lease
        self._apart: Micros | None = None
        self._until: Micros = 0

    def holds(self, clock: Micros, steady: Micros) -> bool:
        """Told what the clock of leases says, and one that nobody sets."""
        apart = clock - steady
        if self._apart is not None and apart - self._apart > LEAP:
            # All that is well is renewed within this time.
            self._until = steady + self._lease
        self._apart = apart
        return steady < self._until
