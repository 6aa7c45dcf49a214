"""Notes: what an imported rule does not say as its original did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from base.place import within

Kind = Literal["missing", "differs", "refused", "info"]
"""`missing` has no equal here and was left out or replaced; `differs` was carried over and
works a little differently; `refused` was written, and is not in order as it stands; `info`
is good to know."""


@dataclass(frozen=True, slots=True)
class Note:
    """`place` is the path in the original; of what was refused, the path in the rule."""

    kind: Kind
    place: str
    what: str
    why: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f" {self.advice}" if self.advice else ""
        return f"{self.kind}: {self.place}: {self.what}: {self.why}.{advice}"


@dataclass(frozen=True, slots=True)
class Notes:
    """Gathers the notes of one rule; `at` looks at a part of the original."""

    place: str
    found: list[Note] = field(default_factory=list)

    def at(self, *steps: str | int) -> Notes:
        place = self.place
        for step in steps:
            place = within(place, step)
        return Notes(place, self.found)

    def missing(self, what: str, why: str, advice: str = "") -> None:
        self._add("missing", what, why, advice)

    def differs(self, what: str, why: str, advice: str = "") -> None:
        self._add("differs", what, why, advice)

    def info(self, what: str, why: str, advice: str = "") -> None:
        self._add("info", what, why, advice)

    def _add(self, kind: Kind, what: str, why: str, advice: str) -> None:
        note = Note(kind, self.place, what, why, advice)
        if note not in self.found:
            self.found.append(note)
