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

import asyncio
import contextlib
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final
from zlib import crc32

import asyncpg

from base.time import Micros
from events import log
from events.tx import BULK, DeleteSpec, Dialect, Head, InsertSpec, ListOf
from events.writer import Fault

_LOCK_CLASS = 3678
_STUCK = {"idle_in_transaction_session_timeout": "2000", "statement_timeout": "10000"}
_PARAMETER = re.compile(r"\$(\d+)")
_COUNT = re.compile(r"(\d+)$")
_DOUBT: Final = 100
"""Bulk inserts that look for each row, after one that met a row that was there already."""
_STILL: Final = (
    "PREPARE still (bigint, boolean, bigint) AS"
    f" SELECT WHERE ($1, $2, $3) = ({log.HEAD['postgresql']})"
)
_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
_SAVEPOINT: Final = "SAVEPOINT copying"


class _Bulk:
    """What is known of bulk inserts of rows that may be there already, from earlier ones."""

    doubts = 0
    """So many of them must still look for such rows."""
    first = False
    """The last transaction began with one: so will the next."""


class PostgresTx:
    """The open transaction."""

    dialect: Dialect = "postgresql"

    def __init__(
        self, connection: asyncpg.Connection, now: Micros, head: Head | None, bulk: _Bulk
    ) -> None:
        self._connection = connection
        self._bulk = bulk
        self._saved, bulk.first = bulk.first, False
        """It has a savepoint, which comes before all that was done in it."""
        self._is_new = True
        """Nothing was done in it yet."""
        self._put_off: list[tuple[str, tuple[Any, ...]]] = []
        self._copying: asyncio.Task[int] | None = None
        """Rows on their way, while there is something else to do."""
        self.now = now
        self.head = head

    async def execute(self, sql: str, *args: Any, joins: bool = False) -> int:
        self._is_new = False
        if self._put_off and joins:
            await self._copied()
            statements, self._put_off = [*self._put_off, (sql, args)], []
            return await self._together(statements)
        await self.settle()
        return _count(await self._connection.execute(sql, *args))

    async def execute_soon(self, sql: str, *args: Any) -> None:
        if any(sql == other for other, _ in self._put_off):
            await self.settle()  # of two that change one row, only one would count
        self._put_off.append((sql, args))

    async def insert_soon(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> None:
        if len(rows) >= BULK and spec.conflict == "error":
            await self.settle()
            # A list of its own: whoever gave it may go on with his before it was read.
            self._copying = asyncio.create_task(self._copy(spec, [*rows]))
            await asyncio.sleep(0)  # it is under way
        elif len(rows) >= BULK:
            await self.insert(spec, rows)
        elif rows:
            self._put_off.append((spec.postgres, tuple(map(list, zip(*rows, strict=True)))))

    async def settle(self) -> None:
        """Run what was put off: many ways to the server and back become one."""
        await self._copied()
        if self._put_off:
            self._is_new = False
            statements, self._put_off = self._put_off, []
            await self._together(statements)

    async def abandon(self) -> None:
        """Nothing of it shall be: wait for what is under way, whatever comes of it."""
        if self._copying is not None:
            await asyncio.wait([self._copying])
            with contextlib.suppress(Exception):  # there is another one, or nobody asked
                self._copying.result()

    async def _copied(self) -> None:
        copying, self._copying = self._copying, None
        if copying is not None:
            await copying

    async def _together(self, statements: Sequence[tuple[str, tuple[Any, ...]]]) -> int:
        """Run them as one; how many rows the last one changed."""
        sql = _joined(tuple((sql, len(args)) for sql, args in statements))
        args = chain.from_iterable(args for _, args in statements)
        return _count(await self._connection.execute(sql, *args))

    async def fetch(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        self._is_new = False
        await self.settle()
        return [tuple(row) for row in await self._connection.fetch(sql, *args)]

    async def insert(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        await self.settle()
        if len(rows) >= BULK:
            if spec.conflict == "error":
                return await self._copy(spec, rows)
            if spec.conflict == "nothing" and await self._copy_new(spec, rows):
                return len(rows)
        self._is_new = False
        columns = map(list, zip(*rows, strict=True))
        return _count(await self._connection.execute(spec.postgres, *columns))

    async def _copy(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        self._is_new = False
        tag = await self._connection.copy_records_to_table(
            spec.table, columns=spec.columns, records=rows
        )
        return _count(tag)

    async def _copy_new(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> bool:
        """All of the rows, or none because one of them was there already.

        What was copied in vain stays in the table until it is vacuumed: so where rows do come
        again, most inserts look first.
        """
        bulk, begins = self._bulk, self._is_new
        if bulk.doubts:
            bulk.doubts -= 1
            return False
        bulk.first = bulk.first or begins
        if not (begins and self._saved):
            await self._connection.execute(_SAVEPOINT)
        try:
            await self._copy(spec, rows)
        except asyncpg.UniqueViolationError:
            await self._connection.execute("ROLLBACK TO copying")
            bulk.doubts = _DOUBT
            return False
        return True

    async def delete(self, spec: DeleteSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        self._is_new = False
        await self.settle()
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
        self._bulk = _Bulk()
        self._connection: asyncpg.Connection | None = None
        self._committing = False
        self._tx: PostgresTx | None = None

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
        lock = f"{self._lock}; {_SAVEPOINT}" if self._bulk.first else self._lock
        if head is None:
            await connection.execute(lock)
        elif not _count(await connection.execute(f"{lock}; EXECUTE still {tuple(head)}")):
            head = None
        self._tx = PostgresTx(connection, now, head, self._bulk)
        return self._tx

    async def commit(self) -> None:
        assert self._connection is not None
        assert self._tx is not None
        await self._tx.settle()
        self._committing = True
        await self._connection.execute("COMMIT")
        self._committing = False

    async def rollback(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if self._tx is not None:
            await self._tx.abandon()
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


@lru_cache(maxsize=256)
def _joined(statements: Sequence[tuple[str, int]]) -> str:
    """Several statements, each with its number of parameters, as one: the last with the others."""
    moved, first = [], 0
    for sql, count in statements:
        moved.append(_moved(sql.strip(), first))
        first += count
    *others, last = moved
    if not others:
        return last
    named = ", ".join(f"put_off{n} AS ({sql})" for n, sql in enumerate(others))
    if last.startswith("WITH "):
        return f"WITH {named}, {last.removeprefix('WITH ')}"
    return f"WITH {named} {last}"


def _moved(sql: str, by: int) -> str:
    """The statement with its parameters numbered from so many on."""
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", sql)


def _count(command_tag: str) -> int:
    """The rows a statement changed, from a tag such as `INSERT 0 3`."""
    count = _COUNT.search(command_tag)
    return int(count[1]) if count else 0


def _lock_key(space: str) -> int:
    return crc32(space.encode()) & 0x7FFF_FFFF
