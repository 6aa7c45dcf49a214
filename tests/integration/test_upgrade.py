"""Bringing the tables to the program's version, also when that is broken off half-way."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from base.database import Address, upgrade
from base.errors import ConfigurationError
from base.schema import VERSION

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


async def test_a_database_of_the_first_version_becomes_what_a_new_one_is(address: Address) -> None:
    assert upgraded(address, "this").returncode == 0
    new = await shape(address)
    await make(address, (SCHEMAS / f"1.{address.dialect}.sql").read_text(), version=1)
    older = upgraded(address, "this")
    assert (older.stdout.strip(), older.stderr) == (f"(1, {VERSION})", "")
    assert await shape(address) == new


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
