"""The journal's connection: what it needs of a database, and what a failure there means."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from base.time import Micros
from events.tx import Dialect, Head, Tx


class Fault(Enum):
    """What to do about an error raised inside or by a transaction."""

    DATA = "one change is to blame: find it, refuse it, keep the others"
    AGAIN = "nobody is to blame: run the same transaction again"
    UNAVAILABLE = "the database is out of reach or full: nothing was committed"
    UNKNOWN = "the connection broke during the commit: it may or may not have happened"
    FATAL = "the disk lost what it had confirmed: the process must end"


class Writer(Protocol):
    """One connection that writes, one transaction at a time.

    `begin` … `commit` or `rollback`; the transactions of all writers of one database are
    serial, so whatever `begin` sees is the end of the log.
    """

    dialect: Dialect

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def begin(self, now: Micros, head: Head | None = None) -> Tx:
        """Wait for the turn and open a transaction. Reconnects if the connection was lost.

        `head` is where the log ended after the last commit here; the transaction has it where
        nobody else has written since.
        """
        ...

    async def commit(self) -> None:
        """When this returns, the transaction is on disk."""
        ...

    async def rollback(self) -> None:
        """Undo all of it; safe to call whatever the state of the connection."""
        ...

    def fault(self, error: Exception) -> Fault: ...
