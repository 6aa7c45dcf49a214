"""Bringing the tables to the program's version, also when that is broken off half-way."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from base.database import Address, Database, upgrade
from base.errors import ConfigurationError
from base.schema import VERSION
from events import log, sample
from events.change import Change
from events.event import Event

ROOT = Path(__file__).parents[2]
NEXT = VERSION + 1
SCHEMAS = Path(__file__).with_name("schemas")
"""The tables of versions that were in use, as they were made."""

UPGRADE = """
import asyncio, sys
from pathlib import Path
import server.tables
from base import schema
from base.database import Address, upgrade
from base.migrations import Migration

address = sys.argv[1]
if sys.argv[2] == "next":
    statements = ("CREATE TABLE extra (a INTEGER)", "ALTER TABLE extra ADD COLUMN b INTEGER")
    schema.MIGRATIONS = (*schema.MIGRATIONS, Migration(schema.VERSION + 1, statements))
    schema.VERSION += 1
print(asyncio.run(upgrade(Address.parse(address))))
"""


def upgraded(address: Address, to: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    """The upgrade in a process of its own, killed at the failpoint."""
    return subprocess.run(
        [sys.executable, "-c", UPGRADE, address.url or str(address.path), to],
        cwd=ROOT, env={**os.environ, "ENSUE_FAILPOINT": failpoint},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_new_tables_that_were_broken_off_are_made_at_the_next_start(address: Address) -> None:
    broken_off = upgraded(address, "this", "mid_migration")
    assert broken_off.returncode == -signal.SIGKILL
    again = upgraded(address, "this")
    assert (again.stdout.strip(), again.stderr) == (f"(0, {VERSION})", "")


@pytest.mark.parametrize("statement", [1, 2])
def test_a_migration_that_was_broken_off_is_done_again_from_its_start(
    address: Address, statement: int
) -> None:
    assert upgraded(address, "this").returncode == 0
    broken_off = upgraded(address, "next", f"mid_migration:{statement}")
    assert broken_off.returncode == -signal.SIGKILL
    again = upgraded(address, "next")
    assert (again.stdout.strip(), again.stderr) == (f"({VERSION}, {NEXT})", "")


async def test_a_database_that_is_newer_is_refused(address: Address) -> None:
    assert upgraded(address, "this").returncode == 0
    assert upgraded(address, "next").returncode == 0
    with pytest.raises(ConfigurationError) as refused:
        await upgrade(address)
    assert refused.value.code == "database_newer"
    assert f"schema version {NEXT}, this program knows up to {VERSION}" in str(refused.value)


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_an_older_database_becomes_what_a_new_one_is(address: Address, version: int) -> None:
    assert upgraded(address, "this").returncode == 0
    new = await shape(address)
    ddl = (SCHEMAS / f"{version}.{address.dialect}.sql").read_text()
    await make(address, ddl, version=version)
    older = upgraded(address, "this")
    assert (older.stdout.strip(), older.stderr) == (f"({version}, {VERSION})", "")
    assert await shape(address) == new


EVENTS = """
INSERT INTO event
WITH RECURSIVE g (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM g WHERE n < 20000)
SELECT n, 'e' || n, '/old', 'kind.' || (n * 7 % 5), NULL, n * 10, n * 10, 0, 'e' || n, NULL, NULL, NULL
FROM g;
"""


@pytest.mark.parametrize("first", [100, 16_384])
async def test_events_of_an_older_database_are_found_by_their_type(
    address: Address, running: Any, first: int
) -> None:
    assert upgraded(address, "this").returncode == 0
    ddl = (SCHEMAS / f"2.{address.dialect}.sql").read_text()
    await make(address, ddl + EVENTS.format(first=first), version=2)
    assert upgraded(address, "this").returncode == 0
    database = Database(address)
    await database.open()
    async with running(database) as journal:
        new = Event(id="new", source="/new", type="kind.3", time=500_000, received=500_000)
        await journal.submit(Change(events=[new]))
    async with database.reader() as session:
        query = log.Query(type="kind.3", limit=1_000)
        found = [one.position for one in await log.find(session, query)]
        wanted = [20_001, *(p for p in range(20_000, first - 1, -1) if p * 7 % 5 == 3)]
        assert found == wanted[:1_000]
        query = log.Query(type="kind.3", limit=1_000, order="asc", until=190_000)
        found = [one.position for one in await log.find(session, query)]
        assert found == [p for p in wanted[::-1] if p < 19_000][:1_000]
    assert await sample.types(database) == [f"kind.{n}" for n in range(5)]
    await database.close()


async def make(address: Address, ddl: str, *, version: int) -> None:
    """Put these tables in the place of all that are there."""
    stamp = f"INSERT INTO schema_version VALUES ({version}, 0);"
    if address.path:
        address.path.unlink()
        with contextlib.closing(sqlite3.connect(address.path)) as database:
            database.executescript(ddl + stamp)
        return
    connection = await asyncpg.connect(address.url)
    await connection.execute(f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; {ddl} {stamp}")
    await connection.close()


async def shape(address: Address) -> list[tuple[object, ...]]:
    """Tables, columns and indexes, in an order that says nothing of when they were made."""
    if address.path:
        with contextlib.closing(sqlite3.connect(address.path)) as database:
            columns = database.execute(
                "SELECT t.name, c.name, c.type, c.[notnull], c.pk"
                " FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
            ).fetchall()
            columns += database.execute("SELECT name, wr FROM pragma_table_list").fetchall()
            indexes = database.execute(
                "SELECT name, replace(sql, char(10), ' ') FROM sqlite_master WHERE type = 'index'"
            ).fetchall()
    else:
        connection = await asyncpg.connect(address.url)
        columns = await connection.fetch(
            "SELECT table_name, column_name, data_type, is_nullable"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        )
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        )
        await connection.close()
    return sorted([tuple(row) for row in (*columns, *indexes)], key=repr)
