"""What a run says, cut into lines that can be stored: bounded, numbered, free of odd characters."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from base.time import Micros

MAX_LINE = 64 * 1024
MAX_LINES = 100_000
_ATTEMPT = 1_000_000
"""The numbers of an attempt's lines start here times the attempt: no read is needed to go on."""
_FAR: Micros = 1 << 53
_CUT = " […]"


@dataclass(frozen=True, slots=True)
class LogLine:
    run: str
    seq: int
    time: Micros
    level: int
    logger: str
    message: str
    task: str | None = None


class LogLines:
    """Numbers the lines of one attempt, and says so once when there are too many."""

    def __init__(self, run: str, attempt: int) -> None:
        self._run = run
        self._first = attempt * _ATTEMPT
        self._count = 0

    def line(
        self, message: str, *, level: int, logger: str, time: Micros, task: str | None = None
    ) -> LogLine | None:
        """The line to store; None once the run has said all it may."""
        if self._count > MAX_LINES:
            return None
        if self._count == MAX_LINES:
            message = f"This run wrote {MAX_LINES} lines. What follows is not kept."
            level, logger, task = logging.WARNING, "ensue", None
        self._count += 1
        text = storable(message)
        return LogLine(self._run, self._first + self._count, time, level, logger, text, task)


def storable(text: str) -> str:
    """Without what a database refuses (NUL, lone surrogates), and no longer than a line may be."""
    if len(text) > MAX_LINE:
        text = text[: MAX_LINE - len(_CUT)] + _CUT
    if "\x00" in text:
        text = text.replace("\x00", "\N{SYMBOL FOR NULL}")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "backslashreplace").decode()
    return text


def attempt_of(seq: int) -> int:
    """The attempt that said a line."""
    return seq // _ATTEMPT


def without_nul(value: Any) -> Any:
    """A JSON value whose texts can be stored and compared everywhere."""
    if isinstance(value, str):
        return value.replace("\x00", "\N{SYMBOL FOR NULL}")
    if isinstance(value, list):
        return [without_nul(one) for one in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(one) for name, one in value.items()}
    return value


def instant(value: Any) -> Micros:
    """An instant as a process tells it; what cannot be one is an error, not a bad row."""
    at = int(value)
    if not 0 <= at < _FAR:
        raise ValueError(f"{at} is not an instant")
    return at


class LineCutter:
    """Bytes as they come from a pipe, cut into lines. An endless line is cut at the bound."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete now."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        while len(rest) > MAX_LINE:
            lines.append(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self._rest = bytearray(rest)
        return [_text(line) for line in lines]

    def finish(self) -> list[str]:
        """The last line, which had no end."""
        rest, self._rest = self._rest, bytearray()
        return [_text(rest)] if rest else []


def _text(line: bytes | bytearray) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "backslashreplace")
