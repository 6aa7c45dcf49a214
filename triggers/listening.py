"""What a trigger that remembers is made of: what it listens to, and other such triggers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from base.time import Micros
from events.event import Event
from events.expression import EvaluationError, Expression
from triggers.event_trigger import seen
from triggers.key import Key
from triggers.selector import Failure, Selector
from triggers.window import Step, Told, WindowState


@dataclass(frozen=True, slots=True)
class Listening:
    """A member that events fill: those of the selector, by the key that `per` names."""

    selector: Selector
    per: Key
    value: Expression | None = None

    def measure(self, event: Event) -> Any:
        """What an aggregate is taken over; a Failure where there is no such value."""
        if self.value is None:
            return None
        try:
            return self.value.evaluate(seen(event))
        except EvaluationError as error:
            return Failure(error.code, error.message)

    def normalised(self) -> dict[str, Any]:
        form = {"event": self.selector.normalised(), "per": self.per.normalised()}
        return form if self.value is None else form | {"value": self.value.source}


class Node(Protocol):
    """A trigger that remembers, at the root or as a member of another."""

    @property
    def per(self) -> Key: ...

    @property
    def members(self) -> tuple[Listening | Node, ...]:
        """What fills its parts: an occurrence's `part` is the number in here."""
        ...

    @property
    def is_condition(self) -> bool:
        """Whether having fired it holds until it is resolved."""
        ...

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        """What becomes of the window when it is told this, at `now`. Pure, and never raises."""
        ...

    def normalised(self) -> dict[str, Any]:
        """The same for triggers that mean the same, whatever the spelling."""
        ...
