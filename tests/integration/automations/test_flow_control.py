"""Throttle, debounce and batch, on real databases: what is held back is recorded, or gathered."""

from __future__ import annotations

import pytest

from base.time import SECOND, parse_rfc3339

START = parse_rfc3339("2030-01-01T12:00:00Z")


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def world(database, open_world, clock):
    async with open_world(database, clock=clock) as world:
        yield world


@pytest.fixture
def upload(event, clock):
    def make(subject="a", **attributes):
        return event("uploaded", subject=subject, at=clock.now, **attributes)

    return make


def rule(**fields):
    return {
        "name": "r",
        "trigger": {"event": "uploaded"},
        "actions": [
            {
                "emit": "act",
                "subject": "${firing.key == null ? 'all' : firing.key}",
                "data": {"n": "${firing.count}", "of": "${events.map(e, e.subject)}"},
            }
        ],
    } | fields


def acts(world):
    return [(one.subject, one.data["n"]) for one in world.told("act")]


async def outcomes(world):
    return await world.rows("SELECT outcome, reason FROM firing ORDER BY at, id")


async def at(world, clock, seconds):
    clock.now = START + round(seconds * SECOND)
    await world.ring()


async def test_a_throttle_suppresses_what_is_more_and_says_so(world, clock, upload):
    await world.apply(rule(throttle={"at_most": 1, "every": "30m"}))
    await world.send(upload("a"))
    await world.send(upload("b"))
    assert acts(world) == [("all", 1)]
    assert sorted(await outcomes(world)) == [("acted", None), ("suppressed", "throttle")]
    (told,) = world.told("ensue.automation.suppressed")
    assert told.data["reason"] == "throttle"
    await at(world, clock, 30 * 60 - 0.000001)
    await world.send(upload("c"))
    await at(world, clock, 30 * 60)
    await world.send(upload("d"))
    assert len(acts(world)) == 2, "it opens again at exactly thirty minutes"


async def test_what_is_held_back_on_the_news_of_that_is_no_news(world, event):
    watching = {"event": "ensue.automation.*"}
    throttle = {"at_most": 1, "every": "1h"}
    watchers = [
        {"name": name, "trigger": watching, "throttle": throttle, "actions": [{"emit": name}]}
        for name in ("one", "other")
    ]
    await world.apply(*watchers)
    await world.apply(
        *watchers, {"name": "r", "trigger": {"event": "order.created"}, "actions": [{"emit": "y"}]}
    )
    await world.send(event())
    told = world.told("ensue.automation.suppressed")
    heard = await world.rows("SELECT count(*) FROM firing WHERE outcome = 'suppressed'")
    # Each is told of once by who it was, and all of them are heard by both.
    assert 2 <= len(told) <= 8
    assert heard == [(len(told) + 2 * len(told),)]


