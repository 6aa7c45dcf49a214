"""Bringing the tables to the program's version, also when that is broken off half-way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from base.database import Address, upgrade
from base.errors import ConfigurationError
from base.schema import VERSION

ROOT = Path(__file__).parents[2]
NEXT = VERSION + 1

UPGRADE = """
import asyncio, sys
from pathlib import Path
from base import schema
from base.database import Address, upgrade

address = sys.argv[1]
if sys.argv[2] == "next":
    statements = ("CREATE TABLE extra (a INTEGER)", "ALTER TABLE extra ADD COLUMN b INTEGER")
    schema.MIGRATIONS = (schema.Migration(schema.VERSION + 1, statements),)
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
