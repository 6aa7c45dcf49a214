"""Writing to PostgreSQL: one connection, and a lock that makes the journals of all replicas take turns.

The transaction's first statement takes the advisory lock, so position, commit order and order
of evaluation are one, on every replica. Bulk inserts go by `unnest`: one round trip for any
number of rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

import asyncpg

from base.time import Micros
from events.tx import DeleteSpec, Dialect, InsertSpec, ListOf
from events.writer import Fault

_LOCK_CLASS = 3678
_STUCK = {"idle_in_transaction_session_timeout": "2000", "statement_timeout": "10000"}
_COUNT = re.compile(r"(\d+)$")
_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class PostgresTx:
    """The open transaction."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: asyncpg.Connection, now: Micros) -> None:
        self._connection = connection
        self.now = now

    async def execute(self, sql: str, *args: Any) -> int:
        return _count(await self._connection.execute(sql, *args))

    async def fetch(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._connection.fetch(sql, *args)]

    async def insert(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        columns = map(list, zip(*rows, strict=True))
        return _count(await self._connection.execute(spec.postgres, *columns))

    async def delete(self, spec: DeleteSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        columns = map(list, zip(*rows, strict=True))
        return _count(await self._connection.execute(spec.postgres, *columns))

    def any(self, n: int, of: ListOf) -> str:
        return f"= ANY(${n}::{of}[])"


class PostgresWriter:
    """The one writing connection of this replica."""

    dialect: Dialect = "postgresql"
    alone = False

    def __init__(self, url: str, *, space: str = "main") -> None:
        self._url: Final = url
        self._lock: Final = (
            f"BEGIN; SELECT pg_advisory_xact_lock({_LOCK_CLASS}, {_lock_key(space)})"
        )
        self._connection: asyncpg.Connection | None = None
        self._committing = False

    async def open(self) -> None:
        self._connection = await asyncpg.connect(self._url, server_settings=_STUCK, timeout=10)

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close(timeout=5)

    async def begin(self, now: Micros) -> PostgresTx:
        self._committing = False
        if self._connection is None or self._connection.is_closed():
            await self.open()
        connection = self._connection
        assert connection is not None
        await connection.execute(self._lock)
        return PostgresTx(connection, now)

    async def commit(self) -> None:
        assert self._connection is not None
        self._committing = True
        await self._connection.execute("COMMIT")
        self._committing = False

    async def rollback(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            await connection.execute("ROLLBACK")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            # Whatever state it is in, a new connection has none: `begin` makes it.
            connection.terminate()
            self._connection = None

    def fault(self, error: Exception) -> Fault:
        if isinstance(error, _AGAIN):
            return Fault.AGAIN
        if isinstance(error, _DATA):
            return Fault.DATA
        lost = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError, TimeoutError)
        if isinstance(error, lost):
            return Fault.UNKNOWN if self._committing else Fault.UNAVAILABLE
        if isinstance(error, asyncpg.PostgresError):
            # 08 connection, 53 resources (disk full), 57 shutting down, 58 I/O: never one change's.
            state = str(error.sqlstate or "")
            if state.startswith(("08", "25P", "53", "57", "58")):
                return Fault.UNKNOWN if self._committing else Fault.UNAVAILABLE
        return Fault.DATA


def _count(command_tag: str) -> int:
    """The rows a statement changed, from a tag such as `INSERT 0 3`."""
    count = _COUNT.search(command_tag)
    return int(count[1]) if count else 0


def _lock_key(space: str) -> int:
    return crc32(space.encode()) & 0x7FFF_FFFF
