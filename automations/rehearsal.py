"""A rule's tests, run on a virtual clock: what `ensue test` shows.

The rule is alone, and everything that decides is what decides in the live service: the
index and `where` say whether it fires, the actions render themselves. Events it emits are
fed back at the same instant, one level deeper; timers ring at theirs, after its events. Runs are not simulated, whether their flows
exist does not matter, nor does whether the rule is enabled or in shadow. The clock stops at
the last entry of `given`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from automations.action import Action
from automations.breaker import Recent
from automations.comparison import Deed, Row, compare
from automations.deed import deed
from automations.emit_action import Emission
from automations.firing import Firing
from automations.gate import MemoryGate
from automations.rehearsal_case import Case
from automations.rule import Rule
from automations.steer_action import Steering
from base.fields import Complaints
from base.place import within
from base.time import Micros
from events.event import Event
from events.tx import Tx
from triggers.evaluator import TriggerEvaluator
from triggers.listener import Listener
from triggers.memory import MemoryWindows
from triggers.sink import Due, Fired, Outcome, Resolved, Trouble

How = Literal["given", "emitted", "rang"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something on the timeline: an event, a timer that rang, or what came of it.

    `unanswered` is a `where` without an answer or a match that does not count, `looped` a chain
    cut at `max_depth`, `gathered` a firing that waits for others, `throttled` one held back,
    `breaker` a rule that fired too often, `paused` one that would have fired if it were not,
    `passes` time going by.
    """

    at: Micros
    kind: Literal[
        "given",
        "emitted",
        "rang",
        "passes",
        "duplicate",
        "fired",
        "resolved",
        "gathered",
        "throttled",
        "unanswered",
        "looped",
        "breaker",
        "paused",
    ]
    event: Event | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A test that was run. `rows` are expected and actual side by side, in order."""

    automation: str
    name: str
    place: str
    timeline: tuple[Moment, ...]
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        return all(row.agrees for row in self.rows)


def cases(rule: Rule) -> tuple[Case, ...]:
    """The tests beside a rule. Raises FormError with all that is wrong in them."""
    complaints = Complaints("test_invalid")
    found = [
        Case.parse(form, within("tests", number), complaints)
        for number, form in enumerate(rule.tests)
    ]
    complaints.raise_any()
    return tuple(found)


def rehearse(rule: Rule, variables: Mapping[str, Any] | None = None) -> tuple[Result, ...]:
    """Runs the rule's tests. `variables` are the settings' `vars`.

    Raises FormError for tests that cannot be read.
    """
    return tuple(_Stage(rule, dict(variables or {}), case).run() for case in cases(rule))


class _NoSink:
    """A rehearsal asks the evaluator what fires, and commits nothing."""

    async def fire(
        self,
        tx: Tx,  # noqa: ARG002 - the protocol's
        fired: Sequence[Outcome],  # noqa: ARG002 - the protocol's
        troubles: Sequence[Trouble] = (),  # noqa: ARG002 - the protocol's
    ) -> list[Event]:
        raise AssertionError("a rehearsal has no transaction")


class _Stage:
    """One test being run."""

    def __init__(self, rule: Rule, variables: dict[str, Any], case: Case) -> None:
        self._rule = rule
        self._variables = variables
        self._case = case
        self._evaluator = TriggerEvaluator(_NoSink())
        self._evaluator.change(
            (),
            [
                Listener(rule.name, number, trigger, rule.max_depth)
                for number, trigger in enumerate(rule.triggers)
            ],
        )
        self._windows = MemoryWindows(variables)
        self._windows.enable(rule.name, rule.triggers, case.start)
        self._gate = MemoryGate(self._windows)
        self._seen: set[tuple[str, str]] = set()
        self._acted: set[str] = set()
        self._gathered: dict[str, str] = {}
        self._cleared: dict[str, list[Resolved]] = {}
        self._position = 0
        self._recent = Recent()
        self._paused = False
        self._timeline: list[Moment] = []
        self._deeds: list[Deed] = []

    def run(self) -> Result:
        at: Micros = 0
        for given in self._case.given:
            at = given.at
            self._ring(at - 1)  # at one instant events come before timers
            if given.event is None:
                self._note(at, "passes", None)
            else:
                self._happen(at, "given", given.event)
        self._ring(at)
        return Result(
            automation=self._rule.name,
            name=self._case.name,
            place=self._case.place,
            timeline=tuple(self._timeline),
            rows=compare(self._case.expected, self._deeds),
        )

    def _note(self, at: Micros, kind: Any, event: Event | None, note: str = "") -> None:
        self._timeline.append(Moment(at, kind, event, note))

    def _ring(self, until: Micros) -> None:
        """Let the timers ring that come due up to then."""
        start = self._case.start
        while (timer := self._windows.due(start + until)) is not None:
            self._happen(timer.received - start, "rang", timer)

    def _happen(self, at: Micros, how: How, event: Event) -> None:
        """An event, and all that is emitted because of it, at the same instant."""
        arrivals: deque[tuple[How, Event]] = deque([(how, event)])
        while arrivals:
            emitted = self._arrive(at, *arrivals.popleft())
            arrivals.extend(("emitted", one) for one in emitted)

    def _arrive(self, at: Micros, how: How, event: Event) -> list[Event]:
        """Evaluates one event; the events that this emits."""
        if (event.source, event.id) in self._seen:
            self._note(at, "duplicate", event)
            return []
        self._seen.add((event.source, event.id))
        self._note(at, how, event)
        self._position += 1
        matched = self._evaluator.match(event)
        matched.position = self._position
        outcomes, troubles = self._windows.decide([matched], self._case.start + at)
        for trouble in troubles:
            self._note(at, "unanswered", event, trouble.message)
        return [emitted for one in outcomes for emitted in self._take(at, one)]

    def _take(self, at: Micros, one: Outcome) -> list[Event]:
        match one:
            case Fired() if one.too_deep:
                event, most = one.completed_by.event, self._rule.max_depth
                self._note(at, "looped", event, f"depth {one.depth - 1} of {most}")
                return []
            case Fired():
                into, passing = self._gate.gathered(one, self._rule, self._case.start + at)
                if into is not None and one.holds:
                    self._gathered[one.id] = into
                if passing is None:
                    self._note(at, "gathered", one.completed_by.event)
                return [] if passing is None else self._fire(at, passing)
            case Due():
                passing = self._gate.rung(one)
                return [] if passing is None else self._fire(at, passing)
            case Resolved():
                return self._clear(at, one)

    def _fire(self, at: Micros, fired: Fired) -> list[Event]:
        event = fired.completed_by.event
        if self._paused:
            self._note(at, "paused", event)
            return []
        why = self._gate.throttled(fired, self._rule, self._case.start + at)
        if why is not None:
            self._note(at, "throttled", event, why)
            return []
        if self._breaks(at):
            self._note(at, "breaker", event, f"more than {self._rule.breaker} firings a minute")
            return []
        self._note(at, "fired", event)
        self._acted.add(fired.id)
        firing = Firing.of(fired, 1, self._case.start + at)
        emitted = self._act(at, firing, self._rule.actions)
        for resolved in self._cleared.pop(fired.id, ()):
            emitted += self._resolve(at, resolved)
        return emitted

    def _clear(self, at: Micros, resolved: Resolved) -> list[Event]:
        """`on_resolve` acts if the firing that is cleared had acted."""
        self._note(at, "resolved", resolved.cause.event)
        told = self._gathered.get(resolved.firing, resolved.firing)
        if told in self._acted:
            return self._resolve(at, resolved)
        self._cleared.setdefault(told, []).append(resolved)
        return []

    def _resolve(self, at: Micros, resolved: Resolved) -> list[Event]:
        firing = Firing.resolving(resolved, 1, self._case.start + at)
        return self._act(at, firing, self._rule.on_resolve)

    def _act(self, at: Micros, firing: Firing, actions: Sequence[Action]) -> list[Event]:
        now = self._case.start + at
        activation = firing.activation(self._rule, self._variables, now)
        emitted = []
        for number, action in enumerate(actions):
            rendered = action.render(activation)
            if isinstance(rendered, Emission):
                emitted.append(firing.emitted(number, rendered, now))
            if isinstance(rendered, Steering) and rendered.pauses(self._rule.name):
                self._paused = True
            if (done := deed(action, number, rendered, firing, at=at)) is not None:
                self._deeds.append(done)
        return emitted

    def _breaks(self, at: Micros) -> bool:
        """Whether the rule fires too often; it stays paused then."""
        self._paused = self._recent.count(at) >= self._rule.breaker
        self._recent.add((at,))
        return self._paused
