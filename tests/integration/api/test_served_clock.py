"""A whole server in this process, whose wall clock is set while it runs.

With a real service, and libfaketime, that is done in `tests/chaos/set_clock.py`.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

HOUR = 3_600
RULES = """
name: soon
trigger: {every: 1s}
actions: [{emit: soon}]
---
name: seldom
trigger: {every: 40m}
actions: [{emit: seldom}]
---
name: silence
trigger: {absent: word, for: 2s, per: subject}
actions: [{emit: silent, subject: "${firing.key}"}]
"""


class Wall:
    """How many seconds the wall clock is off."""

    off = 0


@pytest.fixture
def wall(monkeypatch):
    wall, true = Wall(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: true() + wall.off * 1_000_000_000)
    return wall


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_a_leap_is_noticed_at_once_and_nothing_comes_twice(served, wall):
    async with served({"automations/rules.yaml": RULES}) as client:

        async def count(kind):
            return len(await client.outside(f"type={kind}"))

        async def more(kind, seconds):
            """One more of these than there are, in this time by a clock that nobody set."""
            before = await count(kind)
            page = f"/api/events?type={kind}&limit=1000"
            await client.until(page, lambda answer: len(answer["items"]) > before, seconds)

        await client.post("/api/events", {"type": "word", "subject": "ann"}, 202)
        await more("soon", 10)
        for leap in (HOUR, -HOUR, 24 * HOUR):
            wall.off += leap
            if leap > 0:
                await more("seldom", 5)
            await more("soon", 5)
        if not await count("silent"):
            await more("silent", 10)
        assert await count("silent") == 1
        page = await client.get("/api/events?type=ensue.timer.due&limit=1000")
        rung = Counter((one["data"]["automation"], one["data"]["due"]) for one in page["items"])
        assert set(rung.values()) == {1}
        fired = await client.get("/api/events?type=ensue.automation.fired&limit=1000")
        assert len(fired["items"]) == len(page["items"])
