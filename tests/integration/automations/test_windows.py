"""Triggers that remember, on real databases: windows are rows, and last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from automations.proposal import Proposal
from automations.rule import Rule
from base.time import SECOND, now
from events.change import Change
from events.retention import Retention
from triggers.reading import Limits
from triggers.retention import sweeps

MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE


def rule(name="three", **trigger):
    trigger = {"count": "job.failed", "at_least": 3, "within": "10m", "per": "subject"} | trigger
    return {
        "name": name,
        "trigger": trigger,
        "actions": [
            {"emit": "alarm", "subject": "${firing.key}", "data": {"n": "${firing.count}"}}
        ],
    }


@pytest.fixture
def failed(event):
    start = now() - 60 * MINUTE

    def make(subject="a", minute=0, **attributes):
        time = start + minute * MINUTE
        return event("job.failed", subject=subject, **{"time": time, **attributes})

    return make


def alarms(world):
    return [(alarm.subject, alarm.data["n"]) for alarm in world.told("alarm")]


async def test_a_count_fires_when_it_is_full_and_starts_afresh(world, failed):
    await world.apply(rule())
    for n in range(7):
        await world.send(failed(minute=n))
    assert alarms(world) == [("a", 3), ("a", 3)]


async def test_each_key_has_its_own_window(world, failed):
    await world.apply(rule())
    await world.send(*[failed(subject) for subject in "abcabab"])
    assert alarms(world) == [("a", 3), ("b", 3)]
    assert await world.rows('SELECT key FROM "window" WHERE key = \'"c"\'') == [('"c"',)]


async def test_one_batch_and_many_come_to_the_same(world, failed):
    await world.apply(rule(), rule("two", at_least=2))
    events = [failed(subject, n) for n, subject in enumerate("abacbbca")]
    await world.send(*events[:5])
    for one in events[5:]:
        await world.send(one)
    fired = [(one.source, one.subject) for one in world.told("alarm")]
    assert sorted(fired) == [
        ("/automations/three", "a"),
        ("/automations/three", "b"),
        ("/automations/two", "a"),
        ("/automations/two", "b"),
        ("/automations/two", "c"),
    ]


async def test_a_firing_passes_on_all_that_took_part_in_the_order_of_their_time(world, failed):
    await world.apply(rule())
    third, first, second = failed(minute=2), failed(minute=0), failed(minute=1)
    # No lateness here: the newest comes last.
    await world.send(first)
    await world.send(second)
    await world.send(third)
    (told,) = world.told("ensue.automation.fired")
    assert told.data["events"] == [first.id, second.id, third.id]
    assert told.data["key"] == "a"
    assert told.causationid == third.id


async def test_what_is_outside_the_span_does_not_count(world, failed):
    await world.apply(rule())
    await world.send(failed(minute=0), failed(minute=5), failed(minute=10, id="edge"))
    assert alarms(world) == [("a", 3)], "a span of exactly ten minutes is within ten minutes"
    await world.send(failed("b", 0), failed("b", 5), failed("b", 11))
    assert alarms(world) == [("a", 3)]


async def test_windows_outlast_a_restart(database, open_world, failed):
    async with open_world(database) as world:
        await world.apply(rule())
        await world.send(failed(minute=0), failed(minute=1))
    async with open_world(database) as world:
        await world.send(failed(minute=2))
        assert alarms(world) == [("a", 3)]


async def test_an_edit_that_leaves_the_trigger_as_it_was_keeps_the_windows(world, failed):
    await world.apply(rule())
    await world.send(failed(minute=0), failed(minute=1))
    changed = rule() | {"description": "another", "breaker": 7}
    changed["trigger"] = dict(reversed(changed["trigger"].items())) | {"within": 600}
    await world.apply(changed)
    await world.send(failed(minute=2))
    assert alarms(world) == [("a", 3)]


@pytest.mark.parametrize("edit", [{"within": "11m"}, {"at_least": 4}, {"count": "job.*"}])
async def test_a_trigger_that_means_something_else_starts_anew(world, failed, edit):
    await world.apply(rule())
    await world.send(failed(minute=0), failed(minute=1))
    await world.apply(rule(**edit))
    assert await world.rows("SELECT * FROM member") == []
    await world.send(failed(minute=2))
    assert alarms(world) == []
    (told,) = world.told("ensue.automation.updated")
    assert told.data["trigger_changed"] is True


async def test_a_rule_that_is_gone_leaves_nothing_behind(world, failed):
    await world.apply(rule(), rule("other"))
    await world.send(failed())
    await world.apply(rule("other"))
    assert await world.rows('SELECT automation FROM "window"') == [("other",)]
    await world.book.remove("other")
    assert await world.rows('SELECT automation FROM "window"') == []
    assert await world.rows("SELECT automation FROM member") == []


async def test_a_match_without_a_key_is_not_counted_and_that_is_told(world, failed):
    await world.apply(rule(per="data.host"))
    await world.send(failed(data={"host": None}), failed(data={"host": ["x"]}))
    assert await world.rows('SELECT * FROM "window"') == []
    (told,) = world.told("ensue.automation.error")
    assert told.data["code"] == "key_missing"
    assert await world.rows("SELECT errors FROM automation") == [(2,)]


async def test_a_match_that_comes_too_late_is_not_counted_and_that_is_told(world, failed):
    await world.apply(rule())
    await world.send(failed(minute=5), failed(minute=3))
    (told,) = world.told("ensue.automation.error")
    assert told.data["code"] == "too_late"
    assert len(await world.rows("SELECT * FROM member")) == 1


async def test_a_whole_number_is_one_key_however_it_is_written(world, failed):
    await world.apply(rule(per="data.n", at_least=2))
    await world.send(failed(data={"n": 1}), failed(data={"n": "1"}), failed(data={"n": 1.0}))
    assert len(world.told("alarm")) == 1


async def test_a_duplicate_is_counted_once(world, failed):
    await world.apply(rule(at_least=2))
    one = failed()
    await world.send(one, one)
    await world.send(one)
    assert alarms(world) == []


async def test_what_a_transaction_that_fails_changed_is_not_remembered(world, failed):
    await world.apply(rule())
    await world.send(failed())

    async def refuse(tx):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await world.journal.submit(Change([failed()], operation=refuse))
    await world.send(failed())
    assert alarms(world) == []
    await world.send(failed())
    assert alarms(world) == [("a", 3)]


async def test_a_chain_of_counts_is_evaluated_in_one_commit(world, failed):
    second = {
        "name": "second",
        "trigger": {"count": "alarm", "at_least": 2, "within": "1h"},
        "actions": [{"emit": "emergency", "data": {"key": "${firing.key}"}}],
    }
    await world.apply(rule(at_least=1), second)
    await world.send(failed("a"), failed("b"))
    (told,) = world.told("emergency")
    assert told.data == {"key": None}
    assert told.depth == 2


async def test_more_keys_than_are_held_in_memory_are_counted_all_the_same(
    database, open_world, failed
):
    async with open_world(database) as world:
        world.windows._most = 4
        await world.apply(rule())
        keys = [f"k{n}" for n in range(20)]
        for minute in range(3):
            await world.send(*[failed(key, minute) for key in keys])
        assert sorted(alarms(world)) == sorted((key, 3) for key in keys)
        assert len(world.windows._cached) <= 4


def forgetting(world):
    month = timedelta(days=30)
    return sweeps(world.windows, world.evaluator.node, events=month, firings=month)


async def test_windows_that_nobody_spoke_of_for_long_are_forgotten(database, open_world, event):
    clock = [now() - 40 * DAY]

    def failed(subject):
        return event("job.failed", subject=subject, at=clock[0])

    async with open_world(database, clock=lambda: clock[0]) as world:
        waiting = {"absent": "job.failed", "for": "60d", "per": "subject"}
        limits = Limits(retention=90 * DAY)
        silence = rule("silence") | {"trigger": waiting}
        rules = [(Rule.parse(one, limits=limits), None) for one in (rule(), silence)]
        await world.book.apply(Proposal("test", rules))
        await world.send(failed("old"))
        clock[0] += 35 * DAY
        await world.send(failed("new"))
        sweep, _ = forgetting(world)
        assert await Retention(world.journal, [sweep]).sweep(sweep) == 1
        kept = await world.rows('SELECT automation, key FROM "window" ORDER BY automation, key')
        assert kept == [("silence", '"new"'), ("silence", '"old"'), ("three", '"new"')]
        assert await world.rows("SELECT key FROM member") == [('"new"',)]


async def test_a_window_that_only_took_in_matches_was_spoken_of(database, open_world, event):
    clock = [now() - 40 * DAY]
    async with open_world(database, clock=lambda: clock[0]) as world:
        long = Limits(retention=90 * DAY)
        one = rule(at_least=9) | {"name": "long"}
        await world.book.apply(Proposal("test", [(Rule.parse(one, limits=long), None)]))
        sweep, _ = forgetting(world)
        for _ in range(3):
            await world.send(event("job.failed", subject="a", at=clock[0]))
            clock[0] += 20 * DAY
        assert await Retention(world.journal, [sweep]).sweep(sweep) == 0
        clock[0] += 20 * DAY
        assert await Retention(world.journal, [sweep]).sweep(sweep) == 1
        assert await world.rows("SELECT * FROM member") == []


async def test_the_newest_match_is_known_after_a_restart_though_the_window_was_not_written(
    database, open_world, failed
):
    async with open_world(database) as world:
        await world.apply(rule(at_least=9))
        await world.send(failed(minute=0))
        before = await world.rows('SELECT newest, updated FROM "window"')
        await world.send(failed(minute=5))
        assert await world.rows('SELECT newest, updated FROM "window"') == before
    async with open_world(database) as world:
        await world.send(failed(minute=3))
        (told,) = world.told("ensue.automation.error")
        assert told.data["code"] == "too_late"


async def test_what_leaves_a_window_is_no_row_any_more(world, failed):
    await world.apply(rule(at_least=4), rule("two", at_least=2))
    await world.send(failed(minute=0), failed("b", 0))
    await world.send(failed(minute=20), failed("b", 20), failed("b", 21))
    members = "SELECT automation, key, time FROM member ORDER BY automation, key, time"
    start = failed().time
    assert [(a, k, (t - start) // MINUTE) for a, k, t in await world.rows(members)] == [
        ("three", '"a"', 20),
        ("three", '"b"', 20),
        ("three", '"b"', 21),
        ("two", '"a"', 20),
    ]


ORDER = {
    "name": "unpaid",
    "trigger": {"absent": "paid", "for": "1h", "per": "subject", "after": "ordered"},
    "actions": [{"emit": "alarm", "subject": "${firing.key}"}],
    "on_resolve": [{"emit": "over"}],
}
LOAD = {
    "name": "load",
    "trigger": {
        "aggregate": "load",
        "value": "event.data",
        "function": "max",
        "over": "1h",
        "above": 5,
        "per": "subject",
    },
    "actions": [{"emit": "alarm"}],
}
BEAT = {
    "name": "beat",
    "trigger": {"absent": "beat", "for": "1h", "per": "subject", "expected": ["named"]},
    "actions": [{"emit": "alarm"}],
    "on_resolve": [{"emit": "over", "subject": "${firing.key}"}],
}
BOTH = {
    "name": "both",
    "trigger": {
        "all": [{"absent": "beat", "for": "1h"}, "paid"],
        "within": "1h",
        "per": "subject",
    },
    "actions": [{"emit": "both"}],
}


async def test_keys_that_come_and_go_do_not_gather_for_ever(database, open_world, event):
    clock = [now() - 90 * DAY]

    async def say(world, type_, subject, **attributes):
        await world.send(event(type_, subject=subject, at=clock[0], **attributes))

    async with open_world(database, clock=lambda: clock[0]) as world:
        await world.apply(ORDER, LOAD, BEAT)
        for subject in ("a", "b"):
            await say(world, "ordered", subject)
            await say(world, "paid", subject)
            await say(world, "load", subject, data=9)
            await say(world, "beat", subject)
        await say(world, "beat", "named")
        clock[0] += DAY // 12
        await world.ring()
        clock[0] += 35 * DAY
        await say(world, "ordered", "c")
        idle, silent = forgetting(world)
        await Retention(world.journal, [idle]).sweep(idle)
        await Retention(world.journal, [silent]).sweep(silent)
        left = await world.rows('SELECT automation, key FROM "window" ORDER BY automation, key')
        assert left == [("beat", '"named"'), ("unpaid", '"c"')]
        assert [row[0] for row in await world.rows("SELECT DISTINCT key FROM member")] == []
        await say(world, "beat", "a")
        await say(world, "beat", "named")
        assert [one.subject for one in world.told("over")] == ["named"]


async def test_a_silence_that_another_trigger_counts_stays(database, open_world, event):
    clock = [now() - 90 * DAY]
    async with open_world(database, clock=lambda: clock[0]) as world:
        await world.apply(BOTH)
        await world.send(event("beat", subject="a", at=clock[0]))
        clock[0] += DAY // 12
        await world.ring()
        clock[0] += 35 * DAY
        for sweep in forgetting(world):
            assert await Retention(world.journal, [sweep]).sweep(sweep) == 0
        await world.send(event("paid", subject="a", at=clock[0]))
        assert len(world.told("both")) == 1, "it is silent still"
