"""A wall clock that is set while the service runs, on real databases: nothing missed, nothing twice."""

from __future__ import annotations

from collections import Counter

import pytest

from automations import outbox
from base.clock import ClockWatch
from base.time import SECOND, parse_rfc3339, to_rfc3339
from events.change import Change, Lane
from triggers.timers import Timers

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = parse_rfc3339("2030-01-01T12:00:30Z")


class Clocks:
    """The wall clock as the service reads it, and the steady one."""

    def __init__(self):
        self.wall = START
        self.steady = 77 * SECOND

    def __call__(self):
        return self.wall

    def pass_(self, span):
        self.wall += span
        self.steady += span

    def leap(self, span):
        self.wall += span


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
async def world(database, open_world, clocks):
    async with open_world(database, clock=clocks) as world:
        world.timers = timers(world, clocks)
        yield world


def timers(world, clocks):
    watch = ClockWatch(wall=clocks, steady=lambda: clocks.steady)
    return Timers(world.database, world.journal, world.evaluator, clock=clocks, watch=watch)


def beat(name="beat", **trigger):
    return {"name": name, "trigger": trigger, "actions": [{"emit": name}]}


def silence(**more):
    trigger = {"absent": "heartbeat", "for": "5m", "per": "subject"} | more
    return {"name": "silence", "trigger": trigger, "actions": [{"emit": "silent"}]}


async def live(world, clocks, span, *, step=10 * SECOND, each=None):
    """Let so much time pass, and the timers ring as they come due."""
    end = clocks.steady + span
    while clocks.steady < end:
        clocks.pass_(min(step, end - clocks.steady))
        if each:
            await world.send(each())
        await world.ring()


def rang(world, name="beat"):
    """When the timers of a rule were due, as often as they rang."""
    due = [one for one in world.told("ensue.timer.due") if one.subject == name]
    return Counter(one.data["due"][5:19] for one in due)


def fired(world, name="beat"):
    return len(world.told(name))


@pytest.mark.parametrize(("span", "missed"), [(HOUR, 6), (DAY, 144)])
@pytest.mark.parametrize("catch_up", ["all", "latest"])
async def test_a_leap_ahead_is_a_stop_that_is_made_up_for(world, clocks, span, missed, catch_up):
    await world.apply(beat(every="10m", catch_up=catch_up))
    await live(world, clocks, 20 * MINUTE, step=MINUTE)
    assert fired(world) == 2
    clocks.leap(span)
    await live(world, clocks, 20 * MINUTE, step=MINUTE)
    assert fired(world) == 4 + (missed if catch_up == "all" else 1)
    assert set(rang(world).values()) == {1}


@pytest.mark.parametrize("span", [HOUR, DAY])
@pytest.mark.parametrize("kind", [{"every": "10m"}, {"cron": "*/10 * * * *"}])
async def test_a_clock_that_is_set_back_takes_no_time_twice_and_goes_on(world, clocks, span, kind):
    await world.apply(beat(**kind))
    await live(world, clocks, 2 * HOUR, step=MINUTE)
    assert fired(world) == 12
    clocks.leap(-span)
    await live(world, clocks, 30 * MINUTE, step=MINUTE)
    # An hour back are times that were taken; a day back are times before the rule, and new.
    expected = 12 if span == HOUR else 15
    assert fired(world) == expected
    await live(world, clocks, span, step=10 * MINUTE)
    assert set(rang(world).values()) == {1}


@pytest.mark.parametrize("span", [HOUR, DAY])
async def test_a_leap_that_is_taken_back_silences_no_schedule(world, clocks, span):
    """A clock that was wrong for a minute, as when a machine gets its time from a bad source."""
    await world.apply(beat(every="10m"))
    await live(world, clocks, 10 * MINUTE, step=MINUTE)
    clocks.leap(span)
    await live(world, clocks, MINUTE)
    before = fired(world)
    clocks.leap(-span)
    await live(world, clocks, 30 * MINUTE, step=MINUTE)
    assert fired(world) >= before + 2
    assert set(rang(world).values()) == {1}


async def test_a_moment_comes_once_whatever_the_clock_does(world, clocks):
    await world.apply(beat(at=to_rfc3339(START + 30 * MINUTE)))
    for leap in (HOUR, -HOUR, DAY, -DAY):
        clocks.leap(leap)
        await live(world, clocks, MINUTE)
    await live(world, clocks, HOUR, step=MINUTE)
    assert fired(world) == 1


async def test_who_speaks_is_not_missed_when_the_clock_leaps_ahead(world, clocks, event):
    await world.apply(silence())
    heartbeat = lambda: event("heartbeat", subject="a", at=clocks.wall)  # noqa: E731 - short and local
    await live(world, clocks, 10 * MINUTE, step=MINUTE, each=heartbeat)
    clocks.leap(HOUR)
    await world.ring()
    await live(world, clocks, 10 * MINUTE, step=20 * SECOND, each=heartbeat)
    assert fired(world, "silent") == 0
    await live(world, clocks, 6 * MINUTE)
    assert fired(world, "silent") == 1


