"""Writing to SQLite: statements and commits on the event loop, the disk waited for elsewhere.

A statement takes microseconds, less than handing it to a thread would, and so does a commit
that leaves its pages to the operating system (`synchronous=NORMAL`). Then `Disk` syncs the
write-ahead log, as SQLite itself would have done with `synchronous=FULL`; the transaction counts
as committed when that is done, and the next one does not begin before.

Checkpoints copy the log into the database and wait for the disk twice; they are made here, in
the thread and between two transactions, instead of within some commit on the loop.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

import orjson

from base.time import Micros
from events.disk import Disk, DiskLostError
from events.tx import DeleteSpec, Dialect, Head, InsertSpec, ListOf
from events.wal_file import WalFile
from events.writer import Fault

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "wal_autocheckpoint=0",
    "cache_size=-32768",
    "temp_store=MEMORY",
)
CHECKPOINT_PAGES: Final = 8_000
"""Pages in the log from which on it is copied into the database. More stall it for longer."""
_CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"
_LOOK_EVERY: Final = 16
_PARAMETER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=1024)
def _translated(sql: str) -> str:
    return _PARAMETER.sub(r"?\1", sql)


def _bound(args: tuple[Any, ...]) -> tuple[Any, ...]:
    if any(type(arg) is list for arg in args):
        return tuple(orjson.dumps(a).decode() if type(a) is list else a for a in args)
    return args


class SqliteTx:
    """The open transaction. Its methods never wait, so nothing else runs between two of them."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection, now: Micros, head: Head | None) -> None:
        self._connection = connection
        self.now = now
        self.head = head

    async def execute(self, sql: str, *args: Any, joins: bool = False) -> int:  # noqa: ARG002 - nothing is put off
        return self._connection.execute(_translated(sql), _bound(args)).rowcount

    async def fetch(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(_translated(sql), _bound(args)).fetchall()

    async def execute_soon(self, sql: str, *args: Any) -> None:
        await self.execute(sql, *args)

    async def insert_soon(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> None:
        await self.insert(spec, rows)

    async def insert(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        execute, count, at, done = self._connection.execute, len(rows), 0, 0
        if count == 1:
            return execute(spec.sqlite, rows[0]).rowcount
        for size, statement in spec.sqlite_many:
            while count - at >= size:
                done += execute(statement, [*chain.from_iterable(rows[at : at + size])]).rowcount
                at += size
        if at < count:
            done += self._connection.executemany(spec.sqlite, rows[at:]).rowcount
        return done

    async def delete(self, spec: DeleteSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        return self._connection.executemany(spec.sqlite, rows).rowcount if rows else 0

    def any(self, n: int, of: ListOf) -> str:  # noqa: ARG002 - PostgreSQL needs the type
        return f"IN (SELECT value FROM json_each(${n}))"


class SqliteWriter:
    """The one writing connection to a database file."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._connection: sqlite3.Connection | None = None
        self._disk: Disk | None = None
        self._wal: WalFile | None = None
        self._begun = 0

    async def open(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA busy_timeout=5000")
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        self._wal = WalFile.of(connection)
        # From here on waiting for a lock would stop the loop: the journal waits, and tries again.
        connection.execute("PRAGMA busy_timeout=0")
        self._connection = connection
        self._disk = Disk(self._wal.descriptor)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._disk is not None:
            await self._disk.run(connection.close)
        elif connection is not None:
            connection.close()
        if self._disk is not None:
            self._disk.close()
        if self._wal is not None:
            self._wal.close()

    async def begin(self, now: Micros, head: Head | None = None) -> SqliteTx:
        connection = self._open_connection
        self._begun += 1
        if self._begun % _LOOK_EVERY == 0 and self._wal and self._wal.holds(CHECKPOINT_PAGES):
            assert self._disk is not None
            await self._disk.run(lambda: connection.execute(_CHECKPOINT).fetchall())
        connection.execute("BEGIN IMMEDIATE")
        # Nobody else writes to the file, so what was the end still is.
        return SqliteTx(connection, now, head)

    async def commit(self) -> None:
        assert self._disk is not None
        self._open_connection.commit()
        await self._disk.sync()

    async def rollback(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.rollback()

    def fault(self, error: Exception) -> Fault:
        if isinstance(error, DiskLostError):
            return Fault.FATAL
        if not isinstance(error, sqlite3.OperationalError):
            return Fault.DATA
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_IOERR") and "FSYNC" in name:
            return Fault.FATAL
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Fault.AGAIN
        unavailable = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
        return Fault.UNAVAILABLE if name.startswith(unavailable) else Fault.DATA

    @property
    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the journal's connection is not open")
        return self._connection
