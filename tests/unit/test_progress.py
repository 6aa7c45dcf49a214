"""How far a window has come, for each kind of trigger."""

from __future__ import annotations

import pytest

from automations.rule import Rule
from base.time import SECOND
from triggers.progress import Progress, progress
from triggers.window import Member, WindowState

MINUTE = 60 * SECOND


def told(trigger, state):
    rule = Rule.parse({"name": "r", "trigger": trigger, "actions": [{"run": "f"}]})
    return progress(rule.triggers[0].nodes[-1].node, state)


def members(*parts):
    """Pairs of minute and part."""
    return tuple(Member(minute * MINUTE, n, part) for n, (minute, part) in enumerate(parts, 1))


@pytest.mark.parametrize(
    ("trigger", "parts", "expected"),
    [
        ({"count": "a", "at_least": 3, "within": "10m"}, [], (0, 3, None)),
        ({"count": "a", "at_least": 3, "within": "10m"}, [(1, 0), (2, 0)], (2, 3, 11)),
        ({"count": "a", "at_least": 3, "within": "10m"}, [(1, 0), (12, 0)], (1, 3, 22)),
        ({"all": ["a", "b", "c"], "within": "10m"}, [(1, 0), (3, 2), (4, 0)], (2, 3, 13)),
        ({"any": ["a", "b"], "at_least": 2, "within": "10m"}, [(1, 0)], (1, 2, 11)),
        ({"sequence": ["a", "b", "c"], "within": "10m"}, [], (0, 3, None)),
        ({"sequence": ["a", "b", "c"], "within": "10m"}, [(1, 0), (3, 1)], (2, 3, 11)),
        ({"sequence": ["a", "b", "c"], "within": "10m"}, [(1, 1), (3, 0)], (1, 3, 13)),
        (
            {"sequence": ["a", "b", "c"], "within": "10m"},
            [(1, 0), (2, 1), (20, 0)],
            (1, 3, 30),
        ),
    ],
)
def test_what_is_there_is_told_with_what_is_needed_and_until_when(trigger, parts, expected):
    have, need, until = expected
    state = WindowState(members=members(*parts))
    assert told(trigger, state) == Progress(have, need, until and until * MINUTE)


def test_a_wait_is_told_with_its_end_and_a_condition_that_holds_as_that():
    absent = {"absent": "a", "for": "5m"}
    assert told(absent, WindowState(due=7)) == Progress(0, 0, 7)
    assert told(absent, WindowState(holds=True)).holds
    average = {
        "aggregate": "a",
        "value": "event.data.n",
        "function": "avg",
        "over": "1h",
        "above": 5,
    }
    state = WindowState(members=members((1, 0)), holds=True, due=9)
    assert told(average, state) == Progress(1, 1, 9, holds=True)
