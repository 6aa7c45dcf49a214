"""The same schedules beside the service: what a backtest makes of their events.

A backtest knows no restarts and no edits, and rings timers at the very instant at which they are
due. When things are told is not compared: of what cleared while it waited that is another time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from automations.rule import Rule as ServedRule
from automations.ruleset import Ruleset
from automations.simulation import Simulated, Simulation
from events import envelope
from events.event import Stored
from tests.schedules.model import Row
from tests.schedules.moves import Move, moves
from tests.schedules.schedule import Schedule, Send, Sent, cloudevent, definition
from tests.schedules.trial import Difference, compared, wanted

NAME = "s"
_LEFT_OUT = {"shadow"}


def plain(schedule: Schedule) -> Schedule:
    """The events of this schedule, and its rule as it was at first."""
    steps = tuple(_since_the_start(step) for step in schedule.steps if isinstance(step, Send))
    rule = {name: value for name, value in schedule.rule.items() if name not in _LEFT_OUT}
    return replace(schedule, rule=rule, steps=steps)


def _since_the_start(step: Send) -> Send:
    return replace(step, events=tuple(replace(one, time=max(one.time, 0)) for one in step.events))


def difference(schedule: Schedule) -> Difference | None:
    """Where the backtest of a plain schedule and the model disagree."""
    planned = moves({NAME: schedule}, then=range(1, 60))
    rules = wanted(planned, {NAME: schedule}, punctual=True)
    rule = rules[NAME]
    rule.rows = [row._replace(at=0, of=None) for row in rule.rows if row.outcome != "gathered"]
    simulation, found = _simulated(schedule, planned)
    left_out = simulation.tallies[NAME].errors
    return compared({NAME: [_row(one) for one in found]}, {NAME: left_out}, rules).get(NAME)


def _simulated(schedule: Schedule, planned: Sequence[Move]) -> tuple[Simulation, list[Simulated]]:
    rule = ServedRule.parse(definition(NAME, schedule.rule))
    simulation = Simulation([rule], Ruleset(), {}, start=schedule.clock(0))
    found: list[Simulated] = []
    sent: set[int] = set()
    for move in planned:
        told: Sequence[Sent] = move.what.get(NAME, ()) if move.kind == "send" else ()
        for one in told:
            if one.n not in sent:
                sent.add(one.n)
                (event,) = envelope.batch([cloudevent(NAME, schedule, one)], now=move.now)
                found += simulation.take(Stored(len(sent), event))
    return simulation, [*found, *simulation.ring(planned[-1].now - 1)]


def _row(one: Simulated) -> Row:
    firing = one.firing
    events = tuple(int(event.id.rpartition("-")[2]) for event in firing.events)
    return Row(0, one.outcome, firing.trigger, firing.key, events, firing.count, one.acts)
