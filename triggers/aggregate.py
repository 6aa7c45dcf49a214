"""The `aggregate` trigger: fires when a figure over a span goes beyond a bound; resolves after.

    trigger:
      aggregate: ensue.run.*
      value: event.type == "ensue.run.completed"
      function: ratio
      over: 1h
      below: 0.95
      per: data.flow

The span ends at the newest event time seen, or where a timer moved it on: the timer rings
when a value that leaves may turn the verdict. Too few values (`at_least`) are not judged,
which clears a condition that held.

Bounded by the rate of matches: all values in the span are members, for the p95 may need any
of them. One match costs one pass over them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from base.fields import described
from base.time import Micros
from triggers.figure import Bound, Function, figure, turns_after
from triggers.key import Key
from triggers.lateness import admitted, inserted, not_before
from triggers.listening import Listening
from triggers.selector import Failure
from triggers.window import (
    Fired,
    Note,
    Occurrence,
    Ref,
    Resolved,
    Step,
    Tick,
    Told,
    Value,
    WindowState,
    taken,
)


@dataclass(frozen=True, slots=True)
class Aggregate:
    measured: Listening
    function: Function
    over: Micros
    bound: Bound
    at_least: int
    per: Key
    lateness: Micros

    @property
    def members(self) -> tuple[Listening, ...]:
        return (self.measured,)

    @property
    def is_condition(self) -> bool:
        return True

    def normalised(self) -> dict[str, Any]:
        return {
            "kind": "aggregate",
            "members": [self.measured.normalised()],
            "function": self.function,
            "over": self.over,
            self.bound.side: self.bound.limit,
            "at_least": self.at_least,
            "per": self.per.normalised(),
            "lateness": self.lateness,
        }

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        del now  # windows go by event time
        if isinstance(told, Tick):
            if state.due != told.due:
                return Step(state)
            # Events come before timers: what is at this instant has been counted, and goes.
            return self._judged(replace(state, clock=told.due + 1), told.position, told.due, None)
        coming = admitted(state, told, self.lateness)
        if not coming.occurrences or coming.newest is None:
            return Step(replace(state, newest=coming.newest), notes=coming.notes)
        one = coming.occurrences[0]
        clock = max(coming.newest, state.clock or coming.newest)
        members, note = state.members, self._wrong(one)
        if note is None:
            _, members = inserted(members, one.member(one.value))
        state = replace(state, newest=coming.newest, clock=clock, members=members)
        step = self._judged(state, one.position, None, Ref(one.time, one.position))
        return replace(step, notes=coming.notes if note is None else (*coming.notes, note))

    def _judged(
        self, state: WindowState, position: int, due: Micros | None, event: Ref | None
    ) -> Step:
        """What the values that are left say; `due` is the timer's, or `event` what came."""
        members = not_before(state.members, (state.clock or 0) - self.over)
        values = [member.value for member in members if member.value is not None]
        number = figure(self.function, values) if len(values) >= self.at_least else None
        holds = number is not None and self.bound.is_beyond(number)
        rings = self._rings(values, holds)
        after = replace(
            state,
            holds=holds,
            members=members,
            due=None if rings is None else members[rings - 1].time + self.over,
        )
        if holds and not state.holds:
            fired = Fired(due or members[-1].time, position, taken(members), len(members), number)
            return Step(after, fired)
        if state.holds and not holds:
            resolved = Resolved(event.time if event else due or 0, position, event, number)
            return Step(after, resolved=resolved)
        return Step(after)

    def _rings(self, values: list[Value], holds: bool) -> int | None:
        """After how many of the oldest values the verdict is due again."""
        enough = len(values) - self.at_least + 1
        if enough <= 0:
            return None
        turn = turns_after(self.function, values, self.bound)
        if turn is None or turn >= enough:
            return enough if holds else None
        return turn

    def _wrong(self, one: Occurrence) -> Note | None:
        """Why a value does not count."""
        value = one.value
        if value is None:
            return Note("value_missing", one.position, "the value is null")
        if isinstance(value, Failure):
            return Note("value_missing", one.position, value.message)
        if self.function == "ratio":
            right = isinstance(value, bool)
        else:
            right = type(value) is int or (type(value) is float and isfinite(value))
        if right:
            return None
        wanted = "true or false" if self.function == "ratio" else "a number"
        return Note("value_not_a_number", one.position, f"{described(value)} is not {wanted}")
