"""Answers that take their time: a bar, on a terminal, for as long as the server reads events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ensue.cli.client import CommandError
from ensue.cli.output import Output


def followed(output: Output, lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines that are no progress, with a bar on stderr for those that are.

    Raises CommandError where the server says that it broke off.
    """
    columns = (
        TextColumn("[dim]events"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = output.as_json or not output.err.is_terminal
    with Progress(*columns, console=output.err, transient=True, disable=hidden) as bar:
        task = bar.add_task("events", total=None)
        for line in lines:
            kind = line.get("kind")
            if kind == "progress":
                bar.update(task, completed=line["done"], total=line["total"])
            elif kind == "error":
                raise CommandError(line["detail"], hint=line.get("hint"), code=line.get("code"))
            else:
                yield line
