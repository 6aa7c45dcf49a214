"""A backtest does with the events of random schedules what the model says, as the service does."""

from __future__ import annotations

import pytest

from tests.schedules.backtest import difference, plain
from tests.schedules.generate import batch
from tests.schedules.schedule import Schedule, Send, Sent
from tests.schedules.shrink import printed

KINDS = ("count", "sequence", "all", "any", "absent", "aggregate", "nested")
GATHERED = ("throttle", "debounce", "batch")


@pytest.mark.parametrize("kind", [*KINDS, *GATHERED])
def test_a_backtest_does_what_the_model_says(kind):
    told = [
        "\n".join([printed(schedule), *found.lines(schedule)])
        for schedule in map(plain, batch(kind, 1, 25).values())
        if (found := difference(schedule))
    ]
    assert not told, "\n\n".join(told)


FOUND = {
    "a silence names the event before it, and not the timer's": Schedule(
        rule={"trigger": {"absent": "a", "for": 8}},
        steps=(Send(at=28, events=(Sent(n=3, type="a", time=28),)),),
    ),
    "a timer that is set for a time that has passed rings behind the events of its instant": Schedule(
        rule={"trigger": {"absent": "a", "for": 3}},
        steps=(
            Send(at=27, events=(Sent(n=1, type="a", time=17),)),
            Send(at=27, events=(Sent(n=2, type="a", time=27),)),
        ),
    ),
}


@pytest.mark.parametrize("schedule", FOUND.values(), ids=FOUND)
def test_what_went_wrong_once_in_a_backtest(schedule):
    assert difference(schedule) is None
