"""The `event` trigger: fires on each event that it selects.

    trigger:
      event: shop.order.created        # glob on type; a list means any of
      source: /shop/*
      match: {data: {country: [DE]}}
      where: event.data.total > 100

`trigger` may be a list of triggers; each fires on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from base.errors import ConfigurationError
from base.place import within
from base.suggest import hint
from events.event import Event
from events.expression import WHERE, Activation, Expression
from events.expression import Failure as NoAnswer
from triggers.comparison import Comparison, comparison
from triggers.foreign_words import OF_OTHER_KINDS, TRIGGER_WORDS, belongs, nested
from triggers.listener import Leaf, Node
from triggers.selector import Failure, Selector

FIELDS = ("event", "source", "subject", "match", "where")


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """Fires on each event that its selector selects."""

    selector: Selector

    @classmethod
    def parse(cls, form: Mapping[str, Any], place: str = "trigger") -> EventTrigger:
        """Raises ConfigurationError (`trigger_invalid`, or what the selector says)."""
        for name in form:
            if name not in FIELDS:
                raise _unknown(name, place)
        selector = {"type" if name == "event" else name: item for name, item in form.items()}
        try:
            return cls(Selector.parse(selector, place, compile_where))
        except ConfigurationError as error:
            if (error.place or "").startswith(f"{place}.type"):
                error.place = f"{place}.event{(error.place or '').removeprefix(f'{place}.type')}"
                error.hint = nested("event", form["event"]) or error.hint
            raise

    @property
    def leaves(self) -> Sequence[Leaf]:
        return (Leaf(self.selector),)

    @property
    def nodes(self) -> Sequence[Node]:
        return ()

    @property
    def condition(self) -> None:
        return None

    def normalised(self) -> dict[str, Any]:
        """The same for triggers that mean the same."""
        return {"event": self.selector.normalised()}


def _unknown(name: str, place: str) -> ConfigurationError:
    if name in OF_OTHER_KINDS:
        return ConfigurationError(
            f"`{name}` does not go with `event`",
            code="trigger_invalid",
            place=within(place, name),
            hint=belongs(name),
        )
    return ConfigurationError(
        f"there is no field `{name}` here",
        code="field_unknown",
        place=within(place, name),
        hint=TRIGGER_WORDS.get(name)
        or hint(name, FIELDS)
        or f"there are {', '.join(sorted(FIELDS))}",
    )


@dataclass(frozen=True, slots=True)
class Where:
    """A compiled `where`."""

    expression: Expression
    comparison: Comparison | None = None
    """Asked first, where the expression is that simple."""

    def holds(self, event: Event) -> bool | Failure:
        if self.comparison is not None:
            answer = self.comparison(event.root())
            if answer is not None:
                return answer
        outcome = self.expression.holds(seen(event))
        if isinstance(outcome, NoAnswer):
            return Failure(outcome.code, outcome.message)
        return outcome


def compile_where(source: str, place: str) -> Where:
    expression = Expression.condition(source, scope=WHERE, place=place)
    return Where(expression, comparison(expression.source))


@lru_cache(maxsize=4)
def seen(event: Event) -> Activation:
    """What expressions see of an event; converted once for all that are asked about it."""
    return Activation.of(event=event)
