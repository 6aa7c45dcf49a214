"""The triggers that a clock sets off: a schedule, and a window that knows how far it has come.

The window's timer is the next time of the schedule. That rings as an event whose id is this time,
so it is taken once whatever the number of servers; a server that was stopped finds its timer where
it was, and makes up for what it missed as `catch_up` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from base.fields import Complaints
from base.time import Micros
from events.expression import Expression
from triggers.key import NO_KEY
from triggers.listener import Leaf, Node
from triggers.schedule import ON_TIME, Schedule
from triggers.window import FRESH, Fired, Step, Tick, Told, WindowState


@dataclass(frozen=True, slots=True)
class ClockTrigger:
    """Meets `listener.Trigger`, and `listener.Node`: it is its own and only one.

    Of the window, `clock` is when the rule was enabled and `newest` the last time that was taken.
    """

    schedule: Schedule
    path: str = ""
    parent: tuple[str, int] | None = None
    is_condition: bool = False
    span: Micros = 0
    expected: Sequence[str] = (NO_KEY,)

    @classmethod
    def parse(
        cls, form: Mapping[str, Any], place: str, complaints: Complaints
    ) -> ClockTrigger | None:
        """None if anything is wrong, which the complaints then tell."""
        schedule = Schedule.parse(form, place, complaints)
        return cls(schedule) if schedule else None

    @property
    def leaves(self) -> Sequence[Leaf]:
        return ()

    @property
    def nodes(self) -> Sequence[Node]:
        return (self,)

    @property
    def condition(self) -> Expression | None:
        return self.schedule.where

    def normalised(self) -> dict[str, Any]:
        return {"clock": self.schedule.normalised()}

    def enabled(self, state: WindowState, now: Micros) -> WindowState:
        """The times from now on; what came while the rule did not listen is not made up for."""
        del state
        due = self.schedule.since(now).next_after(now)
        return FRESH if due is None else WindowState(newest=now, clock=now, due=due)

    def set_back(self, state: WindowState, now: Micros) -> WindowState:
        """The times come again; those that were taken before are known by their ids."""
        if state.due is None or state.clock is None or (state.newest or 0) <= now:
            return state
        due = self.schedule.since(state.clock).next_after(now)
        return WindowState(newest=now, clock=state.clock, due=due)

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        if not isinstance(told, Tick) or state.due != told.due or state.clock is None:
            return Step(state)
        schedule = self.schedule.since(state.clock)
        taken: Micros | None = told.due
        if self.schedule.catch_up != "all" and now - told.due > ON_TIME:
            missed = schedule.due_between(told.due - 1, now, self.schedule.catch_up, 1)
            taken = missed[-1] if missed else None
        newest = now if taken is None else taken
        due = schedule.next_after(newest)
        after = FRESH if due is None else WindowState(newest=newest, clock=state.clock, due=due)
        if taken is None:
            return Step(after)
        return Step(after, Fired(taken, told.position, (), 0))
