"""Rules beside the service: what they would do with events, without doing any of it.

Everything that decides is what decides in the live service: the index and `where` say who is
concerned, triggers remember and fire, depth and breaker hold back, actions render themselves.
The clock is the log: an event is taken at the instant at which it came in, and a timer rings
before the next event behind it. What actions would have sent is not fed back: whatever really
came of the events stands in the log behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from automations.breaker import Recent
from automations.comparison import Deed
from automations.deed import deed
from automations.firing import Firing
from automations.gate import MemoryGate
from automations.rule import Rule
from automations.ruleset import Ruleset
from base.time import Micros
from events.event import Event, Stored
from events.tx import Tx
from triggers.evaluator import TriggerEvaluator
from triggers.listener import Listener
from triggers.memory import MemoryWindows
from triggers.sink import Due, Fired, Outcome, Resolved, Trouble


@dataclass(frozen=True, slots=True)
class Simulated:
    """A firing as it would have been recorded. Of what was held back, `reason` says why.

    Of what is `resolved`, it is the id of the firing that is cleared.
    """

    rule: Rule
    firing: Firing
    outcome: Literal["acted", "suppressed", "looped", "resolved"]
    reason: str | None = None
    acts: bool = True


@dataclass(slots=True)
class Tally:
    """What a rule came to. `errors` are conditions without an answer, and what did not count."""

    fired: int = 0
    suppressed: int = 0
    looped: int = 0
    resolved: int = 0
    errors: int = 0
    last_error: str | None = None
    first: Micros | None = None
    last: Micros | None = None
    """When it fired first and last, whether it would have acted or not."""
    stopped: Micros | None = None
    """When its breaker paused it; from then on it would have waited for a person."""
    missed: int = 0
    """How often it would have fired since."""
    recent: Recent = field(default_factory=Recent)


class Simulation:
    """Some rules over some events, taken in the order of the log.

    Whether a rule is enabled or in shadow does not matter. `bounds` knows the service's bounds
    for rules that name none of their own; `variables` are the settings' `vars`. The rules begin
    to listen at `start`, with windows that know nothing.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        bounds: Ruleset,
        variables: Mapping[str, Any],
        *,
        start: Micros,
    ) -> None:
        self._bounds = bounds
        self._variables = dict(variables)
        self._rules = {rule.name: rule for rule in rules}
        self._evaluator = TriggerEvaluator(_NoSink())
        self._evaluator.change(
            (),
            [
                Listener(rule.name, number, trigger, bounds.max_depth(rule))
                for rule in self._rules.values()
                for number, trigger in enumerate(rule.triggers)
            ],
        )
        self._windows = MemoryWindows(self._variables)
        self._gate = MemoryGate(self._windows)
        for rule in self._rules.values():
            self._windows.enable(rule.name, rule.triggers, start)
        self._acted: set[str] = set()
        self._gathered: dict[str, str] = {}
        self._cleared: dict[str, list[Resolved]] = {}
        self._told_of: set[str] = set()
        """The firings of what was gathered that wait no more."""
        self._position = 0
        self.tallies = {name: Tally() for name in self._rules}

    def wants(self, event_type: str) -> bool:
        """Whether events of this type are listened to at all."""
        return any(
            leaf.selector.reaches(event_type)
            for rule in self._rules.values()
            for trigger in rule.triggers
            for leaf in trigger.leaves
        )

    def take(self, stored: Stored) -> list[Simulated]:
        """What fires until this event and on it; at one instant events come before timers."""
        found = self.ring(stored.event.received - 1)
        self._position = stored.position
        found += self._decide(stored.event, stored.event.received)
        return found

    def ring(self, until: Micros) -> list[Simulated]:
        """What fires because time passes, up to and with this instant."""
        found: list[Simulated] = []
        while (timer := self._windows.due(until)) is not None:
            found += self._decide(timer, timer.received)
        return found

    def deeds(self, simulated: Simulated) -> list[Deed]:
        """What the actions of this firing would have done, or why they would have failed."""
        if not simulated.acts:
            return []
        rule, firing = simulated.rule, simulated.firing
        actions = rule.on_resolve if simulated.outcome == "resolved" else rule.actions
        activation = firing.activation(rule, self._variables, firing.time)
        rendered = [(action, action.render(activation)) for action in actions]
        done = [
            deed(action, number, one, firing, at=firing.time)
            for number, (action, one) in enumerate(rendered)
        ]
        return [one for one in done if one is not None]

    def _decide(self, event: Event, now: Micros) -> list[Simulated]:
        matched = self._evaluator.match(event)
        if not matched.hits:
            return []
        matched.position = self._position
        outcomes, troubles = self._windows.decide([matched], now)
        for trouble in troubles:
            tally = self.tallies[trouble.automation]
            tally.errors += 1
            tally.last_error = trouble.message
        return list(self._told(outcomes, now))

    def _told(self, outcomes: Sequence[Outcome], now: Micros) -> Iterator[Simulated]:
        for one in outcomes:
            rule = self._rules[one.automation]
            tally = self.tallies[rule.name]
            if isinstance(one, Resolved):
                yield from self._clear(one, rule, tally, now)
            elif tally.stopped is not None:
                tally.missed += 1
            elif (passing := self._passing(one, rule, now)) is not None:
                fired = self._fire(passing, rule, tally, now)
                yield fired
                if passing.known_as is not None and rule.on_resolve:
                    self._told_of.add(passing.id)
                # What it told of may have cleared while it waited; then that acts now.
                for resolved in self._cleared.pop(fired.firing.id, ()):
                    firing = Firing.resolving(resolved, 0, now)
                    yield Simulated(
                        rule, firing, "resolved", resolved.firing, acts=fired.outcome == "acted"
                    )

    def _passing(self, one: Fired | Due, rule: Rule, now: Micros) -> Fired | None:
        """What is let through by the rule's debounce or batch, if it has one."""
        if isinstance(one, Due):
            return self._gate.rung(one)
        if one.too_deep:
            return one
        into, passing = self._gate.gathered(one, rule, now)
        if into is not None and one.holds and rule.on_resolve:
            self._gathered[one.id] = into
        return passing

    def _fire(self, fired: Fired, rule: Rule, tally: Tally, now: Micros) -> Simulated:
        firing = Firing.of(fired, 0, now)
        tally.first = now if tally.first is None else tally.first
        tally.last = now
        if fired.too_deep:
            tally.looped += 1
            return Simulated(rule, firing, "looped", "max_depth", acts=False)
        if self._gate.throttled(fired, rule, now) is not None:
            tally.suppressed += 1
            return Simulated(rule, firing, "suppressed", "throttle", acts=False)
        if self._breaks(rule, tally, now):
            tally.stopped = now
            tally.suppressed += 1
            return Simulated(rule, firing, "suppressed", "breaker", acts=False)
        tally.fired += 1
        if rule.on_resolve:
            self._acted.add(firing.id)
        return Simulated(rule, firing, "acted")

    def _clear(
        self, resolved: Resolved, rule: Rule, tally: Tally, now: Micros
    ) -> Iterator[Simulated]:
        """`on_resolve` acts if the firing that is cleared had acted, or when it does."""
        tally.resolved += 1
        into = self._gathered.pop(resolved.firing, None)
        if into is not None and into not in self._told_of:
            self._cleared.setdefault(into, []).append(resolved)
            return
        firing = Firing.resolving(resolved, 0, now)
        acts = (into or resolved.firing) in self._acted
        if into is None:
            self._acted.discard(resolved.firing)
        yield Simulated(rule, firing, "resolved", resolved.firing, acts=acts)

    def _breaks(self, rule: Rule, tally: Tally, now: Micros) -> bool:
        """Whether this firing is one too many in the minute that ends now."""
        if tally.recent.count(now) >= self._bounds.breaker(rule):
            return True
        tally.recent.add((now,))
        return False


class _NoSink:
    """A simulation asks the evaluator what fires, and commits nothing."""

    async def fire(
        self,
        tx: Tx,  # noqa: ARG002 - the protocol's
        fired: Sequence[Outcome],  # noqa: ARG002 - the protocol's
        troubles: Sequence[Trouble] = (),  # noqa: ARG002 - the protocol's
    ) -> list[Event]:
        raise AssertionError("a simulation has no transaction")
