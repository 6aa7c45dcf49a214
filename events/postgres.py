"""Writing to PostgreSQL: one connection, and a lock that makes the journals of all replicas take turns.

The transaction's first statement takes the advisory lock, so position, commit order and order
of evaluation are one, on every replica. The same round trip says whether the log still ends where
this writer left it: a statement of its own, so that it sees what was committed before the lock
was granted.

Bulk inserts take one round trip for any number of rows: a few go by `unnest`; more by binary
COPY, which costs both sides less for each row. COPY knows no "on conflict do nothing", so rows
that may be there already are copied behind a savepoint, in the hope that none is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

import asyncpg

from base.time import Micros
from events import log
from events.tx import BULK, DeleteSpec, Dialect, Head, InsertSpec, ListOf
from events.writer import Fault

_LOCK_CLASS = 3678
_STUCK = {"idle_in_transaction_session_timeout": "2000", "statement_timeout": "10000"}
_COUNT = re.compile(r"(\d+)$")
_DOUBT: Final = 100
"""Bulk inserts that look for each row, after one that met a row that was there already."""
_STILL: Final = (
    "PREPARE still (bigint, boolean, bigint) AS"
    f" SELECT WHERE ($1, $2, $3) = ({log.HEAD['postgresql']})"
)
_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class _Doubt:
    """How many bulk inserts must still look for rows that are there already."""

    left = 0


class PostgresTx:
    """The open transaction."""

    dialect: Dialect = "postgresql"

    def __init__(
        self, connection: asyncpg.Connection, now: Micros, head: Head | None, doubt: _Doubt
    ) -> None:
        self._connection = connection
        self._doubt = doubt
        self.now = now
        self.head = head

    async def execute(self, sql: str, *args: Any) -> int:
        return _count(await self._connection.execute(sql, *args))

    async def fetch(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._connection.fetch(sql, *args)]

    async def insert(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        if len(rows) >= BULK:
            if spec.conflict == "error":
                return await self._copy(spec, rows)
            if spec.conflict == "nothing" and await self._copy_new(spec, rows):
                return len(rows)
        columns = map(list, zip(*rows, strict=True))
        return _count(await self._connection.execute(spec.postgres, *columns))

    async def _copy(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        tag = await self._connection.copy_records_to_table(
            spec.table, columns=spec.columns, records=rows
        )
        return _count(tag)

    async def _copy_new(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> bool:
        """All of the rows, or none because one of them was there already.

        What was copied in vain stays in the table until it is vacuumed: so where rows do come
        again, most inserts look first.
        """
        if self._doubt.left:
            self._doubt.left -= 1
            return False
        await self._connection.execute("SAVEPOINT copying")
        try:
            await self._copy(spec, rows)
        except asyncpg.UniqueViolationError:
            await self._connection.execute("ROLLBACK TO copying")
            self._doubt.left = _DOUBT
            return False
        return True

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

    def __init__(self, url: str, *, space: str = "main") -> None:
        self._url: Final = url
        self._lock: Final = (
            f"BEGIN; SELECT pg_advisory_xact_lock({_LOCK_CLASS}, {_lock_key(space)})"
        )
        self._doubt = _Doubt()
        self._connection: asyncpg.Connection | None = None
        self._committing = False

    async def open(self) -> None:
        connection = await asyncpg.connect(self._url, server_settings=_STUCK, timeout=10)
        await connection.execute(_STILL)
        self._connection = connection

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close(timeout=5)

    async def begin(self, now: Micros, head: Head | None = None) -> PostgresTx:
        self._committing = False
        if self._connection is None or self._connection.is_closed():
            await self.open()
        connection = self._connection
        assert connection is not None
        if head is None:
            await connection.execute(self._lock)
        elif not _count(await connection.execute(f"{self._lock}; EXECUTE still {tuple(head)}")):
            head = None
        return PostgresTx(connection, now, head, self._doubt)

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
