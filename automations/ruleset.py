"""The rules at work: which there are, and which of them listen.

A rule changes in a transaction of the journal and takes effect with its commit: what the change
leaves is *staged* under the id of an event that it derived, and switched over, in one step,
when the journal says that this event is committed and before it begins another transaction.
So every transaction sees the rules of all transactions before it, and one whole set of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from automations.rule import BREAKER, MAX_DEPTH, Rule
from base.errors import NotFoundError
from base.suggest import hint
from events.event import Stored
from triggers.evaluator import TriggerEvaluator
from triggers.listener import Listener


@dataclass(frozen=True, slots=True)
class Live:
    """A rule as it stands."""

    rule: Rule
    revision: int
    paused: bool = False

    @property
    def listens(self) -> bool:
        return self.rule.enabled and not self.paused


Changes = Mapping[str, Live | None]
"""By name, what a rule is now; None for one that is gone."""

Turnover = Callable[[], Changes]
"""Asked when the change is committed, for others of the same commit may have gone before it."""


class Ruleset:
    """All good rules by name, kept in step with the evaluator that listens for them."""

    def __init__(self, *, max_depth: int = MAX_DEPTH, breaker: int = BREAKER) -> None:
        """The bounds are for rules that name none of their own."""
        self._max_depth = max_depth
        self._breaker = breaker
        self._live: dict[str, Live] = {}
        self._listeners: dict[str, tuple[Listener, ...]] = {}
        self._staged: dict[str, Turnover] = {}
        self._evaluator: TriggerEvaluator | None = None

    def serve(self, evaluator: TriggerEvaluator) -> None:
        """Let this evaluator listen for the rules from now on. Called once."""
        self._evaluator = evaluator
        evaluator.change((), [one for listeners in self._listeners.values() for one in listeners])

    def __iter__(self) -> Iterator[Live]:
        return iter(self._live.values())

    def __len__(self) -> int:
        return len(self._live)

    def get(self, name: str) -> Live | None:
        return self._live.get(name)

    def in_force(self, name: str) -> Live:
        """The rule of this name. Raises NotFoundError."""
        live = self._live.get(name)
        if live is None:
            raise NotFoundError(
                f"there is no automation {name[:100]!r} in force",
                code="automation_unknown",
                hint=hint(name, self._live),
            )
        return live

    def listeners(self, name: str) -> tuple[Listener, ...]:
        """The rule's triggers at work; none while it is paused or disabled."""
        return self._listeners.get(name, ())

    def max_depth(self, rule: Rule) -> int:
        """The depth from which an event does not set this rule off."""
        return rule.max_depth if "max_depth" in rule.definition else self._max_depth

    def breaker(self, rule: Rule) -> int:
        """How often this rule may fire in a minute."""
        return rule.breaker if "breaker" in rule.definition else self._breaker

    def switch(self, changes: Changes) -> None:
        """Take these changes over, at once."""
        gone: list[Listener] = []
        come: list[Listener] = []
        for name, live in changes.items():
            gone += self._listeners.pop(name, ())
            self._live.pop(name, None)
            if live is None:
                continue
            self._live[name] = live
            if live.listens:
                self._listeners[name] = self._listening(live.rule)
                come += self._listeners[name]
        if self._evaluator is not None and (gone or come):
            self._evaluator.change(gone, come)

    def suspect(self, automations: Iterable[str]) -> None:
        """These erred when they were last asked."""
        if self._evaluator is not None:
            self._evaluator.suspect(automations)

    def stage(self, event: str, turnover: Turnover) -> None:
        """Switch when the event of this id is committed."""
        self._staged[event] = turnover

    def discard(self, event: str) -> bool:
        """Forget what was staged under this event; False where it was switched, or never was."""
        return self._staged.pop(event, None) is not None

    def committed(self, stored: Sequence[Stored]) -> None:
        """The journal's word that these are on disk; subscribe this to it."""
        if not self._staged:
            return
        for one in stored:
            turnover = self._staged.pop(one.event.id, None)
            if turnover is not None:
                self.switch(turnover())

    def _listening(self, rule: Rule) -> tuple[Listener, ...]:
        depth = self.max_depth(rule)
        return tuple(
            Listener(rule.name, number, trigger, depth)
            for number, trigger in enumerate(rule.triggers)
        )
