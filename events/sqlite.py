"""Writing to SQLite: statements on the event loop, the commit's fsync in a thread.

A statement takes microseconds, less than handing it to a thread would; the commit waits for
the disk, so it goes to the one thread that does nothing else. Measured against a thread for
everything and against aiosqlite this is the fastest that stays in one process.
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
from events.disk_thread import DiskThread
from events.tx import DeleteSpec, Dialect, InsertSpec, ListOf
from events.writer import Fault

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=8000",
    "cache_size=-32768",
    "temp_store=MEMORY",
)
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

    def __init__(self, connection: sqlite3.Connection, now: Micros) -> None:
        self._connection = connection
        self.now = now

    async def execute(self, sql: str, *args: Any) -> int:
        return self._connection.execute(_translated(sql), _bound(args)).rowcount

    async def fetch(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(_translated(sql), _bound(args)).fetchall()

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
    alone = True

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._connection: sqlite3.Connection | None = None
        self._disk = DiskThread()

    async def open(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA busy_timeout=5000")
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        # From here on waiting for a lock would stop the loop: the journal waits, and tries again.
        connection.execute("PRAGMA busy_timeout=0")
        self._connection = connection

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._disk.run(connection.close)
        self._disk.stop()

    async def begin(self, now: Micros) -> SqliteTx:
        connection = self._open_connection
        connection.execute("BEGIN IMMEDIATE")
        return SqliteTx(connection, now)

    async def commit(self) -> None:
        await self._disk.run(self._open_connection.commit)

    async def rollback(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.rollback()

    def fault(self, error: Exception) -> Fault:
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