@pytest.mark.parametrize("span", [HOUR, DAY])
async def test_a_silence_is_noticed_in_time_though_the_clock_is_set_back(
    world, clocks, event, span
):
    await world.apply(silence())
    await world.send(*[event("heartbeat", subject=name, at=clocks.wall) for name in "ab"])
    await live(world, clocks, 2 * MINUTE)
    clocks.leap(-span)
    await world.ring()  # which is within a second
    speaks = lambda: event("heartbeat", subject="b", at=clocks.wall)  # noqa: E731 - short and local
    await live(world, clocks, 6 * MINUTE, step=MINUTE, each=speaks)
    assert [one.data["key"] for one in world.told("ensue.automation.fired")] == ["a"]
    await live(world, clocks, 6 * MINUTE)
    assert [one.data["key"] for one in world.told("ensue.automation.fired")] == ["a", "b"]


async def test_an_answer_counts_though_the_clock_was_set_back_since_the_question(
    world, clocks, event
):
    await world.apply(silence(absent="paid", after="created"))
    await world.send(event("created", subject="a", at=clocks.wall))
    clocks.leap(-HOUR)
    await live(world, clocks, MINUTE)
    await world.send(event("paid", subject="a", at=clocks.wall))
    await live(world, clocks, 2 * HOUR, step=MINUTE)
    assert fired(world, "silent") == 0


async def test_events_that_come_after_the_clock_was_set_back_are_counted(world, clocks, event):
    await world.apply(beat(count="failed", at_least=3, within="10m"))
    await world.send(event("failed", at=clocks.wall))
    clocks.leap(-HOUR)
    for _ in range(3):
        clocks.pass_(MINUTE)
        await world.send(event("failed", at=clocks.wall))
    assert fired(world) == 1


async def test_a_clock_that_was_set_back_while_nobody_was_there_puts_nothing_off(
    database, open_world, clocks
):
    async with open_world(database, clock=clocks) as world:
        world.timers = timers(world, clocks)
        await world.apply(beat(every="10m"), silence(expected=["a"]))
        await live(world, clocks, 20 * MINUTE, step=2 * MINUTE)
    clocks.leap(-DAY)
    async with open_world(database, clock=clocks) as world:
        world.timers = timers(world, clocks)
        await live(world, clocks, 20 * MINUTE, step=2 * MINUTE)
        assert fired(world) == 2


async def test_a_rule_made_after_the_clock_was_set_back_has_its_timers(world, clocks):
    clocks.leap(-HOUR)
    await world.apply(beat(every="1m"))
    await live(world, clocks, 5 * MINUTE)
    assert fired(world) == 5


@pytest.mark.parametrize(
    "gather", [{"debounce": {"quiet": "30s"}}, {"batch": {"size": 9, "within": "30s"}}]
)
async def test_what_was_gathered_is_let_go_though_the_clock_was_set_back(
    world, clocks, event, gather
):
    await world.apply(beat(event="failed") | gather)
    await world.send(event("failed", at=clocks.wall))
    clocks.leap(-HOUR)
    await live(world, clocks, MINUTE)
    assert fired(world) == 1


async def test_an_action_that_waits_is_brought_back_with_the_clock(world, clocks, event):
    target = {"call": "https://example.com/", "timeout": "10s"}
    await world.apply({"name": "tell", "trigger": {"event": "a"}, "actions": [target]})
    await world.send(event("a", at=clocks.wall))

    async def put_off(tx):
        await tx.execute("UPDATE action SET due = $1", clocks.wall + MINUTE)
        return ()

    async def put_right(tx):
        await outbox.put_right(tx)
        return ()

    await world.journal.submit(Change(operation=put_off, lane=Lane.SERVICE))
    clocks.leap(-HOUR)
    for _ in range(2):
        await world.journal.submit(Change(operation=put_right, lane=Lane.SERVICE))
    assert await world.rows("SELECT at, due FROM action") == [(clocks.wall, clocks.wall + MINUTE)]


async def test_a_throttle_opens_though_the_clock_was_set_back(world, clocks, event):
    await world.apply(beat(event="failed") | {"throttle": {"at_most": 1, "every": "10m"}})
    await world.send(event("failed", at=clocks.wall))
    clocks.leap(-HOUR)
    await world.send(event("failed", at=clocks.wall))
    await world.send(event("failed", at=clocks.wall))
    assert fired(world) == 2


async def test_a_time_that_was_taken_hides_none_that_was_missed_after_it(world, clocks):
    await world.apply(beat(every="10m"))
    clocks.leap(15 * MINUTE)
    await live(world, clocks, 3 * SECOND, step=SECOND)
    assert fired(world) == 1
    clocks.leap(-15 * MINUTE)
    await live(world, clocks, 3 * SECOND, step=SECOND)
    clocks.leap(DAY)
    await live(world, clocks, 3 * SECOND, step=SECOND)
    assert fired(world) == 2, "the latest of those that the second leap missed"
    assert set(rang(world).values()) == {1}
