"""Deciding: from events and their hits to firings, for triggers that remember and those that do not.

One batch is three steps, with whoever keeps the windows between them:

    batch = Batch(matched, now)            which windows does it touch?      batch.keys
    batch.run(windows)                     what do they become?              batch.changed
    batch.outcome(events)                  what fired, and what could not be decided?

Nothing here does I/O or reads a clock. The live service, the rehearsal and the backtest go these
three steps alike and differ in where windows and events are kept.

Entries of the log are taken one by one, in order. What one brings to a nested trigger is decided
from the innermost node outwards: a member that fired is an occurrence for the node around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from base.logs import logger
from base.time import Micros, to_datetime
from events.evaluation import Matched
from events.event import Event, Stored
from events.expression import Activation, Failure
from triggers import window
from triggers.key import key_value
from triggers.listener import Hit, Listener, Node, Rung
from triggers.selector import Failure as Failed
from triggers.sink import Due, Fired, Occasion, Outcome, Resolved, Trouble
from triggers.window import Occurrence, Released, Step, Tick, Told, WindowState
from triggers.windows import APART, NEW, Changed, Window, WindowKey

log = logger("triggers")

MOST_BYTES: Final = 1 << 20
"""Of events that a firing passes on; the latest ones, where there are more."""

_Told = dict[str, dict[WindowKey, list[Occurrence | Released] | Tick]]
"""What the windows of a trigger are told, by the path of their node."""


@dataclass(slots=True)
class _Draft:
    """A firing whose events are still to be fetched."""

    listener: Listener
    fired: Fired
    refs: tuple[window.Ref, ...]


@dataclass(slots=True)
class _Cleared:
    listener: Listener
    resolved: Resolved
    ref: window.Ref | None


@dataclass(slots=True)
class Batch:
    """Some entries of the log, in order, and what they set off."""

    matched: Sequence[Matched]
    now: Micros
    occasion: Occasion | None = None
    """Somebody asked for the events again: then no window hears of them."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """`vars`, as a clock's `where` sees them."""
    keys: set[WindowKey] = field(default_factory=set)
    """The windows that the batch touches."""
    _windows: dict[WindowKey, Window] = field(default_factory=dict)
    _before: dict[WindowKey, Window] = field(default_factory=dict)
    _drafts: list[_Draft | _Cleared | Due] = field(default_factory=list)
    _troubles: list[Trouble] = field(default_factory=list)
    _here: dict[int, Stored] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.matched:
            for hit in one.hits:
                if isinstance(hit, Rung):
                    self._touch(hit.listener, hit.key)
                elif hit.window is not None and self.occasion is None:
                    self._touch(hit.listener, hit.window)

    def run(self, windows: Mapping[WindowKey, Window]) -> None:
        """Take all entries in, by what these windows know. Called once."""
        self._windows.update(windows)
        for one in self.matched:
            self._take(one, one.hits)

    @property
    def changed(self) -> Changed:
        """What the windows were, and what they are now."""
        return {key: (before, self._windows[key]) for key, before in self._before.items()}

    @property
    def missing(self) -> set[int]:
        """Where in the log the events stand that firings need and the batch does not have."""
        wanted: set[int] = set()
        for draft in self._drafts:
            if isinstance(draft, Due):
                continue
            refs = draft.refs if isinstance(draft, _Draft) else (draft.ref,) if draft.ref else ()
            wanted.update(ref.position for ref in refs)
        return wanted and wanted - {one.position for one in self._heard()}

    def outcome(self, events: Sequence[Stored] = ()) -> tuple[list[Outcome], list[Trouble]]:
        """What was decided, in the order of the log, then by rule and trigger."""
        if self._drafts:
            self._here.update((one.position, _stored(one)) for one in self._heard())
        self._here.update((stored.position, stored) for stored in events)
        outcomes = [self._finished(draft) for draft in self._drafts]
        outcomes.sort(key=_order)
        return outcomes, self._troubles

    def _heard(self) -> list[Matched]:
        """Without mere timers: beside the service these stand at the place of the last event."""
        return [one for one in self.matched if any(isinstance(hit, Hit) for hit in one.hits)]

    # -- one entry of the log --------------------------------------------------------------

    def _take(self, one: Matched, hits: Sequence[Hit | Rung]) -> None:
        told: dict[Listener, _Told] = {}
        late = False
        failures: list[tuple[Listener, Failed]] = []
        for hit in hits:
            listener = hit.listener
            if isinstance(hit, Rung) and hit.key.path.startswith(APART):
                due = Due(listener.automation, 0, hit.key, hit.due, _stored(one), late=hit.late)
                self._drafts.append(due)
            elif isinstance(hit, Rung):
                tick = Tick(hit.due, one.position)
                told.setdefault(listener, {}).setdefault(hit.key.path, {})[hit.key] = tick
                late = hit.late
            elif hit.failure is not None:
                # Told once of an event, however many members of the trigger it was for.
                if (listener, hit.failure) not in failures:
                    failures.append((listener, hit.failure))
                    self._trouble(listener, one.event, hit.failure.code, hit.failure.message)
            elif hit.window is None:
                self._drafts.append(
                    _Draft(listener, _plain(listener, _stored(one), self.occasion), ())
                )
            elif self.occasion is None:
                _say(told.setdefault(listener, {}), hit.window, _occurrence(one, hit))
        for listener, sayings in told.items():
            self._advance(listener, one, sayings, late=late)

    def _advance(self, listener: Listener, one: Matched, told: _Told, *, late: bool) -> None:
        """Let the trigger's nodes hear it, from the innermost outwards."""
        for node in listener.trigger.nodes:
            for key, saying in told.get(node.path, {}).items():
                before = self._windows.get(key, NEW)
                step = self._step(listener, one, node, before.state, saying)
                if step is None:
                    continue
                for note in step.notes:
                    self._trouble(listener, one.event, note.code, note.message)
                firing = before.firing
                if step.fired is None and step.resolved is None:
                    pass
                elif node.parent is None:
                    firing = self._root(listener, one, key, firing, step, late=late)
                else:
                    _tell_parent(told, key, node.parent, step, holds=node.is_condition)
                if step.state is not before.state or firing != before.firing:
                    self._before.setdefault(key, before)
                    self._windows[key] = Window(step.state, firing, before.written)

    def _step(
        self, listener: Listener, one: Matched, node: Node, state: WindowState, told: Told
    ) -> Step | None:
        if state.newest is not None and state.newest > self.now:
            # The clock was set back: lateness is measured from there.
            state = replace(state, newest=self.now)
        try:
            return node.advance(state, told, self.now)
        except Exception as error:
            # A mistake of ours, and still no reason to refuse the event.
            log.exception("trigger_not_decided", automation=listener.automation)
            self._trouble(listener, one.event, "internal", repr(error)[:500])
            return None

    def _root(
        self,
        listener: Listener,
        one: Matched,
        key: WindowKey,
        firing: str | None,
        step: Step,
        *,
        late: bool,
    ) -> str | None:
        """What the trigger itself says goes to the rule; the id of the firing that holds now."""
        automation, number, value = listener.automation, listener.number, key_value(key.key)
        if step.resolved is not None:
            if firing is not None:
                resolved = Resolved(
                    automation, number, value, firing, event=None, cause=_stored(one)
                )
                self._drafts.append(_Cleared(listener, resolved, step.resolved.event))
            firing = None
        if step.fired is not None and self._admits(listener, one, step.fired.time):
            count = step.fired.count
            holds = step.state.holds
            fired = Fired(
                automation,
                number,
                value,
                (),
                cause=_stored(one),
                count=count,
                late=late,
                holds=holds,
            )
            self._drafts.append(_Draft(listener, fired, step.fired.events))
            firing = fired.id if holds else None
        return firing

    def _admits(self, listener: Listener, one: Matched, time: Micros) -> bool:
        """Whether a clock is to fire at this time."""
        condition = listener.trigger.condition
        if condition is None:
            return True
        seen = Activation.of(now=to_datetime(time), vars=dict(self.variables))
        answer = condition.holds(seen)
        if isinstance(answer, Failure):
            self._trouble(listener, one.event, answer.code, answer.message)
            return False
        return answer

    def _finished(self, draft: _Draft | _Cleared | Due) -> Outcome:
        if isinstance(draft, Due):
            return draft
        if isinstance(draft, _Cleared):
            found = self._here.get(draft.ref.position) if draft.ref else None
            return replace(draft.resolved, event=found)
        fired = draft.fired
        if draft.refs:
            there = [self._here[r.position] for r in draft.refs if r.position in self._here]
            fired = replace(fired, events=within_bytes(there))
        if fired.depth > draft.listener.max_depth:
            fired = replace(fired, too_deep=True)
        return fired

    def _touch(self, listener: Listener, key: WindowKey) -> None:
        """This window, and those of the nodes around it."""
        for node in listener.trigger.nodes:
            if node.path == key.path:
                self.keys.add(key)
                if node.parent is not None:
                    key = key._replace(path=node.parent[0])

    def _trouble(self, listener: Listener, event: Event, code: str, message: str) -> None:
        self._troubles.append(
            Trouble(listener.automation, listener.number, event, code, message, self.now)
        )


