"""Globs over types, sources and subjects.

`*` is any text and `?` any one character; both cross `.` and `/`; case counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from base.errors import ConfigurationError
from base.fields import described
from triggers.shape import Shape, TextTest

OWN = "ensue."
"""How the types of the service's own events begin."""


@dataclass(frozen=True, slots=True)
class Glob:
    """A glob, as it was written (with runs of `*` made one)."""

    text: str

    @classmethod
    def parse(cls, text: object, place: str) -> Glob:
        """Raises ConfigurationError at `place` for what is no glob."""
        if not isinstance(text, str):
            raise ConfigurationError(
                f"a glob is text, not {described(text)}", code="glob_invalid", place=place
            )
        if not text:
            raise ConfigurationError(
                "a glob may not be empty", code="glob_invalid", place=place, hint="`*` is any text"
            )
        return cls(re.sub(r"\*+", "*", text))

    @property
    def shape(self) -> Shape:
        return Shape(tuple(tuple(run.split("?")) for run in self.text.split("*")))

    @property
    def reaches_own(self) -> bool:
        """Whether it may match the service's own events: only by saying `ensue.` itself."""
        return self.shape.head.startswith(OWN)

    def test(self) -> TextTest:
        return self.shape.test()


def matches_type(glob: Glob, event_type: str) -> bool:
    """Whether a glob over types reaches an event of this type."""
    if event_type.startswith(OWN) and not glob.reaches_own:
        return False
    return glob.test()(event_type)
