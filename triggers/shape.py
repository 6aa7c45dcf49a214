"""Shapes of text: literal runs with gaps between them, as globs and wildcards have.

A run may hold places for exactly one character (the `?` of a glob); a gap is any text,
also none. Matching never goes back on its steps: between two gaps the earliest place for
a run is always as good as a later one, so each run is looked for once, left to right,
and a hostile shape costs no more than length of text times length of shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

TextTest = Callable[[str], bool]

Run = tuple[str, ...]
"""Literal pieces; between two of them stands exactly one character, whichever."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`runs` in order with a gap between each two; a single run means no gap at all."""

    runs: tuple[Run, ...]

    @property
    def exact(self) -> str | None:
        """The one text of this shape, or None where there are many."""
        return self.runs[0][0] if len(self.runs) == 1 and len(self.runs[0]) == 1 else None

    @property
    def head(self) -> str:
        """What every text of this shape starts with."""
        return self.runs[0][0]

    @property
    def tail(self) -> str:
        """What every text of this shape ends with."""
        return self.runs[-1][-1]

    @property
    def only_head(self) -> bool:
        """Whether starting with `head` is all there is to it."""
        return len(self.runs) == 2 and len(self.runs[0]) == 1 and self.runs[1] == ("",)

    @property
    def only_tail(self) -> bool:
        """Whether ending with `tail` is all there is to it."""
        return len(self.runs) == 2 and len(self.runs[1]) == 1 and self.runs[0] == ("",)

    def test(self) -> TextTest:
        """The fastest test for this shape."""
        if (exact := self.exact) is not None:
            return lambda text: text == exact
        head, tail = self.head, self.tail
        if self.only_head:
            return lambda text: text.startswith(head)
        if self.only_tail:
            return lambda text: text.endswith(tail)
        if len(self.runs) == 3 and self.runs[0] == self.runs[2] == ("",) and len(self.runs[1]) == 1:
            inner = self.runs[1][0]
            return lambda text: inner in text
        match = re.compile(_expression(self.runs), re.DOTALL).match
        return lambda text: match(text) is not None


def _expression(runs: tuple[Run, ...]) -> str:
    """A regular expression in which no gap can be tried twice (atomic groups)."""
    first, *inner = (".".join(map(re.escape, run)) for run in runs)
    if not inner:
        return rf"{first}\Z"
    middle = "".join(rf"(?>.*?{run})" for run in inner[:-1] if run)
    last = inner[-1]
    if not last:
        return first + middle
    length = sum(map(len, runs[-1])) + len(runs[-1]) - 1
    return rf"{first}{middle}(?>.{{{length},}})(?<={last})\Z"
