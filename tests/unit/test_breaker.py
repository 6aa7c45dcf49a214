"""One breaker for the service, tests and backtests: the same minute, bounds included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from automations.breaker import Recent
from automations.rehearsal import rehearse
from automations.rule import Rule
from automations.ruleset import Ruleset
from automations.simulation import Simulation
from automations.turn import Counts
from base.time import SECOND, format_duration
from events.event import Event, Stored

MINUTE = 60 * SECOND
MILLISECOND = SECOND // 1_000
START = 1_893_456_000 * SECOND
RULE = {"name": "r", "trigger": {"event": "a"}, "actions": [{"run": "f"}], "breaker": 2}


@dataclass
class Transaction:
    now: int


def in_service(times: Sequence[int]) -> int:
    counts, fired = Counts(), 0
    for time in times:
        if not counts.may_fire(counts.turn(Transaction(START + time)), "r", 2):
            break
        fired += 1
        counts.keep()
    return fired


def in_backtest(times: Sequence[int]) -> int:
    simulation = Simulation([Rule.parse(RULE)], Ruleset(), {}, start=START)
    for number, time in enumerate(times, 1):
        at = START + time
        event = Event(id=f"e{number}", source="/s", type="a", time=at, received=at)
        simulation.take(Stored(number, event))
    return simulation.tallies["r"].fired


def in_test(times: Sequence[int]) -> int:
    given = [{"type": "a", "at": format_duration(time)} for time in times]
    test = {"given": given, "expect": []}
    (result,) = rehearse(Rule.parse(RULE | {"tests": [test]}))
    return [moment.kind for moment in result.timeline].count("fired")


@pytest.mark.parametrize("fired", [in_service, in_backtest, in_test])
@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((0, SECOND, MINUTE), 2),
        ((0, SECOND, MINUTE + MILLISECOND), 3),
        ((0, MINUTE, MINUTE + MILLISECOND, 2 * MINUTE), 3),
        ((0, 0, 0), 2),
    ],
)
def test_a_firing_exactly_a_minute_old_still_counts(fired, times, expected):
    assert fired(times) == expected


def test_what_is_older_than_a_minute_is_forgotten():
    recent = Recent()
    recent.add(range(0, 10 * MINUTE, MINUTE))
    assert recent.count(9 * MINUTE) == 2
    assert len(recent.times) == 2


def test_what_fired_before_the_clock_was_set_back_is_not_of_this_minute() -> None:
    hour = 60 * MINUTE
    assert in_service([hour, hour + SECOND, 0, SECOND]) == 4
    assert in_service([hour, hour + SECOND, 0, SECOND, 2 * SECOND]) == 4
