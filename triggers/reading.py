"""Reading a trigger that remembers: its form, where it stands, and what it inherits there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from base.errors import ConfigurationError
from base.fields import Complaints, Fields
from base.place import within
from base.time import SECOND, Micros, format_duration
from events.expression import Expression
from triggers.event_trigger import compile_where
from triggers.foreign_words import TRIGGER_WORDS, nested
from triggers.key import Key
from triggers.listening import Listening
from triggers.selector import Selector

SELECTED: Final = ("source", "subject", "match", "where")
"""What goes with a type glob to make a selector."""

SHORTEST: Final[Micros] = 1_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a rule may ask of memory: no span longer than events are kept.

    `allowed_lateness` is what holds where a trigger does not say its own.
    """

    retention: Micros
    allowed_lateness: Micros = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Around:
    """What a form stands in, and what it inherits from there."""

    limits: Limits
    complaints: Complaints
    per: Key
    lateness: Micros
    level: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One form that is being read; `around` has what it says itself of what is inherited."""

    form: Mapping[str, Any]
    place: str
    fields: Fields
    around: Around

    @classmethod
    def of(
        cls, form: Mapping[str, Any], place: str, around: Around, known: tuple[str, ...]
    ) -> Reading:
        """Complains of the fields that are not known."""
        fields = Fields(form, place, around.complaints, known, TRIGGER_WORDS)
        return cls(form, place, fields, _inherited(fields, around))

    def span(self, name: str, *, needed: bool = True) -> Micros:
        """A duration that events must be kept for."""
        if not self.fields.has(name):
            if needed:
                self.missing(name, f"{name}: 10m")
            return 0
        span = self.fields.duration(name, 0, at_least=SHORTEST)
        kept = self.around.limits.retention
        if span > kept:
            self.fields.complain(
                name,
                f"{self.form[name]} is longer than events are kept ({format_duration(kept)})",
                "shorten it, or raise `events` under [retention]",
            )
        return span

    def number(self, name: str, default: int | None, at_most: int) -> int:
        if default is None and not self.fields.has(name):
            self.missing(name, f"{name}: 3")
        return self.fields.integer(name, default or 1, at_least=1, at_most=at_most)

    def listening(self, kind: str, value: Expression | None = None) -> Listening | None:
        """What the type glob under `kind` and its companions select."""
        own = {name: self.form[name] for name in SELECTED if self.fields.has(name)}
        read: list[Selector] = []
        with self.around.complaints.kept():
            try:
                form = own | {"type": self.form[kind]}
                read.append(Selector.parse(form, self.place, compile_where))
            except ConfigurationError as error:
                named = f"{self.place}.type"
                if (error.place or "").startswith(named):
                    rest = (error.place or "").removeprefix(named)
                    error.place = f"{within(self.place, kind)}{rest}"
                    error.hint = nested(kind, self.form[kind]) or error.hint
                raise
        return Listening(read[0], self.around.per, value) if read else None

    def missing(self, name: str, example: str) -> None:
        self.around.complaints.add(
            self.place, f"`{name}` is missing", code="field_missing", hint=example
        )


def _inherited(fields: Fields, around: Around) -> Around:
    """With the form's own `per` and lateness, where it has them."""
    per = around.per
    if fields.has("per"):
        with around.complaints.kept():
            per = Key.parse(fields.raw("per"), fields.at("per"))
    most = around.limits.retention
    lateness = fields.duration("allowed_lateness", around.lateness, at_most=most)
    return replace(around, per=per, lateness=lateness)
