"""The `aggregate` trigger: fires when a figure over a span goes beyond a bound; resolves after.

    trigger:
      aggregate: ensue.run.*
      value: event.type == "ensue.run.completed"
      function: ratio
      over: 1h
      below: 0.95
      per: data.flow

The span ends at the newest event time seen, or where a timer last turned the verdict if that
is later: the timer rings when a value that leaves may turn it. Too few values (`at_least`)
are not judged, which clears a condition that held.

Bounded by the rate of matches: all values in the span are members, for the p95 may need any
of them. What is known of them follows as they come and go (see `digest`), so that a match looks
at few of them; it begins anew only where a match comes late, or the window was read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final, NamedTuple

from base.fields import described
from base.time import Micros
from triggers.digest import Digest
from triggers.figure import Bound, Function, digest, figure_of, turns_after, values_of
from triggers.key import Key
from triggers.lateness import admitted, inserted, not_before
from triggers.listening import Listening
from triggers.selector import Failure
from triggers.window import (
    MOST_EVENTS,
    Fired,
    Member,
    Note,
    Occurrence,
    Ref,
    Resolved,
    Step,
    Tick,
    Told,
    WindowState,
    taken,
)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the values of these members say, and when it is due again if no more come."""

    known: _Known
    figure: float | None
    holds: bool
    due: Micros | None


MOST_EXACT: Final = 50
"""Values up to which a timer is set for no time but that at which the verdict turns.

With more it may ring early and find nothing; so may one that came due while nobody was there, and
then it waits out its grace before the next is set.
"""


class _Known(NamedTuple):
    """The digest of these members' values."""

    members: tuple[Member, ...]
    digest: Digest


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
            return self._left(state, told)
        coming = admitted(state, told, self.lateness)
        state = replace(state, newest=coming.newest)
        if not coming.occurrences:
            return Step(state, notes=coming.notes)
        one = coming.occurrences[0]
        known, note = self._known(state), self._wrong(one)
        if note is None:
            known = self._with(known, one)
        end = max(coming.newest or one.time, state.clock or one.time)
        verdict = self._judged(_since(known, end - self.over))
        event = Ref(one.time, one.position)
        step = self._turned(state, verdict, one.position, event.time, event)
        return step._replace(notes=coming.notes if note is None else (*coming.notes, note))

    def _left(self, state: WindowState, tick: Tick) -> Step:
        """Events come before timers: what is as old as the span was counted, and goes."""
        if state.due != tick.due:
            return Step(state)
        verdict = self._judged(_since(self._known(state), tick.due + 1 - self.over))
        if verdict.holds == state.holds:
            return Step(replace(state, due=verdict.due))
        state = replace(state, clock=tick.due + 1)
        return self._turned(state, verdict, tick.position, tick.due, None)

    def _known(self, state: WindowState) -> _Known:
        known, members = state.known, state.members
        if isinstance(known, _Known) and known.members is members:
            return known
        return _Known(members, digest(self.function, values_of(members)))

    def _with(self, known: _Known, one: Occurrence) -> _Known:
        at, members = inserted(known.members, one.member(one.value))
        if at < len(known.members):
            return _Known(members, digest(self.function, values_of(members)))
        return _Known(members, known.digest.plus([one.value]))

    def _judged(self, known: _Known) -> _Verdict:
        members, number = known.members, None
        if len(members) >= self.at_least:
            number = figure_of(self.function, known.digest, len(members))
        holds = number is not None and self.bound.is_beyond(number)
        rings = self._rings(known, holds)
        due = None if rings is None else members[rings - 1].time + self.over
        return _Verdict(known, number, holds, due)

    def _turned(
        self, state: WindowState, verdict: _Verdict, position: int, time: Micros, event: Ref | None
    ) -> Step:
        """The window as it was judged, and what that means after what it was before."""
        known, members = verdict.known, verdict.known.members
        after = replace(state, holds=verdict.holds, members=members, due=verdict.due, known=known)
        if verdict.holds == state.holds:
            return Step(after)
        if not verdict.holds:
            return Step(after, resolved=Resolved(time, position, event, verdict.figure))
        latest = time if event is None else members[-1].time
        return Step(
            after,
            Fired(latest, position, taken(members[-MOST_EVENTS:]), len(members), verdict.figure),
        )

    def _rings(self, known: _Known, holds: bool) -> int | None:
        """After how many of the oldest values the verdict is due again."""
        enough = len(known.members) - self.at_least + 1
        if enough <= 0:
            return None
        turn = turns_after(self.function, known.members, known.digest, self.bound, beyond=holds)
        if turn is not None and len(known.members) <= MOST_EXACT:
            turn = self._turns(known.members, turn, holds)
        if turn is None or turn >= enough:
            return enough if holds else None
        return turn

    def _turns(self, members: tuple[Member, ...], turn: int, holds: bool) -> int | None:
        """After how many of the oldest it is on the other side, if after so many it may be."""
        while turn < len(members):
            if members[turn].time == members[turn - 1].time:  # they leave together
                turn += 1
                continue
            left = members[turn:]
            known = digest(self.function, values_of(left))
            if self.bound.is_beyond(figure_of(self.function, known, len(left))) != holds:
                break
            more = turns_after(self.function, left, known, self.bound, beyond=holds)
            if more is None:
                return None
            turn += more
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


def _since(known: _Known, time: Micros) -> _Known:
    """What is known of those at `time` or later."""
    members, left = known.members, not_before(known.members, time)
    if left is members:
        return known
    gone = values_of(members[: len(members) - len(left)])
    return _Known(left, known.digest.minus(gone, lambda: values_of(left)))