async def test_a_throttle_slides_and_counts_only_what_passed(world, clock, upload):
    await world.apply(rule(throttle={"at_most": 2, "every": "60s"}))
    for second in (0, 30, 40, 59, 60, 89, 90):
        await at(world, clock, second)
        await world.send(upload())
    passed = [(one.time - START) // SECOND for one in world.told("act")]
    assert passed == [0, 30, 60, 90]


async def test_a_throttle_may_stand_for_each_key(world, upload):
    await world.apply(rule(throttle={"every": "1h", "per": "subject"}))
    await world.send(upload("a"), upload("b"), upload("a"))
    assert len(acts(world)) == 2


async def test_a_throttle_outlasts_a_restart(database, open_world, clock, upload):
    for expected in (1, 0):
        async with open_world(database, clock=clock) as world:
            await world.apply(rule(throttle={"every": "1h"}))
            await world.send(upload())
            assert len(acts(world)) == expected


async def test_a_debounce_waits_for_quiet_and_passes_all_events(world, clock, upload):
    await world.apply(rule(debounce={"quiet": "30s", "per": "subject"}))
    for second in (0, 10, 35):
        await at(world, clock, second)
        await world.send(upload("a"))
    await world.send(upload("b"))
    assert await outcomes(world) == []
    await at(world, clock, 65)
    assert not acts(world), "at one instant events come before timers"
    await at(world, clock, 65.1)
    assert sorted(acts(world)) == [("a", 3), ("b", 1)]
    (first,) = [one for one in world.told("ensue.automation.fired") if one.data["key"] == "a"]
    assert len(first.data["events"]) == 3
    await at(world, clock, 3_600)
    assert len(acts(world)) == 2


async def test_a_debounce_waits_no_longer_than_it_may(world, clock, upload):
    await world.apply(rule(debounce={"quiet": "30s", "max_wait": "60s"}))
    for second in range(0, 81, 20):
        await at(world, clock, second)
        await world.send(upload())
    assert acts(world) == [("all", 4)]
    await at(world, clock, 111)
    assert acts(world) == [("all", 4), ("all", 1)]


async def test_a_batch_fires_when_it_is_full_or_when_its_time_is_over(world, clock, upload):
    await world.apply(rule(batch={"size": 3, "within": "60s"}))
    await world.send(*[upload(name) for name in "abcde"])
    assert acts(world) == [("all", 3)]
    assert world.told("act")[0].data["of"] == ["a", "b", "c"]
    await at(world, clock, 61)
    assert acts(world) == [("all", 3), ("all", 2)]


async def test_what_was_gathered_outlasts_a_restart(database, open_world, clock, upload):
    async with open_world(database, clock=clock) as world:
        await world.apply(rule(batch={"size": 3, "within": "60s"}))
        await world.send(upload("a"), upload("b"))
    async with open_world(database, clock=clock) as world:
        await world.send(upload("c"))
        assert world.told("act")[0].data == {"n": 3, "of": ["a", "b", "c"]}


async def test_what_was_gathered_acts_though_the_rule_gathers_no_more(world, clock, upload):
    await world.apply(rule(debounce={"quiet": "30s"}))
    await world.send(upload())
    await world.apply(rule())
    await at(world, clock, 31)
    assert acts(world) == [("all", 1)]


async def test_gathered_firings_pass_the_throttle_as_one(world, clock, upload):
    await world.apply(rule(batch={"size": 2, "within": "1m"}, throttle={"every": "1h"}))
    await world.send(*[upload() for _ in range(4)])
    assert acts(world) == [("all", 2)]
    assert sorted(await outcomes(world)) == [("acted", None), ("suppressed", "throttle")]


async def test_what_is_fired_by_hand_is_not_held_back(world, upload):
    await world.apply(rule(throttle={"every": "1h"}, debounce={"quiet": "1h"}))
    await world.occasions.fire("r")
    await world.occasions.fire("r")
    assert len(acts(world)) == 2


async def test_the_end_of_a_silence_that_was_held_back_does_nothing(world, clock, event):
    silence = rule(
        trigger={"absent": "ping", "for": "1m", "per": "subject"},
        throttle={"every": "1h"},
        on_resolve=[{"emit": "back", "subject": "${firing.key}"}],
    )
    await world.apply(silence)
    await world.send(*[event("ping", subject=name, at=clock.now) for name in "ab"])
    await at(world, clock, 61)
    await world.send(*[event("ping", subject=name, at=clock.now) for name in "ab"])
    assert [one.subject for one in world.told("back")] == ["a"]


CONDITION = {
    "trigger": {"absent": "uploaded", "for": "10s", "per": "subject"},
    "on_resolve": [{"emit": "over", "subject": "${firing.key}"}],
}


def over(world):
    return [one.subject for one in world.told("over")]


async def test_what_was_gathered_of_a_condition_is_over_when_that_clears(world, clock, upload):
    await world.apply(rule(**CONDITION, batch={"size": 2, "within": "1h"}))
    await world.send(upload("a"), upload("b"), upload("c"))
    await at(world, clock, 11)
    assert acts(world) == [("all", 2)], "two silences are told as one, and a third waits"
    await world.send(upload("a"))
    assert over(world) == ["a"]
    rows = await world.rows("SELECT id, outcome, reason, actions FROM firing ORDER BY position, id")
    (told,) = [id_ for id_, outcome, _, _ in rows if outcome == "acted"]
    assert [reason == told for _, outcome, reason, _ in rows if outcome == "gathered"].count(
        True
    ) == 2
    assert [actions for _, outcome, _, actions in rows if outcome == "resolved"] == [1]


async def test_what_clears_while_it_waits_is_over_once_it_was_told(world, clock, upload):
    await world.apply(rule(**CONDITION, debounce={"quiet": "30s"}))
    await world.send(upload("a"))
    await at(world, clock, 11)
    await world.send(upload("a"))
    await at(world, clock, 22)
    assert (acts(world), over(world)) == ([], []), "it is silent again, and that is waited for too"
    await at(world, clock, 53)
    assert (acts(world), over(world)) == ([("all", 2)], ["a"]), "two silences, and the end of one"
    rows = await world.rows("SELECT outcome, actions FROM firing ORDER BY position, id")
    assert ("resolved", 1) in rows


async def test_what_was_gathered_and_suppressed_is_not_over(world, clock, upload):
    flow = {"batch": {"size": 1, "within": "1h"}, "throttle": {"at_most": 1, "every": "1h"}}
    await world.apply(rule(**CONDITION, **flow))
    await world.send(upload("a"))
    await world.send(upload("b"))
    await at(world, clock, 11)
    await world.send(upload("a"), upload("b"))
    assert (len(acts(world)), len(over(world))) == (1, 1)
