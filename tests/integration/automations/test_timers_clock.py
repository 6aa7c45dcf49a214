"""Rules that a clock sets off, on real databases: each time is taken once."""

from __future__ import annotations

import asyncio

import pytest

from base.time import SECOND, now, parse_rfc3339, to_rfc3339
from triggers.timers import Timers

MINUTE = 60 * SECOND
START = parse_rfc3339("2030-01-01T12:00:30Z")


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def at(self, text):
        self.now = parse_rfc3339(f"2030-01-01T{text}Z")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def clocked(database, open_world, clock):
    async with open_world(database, clock=clock, variables={"quiet": False}) as world:
        yield world


def beat(**trigger):
    return {
        "name": "beat",
        "trigger": trigger or {"every": "1m"},
        "actions": [{"emit": "beat", "data": {"event": "${event}", "events": "${events}"}}],
    }


def times(world):
    """When the timers that fired were due."""
    return [one.data["due"][11:19] for one in world.told("ensue.timer.due")]


async def ring_at(world, clock, *texts):
    for text in texts:
        clock.at(text)
        await world.ring()


async def test_a_clock_fires_at_its_times_and_not_before(clocked, clock):
    await clocked.apply(beat())
    await ring_at(clocked, clock, "12:00:59", "12:01:00")
    assert not clocked.told("beat"), "at one instant events come before timers"
    await ring_at(clocked, clock, "12:01:00.001", "12:01:30", "12:02:01")
    assert times(clocked) == ["12:01:00", "12:02:00"]
    assert [one.data for one in clocked.told("beat")] == [{"event": None, "events": []}] * 2


async def test_what_a_clock_causes_goes_back_to_its_timer(clocked, clock):
    await clocked.apply(beat())
    await ring_at(clocked, clock, "12:01:01")
    (timer,), (fired,) = clocked.told("ensue.timer.due"), clocked.told("ensue.automation.fired")
    (made,) = clocked.told("beat")
    assert timer.source == "/automations/beat"
    assert (fired.causationid, made.causationid) == (timer.id, timer.id)
    assert made.depth == 1
    assert fired.data["events"] == []


async def test_two_servers_ring_a_timer_once(clocked, clock, database):
    await clocked.apply(beat())
    other = Timers(database, clocked.journal, clocked.evaluator, clock=clock)
    clock.at("12:01:05")
    await asyncio.gather(*[timers.ring() for timers in (clocked.timers, other) * 3])
    assert len(clocked.told("beat")) == 1
    assert await clocked.rows("SELECT count(*) FROM firing") == [(1,)]


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("all", ["12:01:00", "12:02:00", "12:03:00", "12:04:00", "12:05:00"]),
        ("latest", ["12:05:00"]),
        ("none", []),
    ],
)
async def test_what_a_stop_missed_is_made_up_for_as_the_rule_says(
    database, open_world, clock, catch_up, expected
):
    rule = beat(cron="1-5 * * * *", catch_up=catch_up)
    async with open_world(database, clock=clock) as world:
        await world.apply(rule)
    clock.at("12:30:00")
    async with open_world(database, clock=clock) as world:
        clock.at("12:30:01")
        await world.ring()
        fired = world.told("ensue.automation.fired")
        assert len(fired) == len(expected)
        assert all(one.data["late"] for one in fired)
        clock.at("13:01:01")
        await world.ring()
        assert len(world.told("beat")) == len(expected) + 1
        assert "late" not in world.told("ensue.automation.fired")[-1].data


async def test_where_is_asked_at_each_time(clocked, clock):
    await clocked.apply(beat(every="1m", where="now.getMinutes() % 2 == 0 && !vars.quiet"))
    await ring_at(clocked, clock, "12:01:01", "12:02:01", "12:03:01", "12:04:01")
    assert len(times(clocked)) == 4
    assert len(clocked.told("beat")) == 2


async def test_a_clock_that_is_paused_misses_its_times(clocked, clock):
    await clocked.apply(beat())
    await clocked.book.pause("beat")
    assert await clocked.rows("SELECT * FROM timer") == []
    await ring_at(clocked, clock, "12:05:30")
    await clocked.book.resume("beat")
    await ring_at(clocked, clock, "12:05:45", "12:06:01")
    assert times(clocked) == ["12:06:00"]


async def test_an_edit_of_the_actions_leaves_the_clock_alone(clocked, clock):
    await clocked.apply(beat(every="7m", start="2030-01-01T12:00:00Z"))
    before = await clocked.rows("SELECT due FROM timer")
    clock.at("12:03:00")
    changed = beat(every="420s", start="2030-01-01T13:00:00+01:00", catch_up="none")
    await clocked.apply(changed | {"description": "x"})
    assert await clocked.rows("SELECT due FROM timer") == before


async def test_a_time_that_has_passed_never_comes(clocked, clock):
    await clocked.apply(beat(at="2029-12-31T00:00:00Z"))
    assert await clocked.rows("SELECT * FROM timer") == []
    await clocked.apply(beat(at=to_rfc3339(START + SECOND)))
    await ring_at(clocked, clock, "12:00:32", "12:30:00")
    assert len(clocked.told("beat")) == 1
    assert await clocked.rows('SELECT * FROM "window"') == []


async def test_a_timer_that_nobody_may_set_off_from_outside(clocked, clock, event):
    """A forged event of the past or the future finds no window that waits for it."""
    await clocked.apply(beat())
    ((due,),) = await clocked.rows("SELECT due FROM timer")
    data = {"automation": "beat", "trigger": 0, "path": "", "key": "", "micros": due - 1}
    await clocked.send(event("ensue.timer.due", source="/automations/beat", data=data))
    await clocked.send(event("ensue.timer.due", data={"nothing": "right"}))
    assert not clocked.told("beat")


async def test_the_service_rings_by_itself_when_the_time_has_come(database, open_world):
    async with open_world(database) as world:
        rang = asyncio.Event()
        world.windows.on_timer = world.timers.expect
        world.journal.subscribe(lambda _: rang.set() if world.told("beat") else None)
        async with world.timers:
            await world.apply(beat(every="1s"))
            async with asyncio.timeout(10):
                await rang.wait()
        timer = world.told("ensue.timer.due")[0]
        assert 0 < timer.received - timer.time < 500_000
        assert timer.time <= now()


async def test_a_time_comes_once_though_the_clock_was_set_back_and_the_rule_begun_anew(
    clocked, clock
):
    await clocked.apply(beat())
    await ring_at(clocked, clock, "12:01:01", "12:02:01")
    clock.at("12:00:40")
    await clocked.apply(beat() | {"enabled": False})
    await clocked.apply(beat())
    await ring_at(clocked, clock, "12:01:05", "12:02:05", "12:03:01")
    assert times(clocked) == ["12:01:00", "12:02:00", "12:03:00"]
    assert len(clocked.told("beat")) == 3
