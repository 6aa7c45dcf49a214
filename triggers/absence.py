"""The `absent` trigger: fires when no match came for so long; resolves when one comes.

    trigger: {absent: heartbeat, for: 5m, per: subject, expected: [db-1, db-2]}
    trigger: {absent: order.paid, for: 1h, per: subject, after: order.created}

    unknown ──match──▶ waiting ──timer──▶ silent ──match──▶ waiting      without `after`
    idle ──after──▶ waiting ──timer──▶ silent ──match──▶ idle            with it

Without `after`, a wait counts from the last match, and at first from when the rule was
enabled. With it, a wait counts from that event and ends with a match; a second one while
waiting changes nothing, one in silence begins another wait. A match which is so late that
its own wait would be over does not end a silence, nor does one from before the wait.

Bounded: two marks a key. A key that has spoken is watched from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from base.time import Micros
from triggers.key import Key
from triggers.lateness import admitted
from triggers.listening import Listening, Node
from triggers.window import (
    Fired,
    Member,
    Occurrence,
    Ref,
    Resolved,
    Step,
    Tick,
    Told,
    WindowState,
)

MATCH: Final = 0
AFTER: Final = 1
"""The parts of an absence: what is absent, and what a wait counts from."""

_ENABLED: Final = 2
"""The part of a mark that stands for when the rule was enabled: no event is behind it."""


@dataclass(frozen=True, slots=True)
class Absence:
    absent: Listening
    span: Micros
    after: Listening | Node | None
    expected: tuple[str, ...]
    per: Key
    lateness: Micros

    @property
    def members(self) -> tuple[Listening | Node, ...]:
        return (self.absent,) if self.after is None else (self.absent, self.after)

    @property
    def is_condition(self) -> bool:
        return True

    def normalised(self) -> dict[str, Any]:
        return {
            "kind": "absent",
            "members": [member.normalised() for member in self.members],
            "for": self.span,
            "expected": list(self.expected),
            "per": self.per.normalised(),
            "lateness": self.lateness,
        }

    def armed(self, now: Micros) -> WindowState:
        """The window of an expected key, when the rule is enabled at `now`."""
        mark = Member(now, 0, _ENABLED, None, ())
        return WindowState(due=now + self.span, marks=(mark,))

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        if isinstance(told, Tick):
            return self._silent(state, told)
        coming = admitted(state, told, self.lateness)
        state = replace(state, newest=coming.newest)
        resolved = None
        if any(mark.time > now for mark in state.marks):
            state = _put_back(state, coming.occurrences)
        for one in sorted(coming.occurrences, key=lambda one: one.part):
            if one.part == AFTER:
                state = self._begun(state, one)
                continue
            before = state
            state = (self._watched if self.after is None else self._answered)(state, one, now)
            if before.holds and not state.holds:
                resolved = Resolved(one.time, one.position, Ref(one.time, one.position))
        return Step(state, resolved=resolved, notes=coming.notes)

    def _silent(self, state: WindowState, tick: Tick) -> Step:
        if state.due != tick.due:
            return Step(state)
        refs = state.marks[0].refs
        fired = Fired(tick.due, tick.position, refs, len(refs))
        return Step(replace(state, holds=True, due=None), fired)

    def _watched(self, state: WindowState, one: Occurrence, now: Micros) -> WindowState:
        """A match came, from which the next wait counts."""
        wait, match = state.marks[:1], one.member()
        if wait and match[:2] < wait[0][:2]:
            return state
        if state.holds and self._is_over(one, now):
            return state
        return WindowState(state.newest, due=one.time + self.span, marks=(match,))

    def _answered(self, state: WindowState, one: Occurrence, now: Micros) -> WindowState:
        """A match came, which ends a wait that began before it."""
        wait, last = _marks(state)
        match = one.member()
        if last is None or last[:2] < match[:2]:
            last = match
        if wait is None or match[:2] < wait[:2]:
            return replace(state, marks=_kept(wait, last))
        if state.holds and self._is_over(one, now):
            return replace(state, due=None, marks=_kept(wait, last))
        return WindowState(state.newest, marks=_kept(None, last))

    def _begun(self, state: WindowState, one: Occurrence) -> WindowState:
        """What a wait counts from came; unless a match that happened after it came first."""
        _, last = _marks(state)
        begins = one.member()
        if state.due is not None or (last is not None and begins[:2] < last[:2]):
            return state
        return replace(state, due=one.time + self.span, marks=_kept(begins, last))

    def _is_over(self, one: Occurrence, now: Micros) -> bool:
        """Whether a wait that this match began would have ended by now."""
        return one.time + self.span < now


def _put_back(state: WindowState, coming: tuple[Occurrence, ...]) -> WindowState:
    """After the clock was set back: what came before is still before what comes now."""
    earliest = min((one.time for one in coming), default=None)
    if earliest is None:
        return state
    marks = tuple(mark._replace(time=min(mark.time, earliest)) for mark in state.marks)
    return replace(state, marks=marks)


def _marks(state: WindowState) -> tuple[Member | None, Member | None]:
    """With `after`: what the wait counts from, and the last match."""
    wait = next((mark for mark in state.marks if mark.part == AFTER), None)
    last = next((mark for mark in state.marks if mark.part == MATCH), None)
    return wait, last


def _kept(*marks: Member | None) -> tuple[Member, ...]:
    return tuple(mark for mark in marks if mark is not None)
