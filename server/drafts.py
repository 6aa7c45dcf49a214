"""Draft rules as they are sent: the text of their files, by the files' names.

What is done with drafts takes the service's spare time: in slices of a few milliseconds, and
for a few callers at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from automations.reader import Loaded, Problem, gather
from automations.simulation import Tally
from base.errors import TooLargeError, UnavailableError, UnprocessableError
from base.time import Micros, to_rfc3339
from server import parameter
from triggers.reading import Limits
from triggers.trigger_form import LIMITS

MAX_BYTES: Final = 8 << 20
"""Of all files of a request."""
MAX_FILES: Final = 2_000
AT_ONCE: Final = 2

_INSTANT: Final = parameter.instant("", "").parse


class Laboratory:
    """Where drafts are tried, by a few at once."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        """`limits` is what the settings allow triggers to remember."""
        self._limits = limits
        self._busy = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises UnavailableError while all places are taken."""
        if self._busy >= AT_ONCE:
            raise UnavailableError(
                "others are at work in the laboratory", code="laboratory_busy", retry_after=5
            )
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    async def read(self, files: Mapping[str, str]) -> Loaded:
        """The rules in these files, parsed and compiled in a thread."""
        if len(files) > MAX_FILES:
            raise TooLargeError(f"{len(files):,} files are too many: at most {MAX_FILES:,}")
        contents = [(name, text.encode()) for name, text in files.items()]
        return await asyncio.to_thread(gather, contents, self._limits)


def instant(name: str, text: str) -> Micros:
    """The moment that the field of this name gives. Raises UnprocessableError."""
    try:
        return int(_INSTANT(text))
    except ValueError as error:
        raise UnprocessableError(
            str(error), code="field_invalid", place=f"$.{name}", hint="such as 24h, 7d, or a time"
        ) from None


def shown_problem(problem: Problem) -> dict[str, Any]:
    return {
        "automation": problem.automation,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "place": f"{problem.file}:{problem.line}:{problem.column}",
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
    }


def shown_tally(name: str, tally: Tally) -> dict[str, Any]:
    return {
        "automation": name,
        "fired": tally.fired,
        "resolved": tally.resolved,
        "suppressed": tally.suppressed,
        "looped": tally.looped,
        "errors": tally.errors,
        "last_error": tally.last_error,
        "first": _time(tally.first),
        "last": _time(tally.last),
        "stopped": _time(tally.stopped),
        "missed": tally.missed,
    }


def _time(at: Micros | None) -> str | None:
    return None if at is None else to_rfc3339(at)
