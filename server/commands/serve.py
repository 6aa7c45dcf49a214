"""`ensue serve`: serve a project directory."""

from __future__ import annotations

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
    import uvloop

    from base import logs, settings
    from server.app import serve

    given = {name.replace("log_", "log."): value for name, value in flags.items()}
    loaded = settings.load(directory, flags=given)
    logs.configure(loaded.log.format, loaded.log.level)
    uvloop.run(serve(loaded, _greet))


def _greet(app: App) -> None:
    """A few friendly lines once it is ready."""
    floors = app.floors
    click.echo(f"Ensue serves {floors.settings.directory}", err=True)
    for name, value in (
        ("at", app.url),
        ("database", str(floors.database.address)),
        ("rules", f"{len(floors.rules)}"),
        ("hooks", ", ".join(f"/hooks/{name}" for name in sorted(floors.hooks.hooks)) or "none"),
    ):
        click.echo(f"  {name:<10}{value}", err=True)