def _plain(listener: Listener, stored: Stored, occasion: Occasion | None) -> Fired:
    return Fired(listener.automation, listener.number, None, (stored,), occasion=occasion)


def _stored(one: Matched) -> Stored:
    return Stored(one.position, one.event)


def _occurrence(one: Matched, hit: Hit) -> Occurrence:
    return Occurrence(one.event.time, one.position, hit.leaf.part, hit.value)


def _say(told: _Told, key: WindowKey, saying: Occurrence | Released) -> None:
    sayings = told.setdefault(key.path, {}).setdefault(key, [])
    assert isinstance(sayings, list), "a window hears its own timer, or what an event brought"
    sayings.append(saying)


def _tell_parent(
    told: _Told, key: WindowKey, parent: tuple[str, int], step: Step, *, holds: bool
) -> None:
    path, part = parent
    around = key._replace(path=path)
    if step.resolved is not None:
        _say(told, around, Released(part))
    if step.fired is not None:
        fired = step.fired
        occurrence = Occurrence(fired.time, fired.position, part, None, fired.events, holds)
        _say(told, around, occurrence)


def within_bytes(events: Sequence[Stored]) -> tuple[Stored, ...]:
    """The latest of them, as far as they fit; at least one."""
    size, first = 0, len(events)
    while first and (size := size + events[first - 1].event.size) <= MOST_BYTES:
        first -= 1
    return tuple(events[min(first, len(events) - 1) :]) if events else ()


def _order(outcome: Outcome) -> tuple[int, str, int]:
    return outcome.completed_by.position, outcome.automation, outcome.trigger
