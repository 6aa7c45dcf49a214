"""Rules through restarts, edits, and events that come late, early, twice and out of order.

Random schedules on real databases, held to a model that was written from what rules mean; the
quick part of `python -m tests.schedules`. A schedule that was found to go wrong stands below.
"""

from __future__ import annotations

import pytest

from base.database import Address
from tests.schedules.breaks import BREAKS
from tests.schedules.generate import KINDS, batch
from tests.schedules.schedule import Pause, Schedule, Send, Sent
from tests.schedules.shrink import printed
from tests.schedules.trial import differences

MANY = 25
ENOUGH_TO_TELL = 40


@pytest.mark.parametrize("kind", KINDS)
async def test_rules_do_what_the_model_says(address, kind):
    schedules = batch(kind, 0, MANY)
    found = await differences(address, schedules)
    told = [
        "\n".join([printed(schedules[name]), *one.lines(schedules[name])])
        for name, one in found.items()
    ]
    assert not told, "\n\n".join(told)


@pytest.mark.parametrize("fault", BREAKS, ids=lambda fault: fault.__name__)
async def test_the_model_tells_of(tmp_path, monkeypatch, fault):
    fault(monkeypatch.setattr)
    address = Address("sqlite", path=tmp_path / "ensue.db")
    assert await differences(address, batch(BREAKS[fault], 0, ENOUGH_TO_TELL))


FOUND = {
    "a silence is told that began when the rule was paused and resumed": Schedule(
        rule={"trigger": {"absent": "a", "for": 5, "per": "subject"}},
        steps=(
            Send(at=29, events=(Sent(n=0, type="a", time=29, key="k1"),)),
            Pause(at=29),
            Pause(at=29, paused=False),
        ),
    ),
    "a wait that ends at an instant at which another had ended is told too": Schedule(
        rule={"trigger": {"absent": "a", "for": 1, "after": "b"}},
        steps=(
            Send(at=27, events=(Sent(n=1, type="b", time=27),)),
            Send(at=30, events=(Sent(n=2, type="b", time=27),)),
        ),
    ),
    "an event without a key is told once, however many members it would have filled": Schedule(
        rule={"trigger": {"sequence": ["a", "b", "a"], "within": 20, "per": "subject"}},
        steps=(Send(at=30, events=(Sent(n=0, type="a", time=30),)),),
    ),
}


@pytest.mark.parametrize("schedule", FOUND.values(), ids=FOUND)
async def test_what_went_wrong_once(address, schedule):
    assert not await differences(address, {"s": schedule})
