"""What a command prints: tables for people, JSON for programs.

Results go to stdout, all else (notes, hints, progress) to stderr, so that a pipe carries
results only. Text that came from outside is never read as markup and its control characters
are shown, not obeyed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from rich.console import Console
from rich.json import JSON
from rich.status import Status
from rich.table import Table
from rich.text import Text

from ensue.cli.words import harmless

_PIPE_WIDTH: Final = 400
"""Columns where no terminal says how many it has: nothing is cut short."""

_GAP: Final = 2
_NARROWEST: Final = 8

STATE_STYLES: Final = {
    "completed": "green", "active": "green", "accepted": "green", "online": "green",
    "running": "cyan", "pending": "cyan", "scheduled": "blue",
    "late": "yellow", "retrying": "yellow", "paused": "yellow", "cancelling": "yellow",
    "duplicate": "yellow", "invalid": "red",
    "failed": "red", "timed_out": "red", "crashed": "red", "rejected": "red",
    "cancelled": "dim", "skipped": "dim", "disabled": "dim",
}  # fmt: skip


class _Pipe(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


class Output:
    """Where a command's words go. `now` is the moment that relative times are told from."""

    def __init__(self, *, as_json: bool, color: bool) -> None:
        self.as_json = as_json
        self.now = datetime.now(UTC)
        plain = None if color else True
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        self.out = _Pipe(no_color=plain, width=width, highlight=False, soft_wrap=width is not None)
        self.err = _Pipe(no_color=plain, stderr=True, highlight=False)

    @property
    def interactive(self) -> bool:
        """Whether a person sits before it."""
        return self.out.is_terminal and not self.as_json

    def json(self, value: object) -> None:
        """A whole answer: indented for a person's eyes, in any case plain JSON."""
        if self.out.is_terminal:
            self.out.print(JSON.from_data(value, ensure_ascii=False))
        else:
            self.line(json.dumps(value, ensure_ascii=False, indent=2))

    def json_line(self, value: object) -> None:
        """One of many answers, on a line of its own, at once."""
        self.line(json.dumps(value, ensure_ascii=False))
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """Exactly this."""
        sys.stdout.write(text + "\n")

    def say(self, *parts: str | Text) -> None:
        """A line of a result; of its parts those that are empty are left out."""
        told = [text for part in parts if (text := cell(part))]
        self.out.print(Text(" ").join(told), soft_wrap=True)

    def note(self, *parts: str | Text) -> None:
        """Something beside the result."""
        self.err.print(Text(" ").join(cell(part) for part in parts), style="dim", soft_wrap=True)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, whole: Sequence[str]
    ) -> None:
        """Rows under headings, each on one line. Columns named in `whole` are never cut short."""
        self.out.print(self.tabulated(columns, rows, whole=whole))

    def tabulated(
        self, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, whole: Sequence[str]
    ) -> Table:
        """The table that `table` prints."""
        cells = [[cell(value) for value in row] for row in rows]
        widths = [
            max([len(name), *(row[index].cell_len for row in cells)])
            for index, name in enumerate(columns)
        ]
        flexible = [index for index, name in enumerate(columns) if name not in whole]
        _squeeze(widths, flexible, self.out.width - _GAP * len(columns))
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for name, width in zip(columns, widths, strict=True):
            table.add_column(name, no_wrap=True, overflow="ellipsis", width=width)
        for row in cells:
            table.add_row(*row)
        return table

    def facts(self, pairs: Iterable[tuple[str, str | Text | None]]) -> None:
        """Names and values below one another; what has no value is left out."""
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in pairs:
            if value is not None and str(value):
                table.add_row(name, cell(value))
        self.out.print(table)

    def section(self, title: str, value: Any) -> None:
        """A heading with JSON below it."""
        self.out.print(Text(f"\n{title}", style="bold"))
        if isinstance(value, str):
            self.out.print(cell(value), soft_wrap=True)
        else:
            self.out.print(JSON.from_data(value, ensure_ascii=False), soft_wrap=True)

    def waiting(self, text: str) -> Status:
        """A spinner on stderr, where there is a terminal."""
        return self.err.status(Text(text))


def _squeeze(widths: list[int], flexible: Sequence[int], room: int) -> None:
    """Narrow the widest flexible columns, in place, until all fit or none can give more."""
    while sum(widths) > room and flexible:
        widest = max(flexible, key=lambda index: widths[index])
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1


def cell(value: str | Text) -> Text:
    """Text from anywhere, made harmless."""
    if isinstance(value, Text):
        return value
    return Text(harmless(value))


def state(name: str | None) -> Text:
    """A state in the colour that it has everywhere."""
    text = cell(name or "")
    text.stylize(STATE_STYLES.get(name or "", ""))
    return text


def styled(text: str, style: str) -> Text:
    made = cell(text)
    made.stylize(style)
    return made


def brief(value: object, limit: int = 80) -> str:
    """JSON on one line, cut short."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
