"""The `count` trigger: fires when so many matches fall within a span.

    trigger: {count: login.failed, at_least: 3, within: 10m, per: subject}

Bounded: before it fires no span of `within` holds `at_least` members, and what is too old
to meet anything that may still come is let go. So there are fewer than `at_least` members
for each `within` that fits into `within` and `allowed_lateness`, and `at_least` once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from base.time import Micros
from triggers.key import Key
from triggers.lateness import admitted, inserted, not_before
from triggers.listening import Listening
from triggers.window import MOST_EVENTS, Fired, Member, Step, Tick, Told, WindowState, taken


@dataclass(frozen=True, slots=True)
class Count:
    """Exactly `at_least` events take part: where several spans hold that many, the latest."""

    counted: Listening
    at_least: int
    within: Micros
    per: Key
    lateness: Micros

    @property
    def members(self) -> tuple[Listening, ...]:
        return (self.counted,)

    @property
    def is_condition(self) -> bool:
        return False

    def normalised(self) -> dict[str, Any]:
        return {
            "kind": "count",
            "members": [self.counted.normalised()],
            "at_least": self.at_least,
            "within": self.within,
            "per": self.per.normalised(),
            "lateness": self.lateness,
        }

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        del now  # windows go by event time
        if isinstance(told, Tick):
            return Step(state)
        coming = admitted(state, told, self.lateness)
        members = state.members
        for one in coming.occurrences:
            at, members = inserted(members, one.member())
            full = self._full(members, at)
            if full:
                fired = Fired(full[-1].time, one.position, taken(full[-MOST_EVENTS:]), len(full))
                return Step(WindowState(coming.newest), fired, notes=coming.notes)
        if coming.newest is not None:
            members = not_before(members, coming.newest - self.lateness - self.within)
        return Step(WindowState(coming.newest, members=members), notes=coming.notes)

    def _full(self, members: tuple[Member, ...], at: int) -> tuple[Member, ...]:
        """The latest run of `at_least` members around the one at `at` that is short enough."""
        wanted = self.at_least
        if len(members) < wanted:
            return ()
        for first in range(min(at, len(members) - wanted), max(-1, at - wanted), -1):
            if members[first + wanted - 1].time - members[first].time <= self.within:
                return members[first : first + wanted]
        return ()
