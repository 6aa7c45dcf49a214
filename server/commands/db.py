"""`ensue db`: the database of a project, looked after from outside the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from base.database import Address

_PAGES = 2_000


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which database is meant."""
    directory = click.Path(path_type=Path)
    for option in (
        click.option("--database", metavar="URL|FILE", help="Instead of the project's own."),
        click.option("--dir", "directory", default=".", type=directory, help="The project [.]"),
    ):
        command = option(command)
    return command


@click.group("db")
def command() -> None:
    """Upgrade, back up or check the database of a project."""


@command.command("upgrade")
@_where
def upgrade(directory: Path, database: str | None) -> None:
    """Bring the tables to this program's version; `ensue serve` does so too."""
    import server.tables  # noqa: F401 - what is imported is what is made
    from base.database import Database

    address = _address(directory, database)

    async def run() -> tuple[int, int]:
        opened = Database(address)
        try:
            return await opened.open()
        finally:
            await opened.close()

    before, after = asyncio.run(run())
    if before == after:
        click.echo(f"{address}: version {after}, nothing to do")
    elif before == 0:
        click.echo(f"{address}: created, version {after}")
    else:
        click.echo(f"{address}: upgraded from version {before} to {after}")


@command.command("backup")
@click.argument("to", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace TO if it is there.")
@_where
def backup(to: Path, force: bool, directory: Path, database: str | None) -> None:
    """Write a consistent copy of the database to TO, while the server runs or not."""
    from base.errors import ConfigurationError, ConflictError

    address = _address(directory, database)
    if address.path is None:
        raise ConfigurationError(
            "a PostgreSQL database is backed up by its own tools",
            code="backup_elsewhere",
            hint=f"pg_dump --format=custom --file={to} '{address}'",
        )
    if not address.path.exists():
        raise ConfigurationError(f"there is no database at {address.path}", code="no_database")
    if to.exists() and not force:
        raise ConflictError(f"{to} is there already", hint="name another file, or say --force")
    try:
        _copy(address.path, to)
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"{to} could not be written: {error}") from None
    click.echo(f"{to}: {to.stat().st_size:,} bytes, complete and checked")


@command.command("check")
@_where
def check(directory: Path, database: str | None) -> int:
    """Read the whole database and say whether it is sound. Exits with 1 if it is not."""
    from base.schema import VERSION
    from server.commands.probe import stored_version

    address = _address(directory, database)
    version = stored_version(address)
    click.echo(f"{address}: version {version}, this program knows up to {VERSION}")
    if version > VERSION:
        return 1
    if address.path is None:
        click.echo("it answers; its pages are looked after by PostgreSQL")
        return 0
    with contextlib.closing(_open(address.path)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(20)")]
    for line in found:
        click.echo(line)
    return 0 if found == ["ok"] else 1


def _address(directory: Path, database: str | None) -> Address:
    from base.database import Address
    from base.settings import load

    return Address.parse(load(directory, flags={"database": database}).database)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)
    connection.isolation_level = None
    return connection


def _copy(source: Path, to: Path) -> None:
    """Copy page by page within one read transaction, check the copy, and put it in place."""
    unfinished = to.with_name(f"{to.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with (
        contextlib.closing(_open(source)) as original,
        contextlib.closing(sqlite3.connect(unfinished)) as copy,
        _progress() as advance,
    ):
        # With the transaction open the server's commits do not make the copy start again.
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(copy, pages=_PAGES, progress=advance, sleep=0.001)
        copy.execute("PRAGMA journal_mode=DELETE")
        found = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        unfinished.unlink()
        raise sqlite3.DatabaseError(f"the copy is not sound: {found[0]}")
    descriptor = os.open(unfinished, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    unfinished.replace(to)


@contextlib.contextmanager
def _progress() -> Any:
    """A bar on a terminal's stderr."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from server.commands.output import console

    columns = (TextColumn("copying"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    screen = console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=screen, disable=not screen.is_terminal
    ) as bar:
        task = bar.add_task("copying", total=None)

        def advance(_status: int, remaining: int, total: int) -> None:
            bar.update(task, total=total, completed=total - remaining)

        yield advance
