"""How the server's commands print: for people with colours, for programs as JSON.

What came from files or from outside is printed as text, never read as markup.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click
from rich.console import Console
from rich.text import Text

OK = "✓"
BAD = "✗"


def console(*, stderr: bool = False) -> Console:
    """Wide where no terminal says how wide it is: a pipe gets every word."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 200
    plain = True if _plain() else None
    return Console(
        stderr=stderr, no_color=plain, highlight=False, width=width, soft_wrap=width is not None
    )


def as_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def json_wanted(given: bool) -> bool:
    """`--json`, behind the command or before it."""
    return bool(given or click.get_current_context().find_root().params.get("as_json"))


def mark(good: bool | None) -> Text:
    """✓, ✗, or ! for what is in between."""
    if good is None:
        return Text("!", style="yellow")
    return Text(OK, style="green") if good else Text(BAD, style="red")


def _plain() -> bool:
    root = click.get_current_context(silent=True)
    wanted = root is not None and bool(root.find_root().params.get("no_color"))
    return wanted or bool(os.environ.get("NO_COLOR"))
