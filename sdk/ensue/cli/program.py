"""The frame of the command line: which commands there are, and how any of them ends.

Commands are known by name and loaded when they are called, so that `ensue --help` costs
little more than click. Extensions (the server is one) add theirs by the entry-point group
`ensue.commands`: a function that returns such a table.

Whatever happens inside a command, what comes out is a sentence and an exit code; the codes
stand in the package's docstring. A reader that went away and an interrupt are quiet.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any, Final, cast

import click

from ensue.cli.words import harmless

Commands = Mapping[str, tuple[Callable[[], click.Command], str]]
"""By name: what loads the command, and its help in a few words."""

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

_OF_THE_SERVER: Final = ("init", "serve", "lint", "test", "import", "schema", "db", "doctor")
_SECRETS: Final = ("--api-key", "--token", "--password", "--secret")
_URLS: Final = {"--api-url": "ENSUE_API_KEY", "--database": "ENSUE_DATABASE"}
_URL_WITH_PASSWORD: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/@]*:[^/@]+@", re.IGNORECASE)


def _own(module: str) -> Callable[[], click.Command]:
    return partial(_load, f"ensue.cli.{module}")


def _load(module: str) -> click.Command:
    return cast("click.Command", import_module(module).command)


_CLIENT: Final[Commands] = {
    "emit": (_own("emit"), "Send an event."),
    "events": (_own("events"), "What happened: list, show, follow live."),
    "lineage": (_own("lineage"), "What led to an event or a run, and what ensued."),
    "replay": (_own("replay"), "Let an event happen again."),
    "explain": (_own("explain"), "Why automations did or did not fire on an event."),
    "plan": (_own("plan"), "What applying rules would change."),
    "apply": (_own("apply"), "Bring rules into force."),
    "backtest": (_own("backtest"), "What rules would have done over past events."),
    "automations": (_own("automations"), "Rules: list, show, windows, pause, resume, fire."),
    "flows": (_own("flows"), "Flows: list, show, pause, resume."),
    "run": (_own("run"), "Run a flow."),
    "runs": (_own("runs"), "Runs: list, show, logs, cancel, retry."),
    "webhooks": (_own("webhooks"), "Webhooks and what was delivered to them."),
    "dead": (_own("dead"), "Actions that were given up: list, replay."),
}


class Program(click.Group):
    """The root: the client's commands, and those of extensions."""

    def __init__(self, extensions: Commands, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._extensions = extensions

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*self._extensions, *_CLIENT]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        found = _CLIENT.get(cmd_name) or self._extensions.get(cmd_name)
        return found[0]() if found else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        names = self.list_commands(ctx)
        if name in names or name.startswith("-"):
            return super().resolve_command(ctx, args)
        if name in _OF_THE_SERVER:
            ctx.fail(f"`ensue {name}` comes with the server: pip install ensue-server")
        near = get_close_matches(name, names, n=1)
        return ctx.fail(
            f"there is no command {harmless(name)!r}; "
            + (f"did you mean `ensue {near[0]}`?" if near else "`ensue --help` lists them.")
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for title, commands in (("Server", self._extensions), ("Client", _CLIENT)):
            if commands:
                with formatter.section(title):
                    rows = [(name.ljust(width), words) for name, (_, words) in commands.items()]
                    formatter.write_dl(rows)


def program() -> Program:
    """The command line, with what is installed."""
    extensions: dict[str, tuple[Callable[[], click.Command], str]] = {}
    for point in entry_points(group="ensue.commands"):
        extensions.update(point.load()())
    root = Program(
        extensions,
        name="ensue",
        help="When this happens, that ensues: events, automations, and the flows they run.",
        epilog="A client command finds its server by --api-url or ENSUE_API_URL.",
        context_settings={"help_option_names": ["-h", "--help"]},
        params=[
            click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
            click.Option(["--api-url"], metavar="URL", help="Where the server is."),
            click.Option(["--no-color"], is_flag=True, help="Print without colours."),
            click.Option(["--debug"], is_flag=True, help="Show tracebacks (ENSUE_DEBUG)."),
        ],
    )
    return click.version_option(_version(), message="ensue %(version)s")(root)


def run_program(args: Sequence[str]) -> int:
    """Run one command; the exit code. Nothing is raised."""
    try:
        _refuse_secrets(args)
        code = _invoke(program(), args)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED if end.code else OK
    except Exception as error:  # noqa: BLE001 - the last frame: whatever it is, no traceback
        return _explain(error, args)
    return code


def _invoke(root: Program, args: Sequence[str]) -> int:
    """As click's own `main`, which would take a closed pipe for a failure."""
    if "_ENSUE_COMPLETE" in os.environ:
        root.main(list(args), prog_name="ensue")  # a shell asks for completions
    with root.make_context("ensue", list(args)) as context:
        result = root.invoke(context)
    return result if isinstance(result, int) else OK


def _refuse_secrets(args: Sequence[str]) -> None:
    for arg, following in zip(args, [*args[1:], ""], strict=True):
        if arg == "--":
            return
        name, equals, value = arg.partition("=")
        variable = "ENSUE_API_KEY" if name in _SECRETS else None
        if name in _URLS and _URL_WITH_PASSWORD.match(value if equals else following):
            variable = _URLS[name]
        if variable:
            raise click.UsageError(
                f"{name}: a secret on the command line can be read by every process of this "
                f"machine and stays in the shell's history. Set the variable {variable} instead."
            )


def _explain(error: Exception, args: Sequence[str]) -> int:
    """Say on stderr what went wrong, and with which exit code it ends."""
    if "--debug" in args or os.environ.get("ENSUE_DEBUG"):
        traceback.print_exception(error)
    label = "Error:"
    if sys.stderr.isatty() and "--no-color" not in args and not os.environ.get("NO_COLOR"):
        label = click.style(label, fg="red", bold=True)
    # Explained errors: the client's, and those of the server's commands, which have the same
    # fields. The client cannot import the server's, so it goes by them.
    message = getattr(error, "message", None)
    if not isinstance(message, str):
        what = harmless(" ".join(f"{type(error).__name__}: {error}".split()))
        click.echo(f"{label} unexpected: {what} (--debug shows where)", err=True)
        return FAILED
    place, hint = getattr(error, "place", None), getattr(error, "hint", None)
    where = f"{place}: " if place else ""
    click.echo(f"{label} {harmless(f'{where}{message}')}", err=True)
    if hint:
        click.echo(f"  hint: {harmless(str(hint))}", err=True)
    return int(getattr(error, "exit_code", FAILED))


def _reader_gone() -> int:
    """Nobody reads stdout any more: what is still buffered must not fail at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
    return OK


def _version() -> str:
    own = version("ensue")
    try:
        server = version("ensue-server")
    except PackageNotFoundError:
        return own
    return own if server == own else f"{own} (server {server})"
