"""`ensue doctor`: what is wrong with an installation, a project, or the machine around them."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from base.database import Address
    from base.settings import Settings

_OLDEST_SQLITE: Final = (3, 40, 0)
_LITTLE_SPACE: Final = 1 << 30
_NO_SPACE: Final = 100 << 20
_IMPORT: Final = "import ensue, sys; print(sys.version.split()[0])"


@dataclass(frozen=True, slots=True)
class Finding:
    """`good` is None for what is worth a look and stops nothing."""

    name: str
    good: bool | None
    message: str
    hint: str | None = None


@click.command("doctor")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--host")
@click.option("--port", type=int)
@click.option("--database", metavar="URL|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(directory: Path, as_json: bool, **flags: object) -> int:
    """Look over this installation and a project directory; give the flags `serve` would get.

    Exits with 1 when something is wrong.
    """
    from rich.text import Text

    from server.commands import output

    findings = list(_findings(directory, flags))
    if output.json_wanted(as_json):
        output.as_json(
            [
                {"name": f.name, "good": f.good, "message": f.message, "hint": f.hint}
                for f in findings
            ]
        )
    else:
        console = output.console()
        for finding in findings:
            console.print(
                output.mark(finding.good),
                Text(finding.name.ljust(12), "bold"),
                Text(finding.message),
            )
            if finding.hint:
                console.print(Text(f"{'':15}{finding.hint}", style="dim"))
    return 1 if any(finding.good is False for finding in findings) else 0


def _findings(directory: Path, flags: dict[str, object]) -> Iterator[Finding]:
    from base.database import Address
    from base.errors import EnsueError
    from base.settings import load

    yield _versions()
    try:
        settings = load(directory, flags=flags)
        address = Address.parse(settings.database)
    except EnsueError as error:
        yield _wrong("settings", error)
        return
    yield Finding("directory", True, str(settings.directory))
    yield _database(address)
    if address.path:
        yield from _disk(address.path)
    yield _port(settings)
    yield _interpreter(settings)
    yield from _rules(settings)
    yield from _sources(settings)


def _versions() -> Finding:
    told = f"ensue-server {version('ensue-server')}, ensue {version('ensue')}, "
    told += f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        return Finding("versions", False, told, "Ensue needs SQLite 3.40 or newer")
    return Finding("versions", True, told)


def _database(address: Address) -> Finding:
    from base.errors import EnsueError
    from base.schema import VERSION
    from server.commands.probe import stored_version

    try:
        found = stored_version(address)
    except EnsueError as error:
        return _wrong("database", error)
    holder = _holder(address)
    used = f", in use by process {holder}" if holder else ""
    if found > VERSION:
        message = f"{address} has version {found}, this program knows up to {VERSION}"
        return Finding("database", False, message, "run the newer program")
    if found == 0:
        return Finding("database", True, f"{address} will be made at the first start")
    if found < VERSION:
        message = f"{address} has version {found} and is upgraded to {VERSION} at the next start"
        return Finding("database", None, message, "`ensue db backup` before it")
    return Finding("database", True, f"{address}, version {found}{used}")


def _holder(address: Address) -> str | None:
    """The process that serves a SQLite database now."""
    import fcntl

    if address.path is None:
        return None
    try:
        with Path(f"{address.path}.lock").open("rb+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return lock.read(20).decode(errors="replace") or "?"
    except OSError:
        return None
    return None


def _disk(path: Path) -> Iterator[Finding]:
    from base.database import refuse_network_filesystem
    from base.errors import EnsueError

    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    try:
        refuse_network_filesystem(folder)
    except EnsueError as error:
        yield _wrong("filesystem", error)
    free = shutil.disk_usage(folder).free
    good = None if free < _LITTLE_SPACE else True
    good = False if free < _NO_SPACE else good
    yield Finding("disk", good, f"{free / (1 << 30):.1f} GiB free where the database is")
    if not os.access(folder, os.W_OK):
        yield Finding("disk", False, f"{folder} cannot be written")


def _port(settings: Settings) -> Finding:
    from server.http import free_port

    where = f"{settings.host}:{settings.port}"
    if free_port(settings.host, settings.port):
        return Finding("port", True, f"{where} is free")
    if _is_ours(settings):
        return Finding("port", True, f"an Ensue server listens on {where}")
    return Finding("port", False, f"{where} is taken by something else", "take another --port")


def _is_ours(settings: Settings) -> bool:
    import http.client

    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().getheader("Server") == "ensue"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _interpreter(settings: Settings) -> Finding:
    from engine.launcher import ProcessLauncher, environment

    python = ProcessLauncher(settings.directory, python=settings.flows.python, patience=None).python
    try:
        said = subprocess.run(  # noqa: S603 - the operator's own interpreter
            [python, "-c", _IMPORT],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment(),
            cwd=settings.directory,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "it does not answer"
        return Finding("flows", False, f"{python} cannot be started: {reason}")
    if said.returncode == 0:
        return Finding("flows", True, f"{python}, Python {said.stdout.strip()}, with the SDK")
    last = said.stderr.strip().splitlines() or ["no reason was given"]
    hint = f"{python} -m pip install ensue"
    return Finding("flows", False, f"{python} cannot import the SDK: {last[-1]}", hint)


def _rules(settings: Settings) -> Iterator[Finding]:
    from automations.reader import read_rules
    from server.remembering import limits

    folder = settings.directory / "automations"
    if not folder.is_dir():
        yield Finding("rules", None, "there is no folder automations/", "`ensue init` makes one")
        return
    loaded = read_rules(folder, limits=limits(settings))
    for problem in loaded.problems:
        yield Finding("rules", False, str(problem))
    if not loaded.problems:
        yield Finding("rules", True, f"{len(loaded.rules)} rules in order")


def _sources(settings: Settings) -> Iterator[Finding]:
    from events.webhooks.source import load_sources

    sources = load_sources(settings.directory / "sources")
    for problem in sources.problems:
        yield Finding("sources", False, str(problem))
    if not sources.problems:
        yield Finding("sources", True, f"{len(sources.hooks)} webhooks, their secrets are there")


def _wrong(name: str, error: Exception) -> Finding:
    place = getattr(error, "place", None)
    message = getattr(error, "message", str(error))
    return Finding(
        name, False, f"{place}: {message}" if place else message, getattr(error, "hint", None)
    )
