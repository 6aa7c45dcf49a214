"""One database, SQLite or PostgreSQL: its address, its lock, its tables, and reading from it.

Writing is the journal's: nothing outside `events/sqlite.py` and `events/postgres.py` opens a
connection that writes, except the upgrade of the tables before anything else runs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel.ext.asyncio.session import AsyncSession

from base import schema
from base.errors import ConfigurationError, ConflictError

_PG_SIZE = text("SELECT pg_database_size(current_database())")
_NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "fuse.sshfs", "ceph", "glusterfs", "afs", "lustre")


@dataclass(frozen=True)
class Address:
    """Where the data is: a file for SQLite, a connection URL for PostgreSQL."""

    dialect: Literal["sqlite", "postgresql"]
    path: Path | None = None
    url: str = ""

    @classmethod
    def parse(cls, address: str) -> Self:
        """`postgresql://user@host/name`, `sqlite:///path`, or a plain path to a file."""
        if "://" not in address:
            return cls("sqlite", path=Path(address).absolute())
        try:
            url = make_url(address)
        except ArgumentError:
            raise ConfigurationError(
                "the database address cannot be read",
                hint="postgresql://user@host/name, or a path to a file",
            ) from None
        backend = url.get_backend_name()
        if backend == "sqlite" and url.database:
            return cls("sqlite", path=Path(url.database).absolute())
        if backend in ("postgresql", "postgres"):
            plain = url.set(drivername="postgresql")
            return cls("postgresql", url=plain.render_as_string(hide_password=False))
        raise ConfigurationError(
            f"there is no support for {backend} databases",
            hint="postgresql://user@host/name, or a path to a file",
        )

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """Fit to be shown: without the password."""
        return str(self.path) if self.path else repr(make_url(self.url))


class Database:
    """The open database, for reading; and, on SQLite, the right to be its only server.

    `open` takes the lock (SQLite: an exclusive lock file; another server is refused, and a
    network filesystem too, where such locks cannot be trusted), brings the tables to this
    program's version and opens a small pool of read-only connections.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._engine: AsyncEngine | None = None
        self._lock: int | None = None

    async def open(self) -> tuple[int, int]:
        """Returns the schema version found (0: new) and the one it has now."""
        if self.address.path:
            self._take_lock(self.address.path)
        try:
            versions = await upgrade(self.address)
            self._engine = _read_engine(self.address)
        except BaseException:
            await self.close()
            raise
        return versions

    def look(self) -> None:
        """Open for reading alone, also beside a server: it takes no lock and changes nothing.

        The tables must be of this program's version.
        """
        self._engine = _read_engine(self.address, alone=True)

    async def close(self) -> None:
        if self._engine:
            await self._engine.dispose()
            self._engine = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[AsyncSession]:
        """A session for reading: it sees what was committed when its first query ran."""
        if self._engine is None:
            raise RuntimeError("the database is not open")
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            yield session

    async def size(self) -> int:
        """Bytes on disk: the file and its write-ahead log, or what PostgreSQL says."""
        if self.address.path:
            files = (self.address.path, Path(f"{self.address.path}-wal"))
            return sum(f.stat().st_size for f in files if f.exists())
        async with self.reader() as session:
            row = await session.exec(_PG_SIZE)  # type: ignore[call-overload]  # plain SQL is fine here
            return int(row.scalar_one())

    def _take_lock(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            refuse_network_filesystem(path.parent)
            lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(lock, 20).decode(errors="replace").strip() or "?"
            os.close(lock)
            raise ConflictError(
                f"{path} is in use by another server (process {holder})",
                code="database_locked",
                hint="stop it, or give this one another --database",
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock


async def upgrade(address: Address) -> tuple[int, int]:
    """Bring the tables to this program's version; see `schema.upgrade`."""
    pragmas = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL") if address.path else ()
    engine = create_async_engine(_sqlalchemy_url(address), poolclass=NullPool)
    try:
        if pragmas:
            async with engine.connect() as connection:
                for pragma in pragmas:
                    await connection.exec_driver_sql(pragma)
        async with engine.begin() as connection:
            if address.dialect == "postgresql":
                # Replicas that start together take turns.
                await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(3678, 0)")
            else:
                # Python's driver would commit each change of a table by itself.
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            return await connection.run_sync(schema.upgrade)
    except (TimeoutError, OSError) as error:
        raise ConfigurationError(f"the database {address} cannot be reached: {error}") from None
    finally:
        await engine.dispose()


def refuse_network_filesystem(folder: Path) -> None:
    """SQLite's locks and shared memory do not hold across hosts: better no start than a loss."""
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return  # not Linux: nothing to ask
    best, kind = "", ""
    target = str(folder.resolve())
    for line in mounts:
        _, point, fstype, *_ = line.split(" ")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fstype
    if kind.startswith(_NETWORK_FILESYSTEMS):
        raise ConfigurationError(
            f"{folder} is on a network filesystem ({kind})",
            code="network_filesystem",
            hint="put the database on a local disk, or use PostgreSQL",
        )


def _read_engine(address: Address, *, alone: bool = False) -> AsyncEngine:
    url = _sqlalchemy_url(address)
    if address.path and alone:
        url = f"sqlite+aiosqlite:///{address.path.as_uri()}?mode=ro&uri=true"
    engine = create_async_engine(url, pool_size=4, max_overflow=4)
    if address.path:

        @event.listens_for(engine.sync_engine, "connect")
        def read_only(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA query_only=ON")
            cursor.execute("PRAGMA busy_timeout=5000")
            cursor.close()

    return engine


def _sqlalchemy_url(address: Address) -> str:
    if address.path:
        return f"sqlite+aiosqlite:///{address.path}"
    return address.url.replace("postgresql://", "postgresql+asyncpg://", 1)
