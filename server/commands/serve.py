"""`ensue serve`: serve a project directory."""

from __future__ import annotations

import gc
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from server.app import App


@click.command("serve")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on, 0 for a free one [default: 3678].")
@click.option(
    "--database",
    metavar="URL|FILE",
    help="postgresql://… or a file for SQLite [default: DIR/.ensue/ensue.db].",
)
@click.option("--insecure", is_flag=True, default=None, help="Allow an address others can reach.")
@click.option("--log-format", type=click.Choice(["auto", "console", "json"]))
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
def command(directory: Path, **flags: object) -> None:
    """Serve a project directory: its sources, automations and flows.

    The first SIGTERM or Ctrl-C lets what is under way come to its end, the second stops at once.
    """
    gc.disable()  # what imports make stays: looking through it over and over finds nothing
    with _without("rich.console", "rich.pretty"), _without_certificates():
        import uvloop

        from base import logs, settings
        from server.app import serve

    given = {name.replace("log_", "log."): value for name, value in flags.items()}
    loaded = settings.load(directory, flags=given)
    logs.configure(loaded.log.format, loaded.log.level)
    gc.freeze()
    gc.enable()
    # The thread that commits gets the interpreter at once when the disk has answered, not at the
    # end of a turn of 5 ms: everybody who was acknowledged by that commit waits for it.
    sys.setswitchinterval(0.0005)
    uvloop.run(serve(loaded, _ready))


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Hide optional modules from those who would import them just because they are there.

    structlog draws tracebacks with rich where it can; here they are plain, and rich is a tenth
    of the time and memory that a start takes.
    """
    hidden = [module for module in modules if module not in sys.modules]
    for module in hidden:
        sys.modules[module] = None  # type: ignore[assignment]  # how Python marks what is not to be found
    try:
        yield
    finally:
        for module in hidden:
            del sys.modules[module]


@contextmanager
def _without_certificates() -> Iterator[None]:
    """Make TLS contexts that trust nobody.

    aiohttp makes two as it is imported, for clients that bring none. Ours brings its own, with
    the first call; and reading all certificates twice is a twentieth of the time a start takes.
    """
    ssl.SSLContext.set_default_verify_paths = _nothing  # type: ignore[method-assign]  # as if there were none
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


def _nothing(self: ssl.SSLContext) -> None:
    """Leave it as it is."""


def _ready(app: App) -> None:
    _greet(app)
    # Rules and routes stay too. What comes and goes are events, by the hundred thousand and
    # without cycles: looking for those more often than this costs a tenth of the intake.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _greet(app: App) -> None:
    """A few friendly lines once it is ready."""
    floors = app.floors
    hooks = ", ".join(f"/hooks/{name}" for name in sorted(floors.hooks.hooks))
    wrong = [*floors.directory.loaded.problems, *floors.hooks.problems]
    click.echo(f"Ensue serves {floors.settings.directory}", err=True)
    for name, value in (
        ("at", app.url),
        ("database", str(floors.database.address)),
        ("rules", str(len(floors.rules))),
        ("hooks", hooks or "none"),
        ("problems", f"{len(wrong)}; `ensue lint` tells of each with its line" if wrong else ""),
    ):
        if value:
            click.echo(f"  {name:<10}{value}", err=True)
