"""Absences, on real databases: what nobody says is noticed, and what is said again clears it."""

from __future__ import annotations

import pytest

from base.time import SECOND, parse_rfc3339

MINUTE = 60 * SECOND
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
async def watched(database, open_world, clock):
    async with open_world(database, clock=clock) as world:
        yield world


@pytest.fixture
def beat(event, clock):
    def make(subject="a", type_="heartbeat", **attributes):
        return event(type_, subject=subject, at=clock.now, **attributes)

    return make


def silence(name="silence", on_resolve=True, **trigger):
    """A rule that tells of silence, and of its end."""
    rule = {
        "name": name,
        "trigger": {"absent": "heartbeat", "for": "5m", "per": "subject"} | trigger,
        "actions": [{"emit": "silent", "subject": "${firing.key}", "data": {"event": "${event}"}}],
    }
    if on_resolve:
        rule["on_resolve"] = [{"emit": "back", "subject": "${firing.key}"}]
    return rule


async def at(world, clock, minutes):
    clock.now = START + round(minutes * MINUTE)
    await world.ring()


def told(world, type_="silent"):
    return [one.subject for one in world.told(type_)]


async def test_a_silence_is_told_once_and_its_end_too(watched, clock, beat):
    await watched.apply(silence())
    await watched.send(beat())
    await at(watched, clock, 4.9)
    assert not told(watched)
    await at(watched, clock, 5.1)
    await at(watched, clock, 60)
    assert told(watched) == ["a"]
    last = beat()
    await watched.send(last)
    assert told(watched, "back") == ["a"]
    (fired,), (resolved,) = (
        watched.told(f"ensue.automation.{word}") for word in ("fired", "resolved")
    )
    assert resolved.data["firing"] == fired.data["firing"]
    assert resolved.causationid == last.id
    await at(watched, clock, 65.1)
    assert told(watched) == ["a", "a"]


async def test_a_match_at_the_very_instant_prevents_it(watched, clock, beat):
    await watched.apply(silence())
    await watched.send(beat())
    clock.now += 5 * MINUTE
    await watched.ring()
    await watched.send(beat())
    clock.now += 1
    await watched.ring()
    assert not told(watched)


async def test_keys_that_are_expected_need_not_have_spoken(watched, clock, beat):
    await watched.apply(silence(expected=["a", "b"]))
    await at(watched, clock, 1)
    await watched.send(beat("a"))
    await at(watched, clock, 5.1)
    assert told(watched) == ["b"]
    assert watched.told("silent")[0].data == {"event": None}
    await at(watched, clock, 6.1)
    assert told(watched) == ["b", "a"]


async def test_without_per_it_is_armed_when_enabled(watched, clock, beat):
    rule = silence()
    del rule["trigger"]["per"]
    await watched.apply(rule | {"enabled": False})
    await at(watched, clock, 10)
    await watched.apply(rule)
    await at(watched, clock, 14.9)
    assert not told(watched)
    await at(watched, clock, 15.1)
    assert len(told(watched)) == 1


async def test_with_after_only_that_arms_it(watched, clock, beat):
    await watched.apply(silence(absent="paid", after="created"))
    await watched.send(beat("a", "created"), beat("b", "paid"))
    await at(watched, clock, 1)
    await watched.send(beat("b", "created"), beat("a", "paid"))
    await at(watched, clock, 20)
    assert told(watched) == ["b"]


async def test_what_passed_while_nobody_was_there_is_told_late_after_a_grace(
    database, open_world, clock, beat
):
    async with open_world(database, clock=clock) as world:
        await world.apply(silence())
        await world.send(beat("a"), beat("b"))
    clock.now += 60 * MINUTE
    async with open_world(database, clock=clock) as world:
        clock.now += 59 * SECOND
        await world.ring()
        await world.send(beat("b"))
        assert not told(world)
        clock.now += 2 * SECOND
        await world.ring()
        assert told(world) == ["a"], "b came back within the grace"
        (fired,) = world.told("ensue.automation.fired")
        assert fired.data["late"] is True


async def test_a_match_that_is_older_than_the_silence_does_not_clear_it(watched, clock, beat):
    await watched.apply(silence(allowed_lateness="1h"))
    await watched.send(beat())
    await at(watched, clock, 10)
    await watched.send(beat(time=START + MINUTE))
    assert (told(watched), told(watched, "back")) == (["a"], [])


async def test_a_rule_that_was_paused_waits_anew(watched, clock, beat):
    await watched.apply(silence())
    await watched.send(beat())
    await watched.book.pause("silence")
    await at(watched, clock, 30)
    assert await watched.rows("SELECT * FROM timer") == []
    await watched.book.resume("silence")
    await at(watched, clock, 34.9)
    assert not told(watched)
    await at(watched, clock, 35.1)
    assert told(watched) == ["a"]


async def test_the_end_of_a_silence_acts_only_if_the_silence_did(watched, clock, beat):
    await watched.apply(silence() | {"shadow": True})
    await watched.send(beat())
    await at(watched, clock, 6)
    await watched.apply(silence())
    await watched.send(beat())
    outcomes = await watched.rows("SELECT outcome, actions FROM firing ORDER BY at")
    assert outcomes == [("shadow", 0), ("resolved", 0)]
    assert not told(watched, "back")


async def test_a_silence_outlasts_a_restart_and_can_still_be_cleared(
    database, open_world, clock, beat
):
    async with open_world(database, clock=clock) as world:
        await world.apply(silence())
        await world.send(beat())
        await at(world, clock, 6)
    async with open_world(database, clock=clock) as world:
        await world.send(beat())
        assert told(world, "back") == ["a"]


async def test_members_may_be_silences(watched, clock, beat):
    """Both hosts are silent at once: a condition counts for as long as it holds."""
    both = {
        "name": "both",
        "trigger": {
            "all": [
                {"absent": "heartbeat", "for": "5m", "match": {"data": {"host": ["a"]}}},
                {"absent": "heartbeat", "for": "5m", "match": {"data": {"host": ["b"]}}},
            ],
            "within": "1h",
        },
        "actions": [{"emit": "dark"}],
    }
    await watched.apply(both)
    await at(watched, clock, 4)
    await watched.send(beat(data={"host": "a"}))
    await at(watched, clock, 6)
    await watched.send(beat(data={"host": "b"}))
    await at(watched, clock, 10)
    assert not watched.told("dark")
    await at(watched, clock, 12)
    assert len(watched.told("dark")) == 1


async def test_a_figure_crosses_its_bound_and_comes_back(watched, clock, beat):
    rule = {
        "name": "slow",
        "trigger": {
            "aggregate": "request",
            "value": "event.data.ms",
            "function": "avg",
            "over": "10m",
            "above": 100,
        },
        "actions": [{"emit": "slow", "data": {"n": "${firing.count}"}}],
        "on_resolve": [{"emit": "fast"}],
    }
    await watched.apply(rule)
    await watched.send(beat(type_="request", data={"ms": 90}))
    await at(watched, clock, 1)
    await watched.send(beat(type_="request", data={"ms": 130}), beat(type_="request", data={}))
    assert [one.data["n"] for one in watched.told("slow")] == [2]
    assert watched.told("ensue.automation.error")[0].data["code"] == "value_missing"
    await at(watched, clock, 11.1)
    assert len(watched.told("fast")) == 1, "values that leave are judged by the timer"
