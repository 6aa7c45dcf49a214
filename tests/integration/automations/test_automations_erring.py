"""A rule that errs on every event says so; one that errs on some goes on with the others."""

from __future__ import annotations

import pytest

from automations import queries

ERRS = {"event": "order.created", "where": "event.data.total > 5"}


def rule(trigger=None, **fields):
    made = {"name": "r", "trigger": trigger or ERRS, "actions": [{"emit": "act"}]}
    return {**made, **fields}


async def standing(world):
    """Errors, and how many of them in a row."""
    async with world.database.reader() as session:
        found = await queries.automation(session, "r")
    return found.errors, found.errors_in_a_row


@pytest.fixture
def good(event):
    return lambda total=9: event(data={"total": total})


@pytest.fixture
def bad(event):
    return lambda: event(data={})


async def test_errors_in_a_row_are_counted_until_there_is_an_answer(world, good, bad):
    await world.apply(rule())
    for _ in range(3):
        await world.send(bad())
    assert await standing(world) == (3, 3)
    await world.send(good())
    assert await standing(world) == (3, 0)
    assert len(world.told("act")) == 1
    await world.send(bad())
    assert await standing(world) == (4, 1)


async def test_no_is_an_answer_too(world, good, bad):
    await world.apply(rule())
    await world.send(bad())
    await world.send(good(total=1))
    assert await standing(world) == (1, 0)


async def test_in_one_batch_what_counts_is_what_came_last(world, good, bad):
    await world.apply(rule())
    await world.send(bad(), good(), bad(), bad())
    assert await standing(world) == (3, 2)
    await world.send(bad(), good(), good())
    assert await standing(world) == (4, 0)
    await world.send(bad())
    await world.send(good(total=1), bad(), good(total=1))
    assert await standing(world) == (6, 0)


async def test_a_value_that_is_missing_is_an_error_of_an_aggregate(world, good, bad):
    aggregate = {
        "aggregate": "order.created",
        "value": "event.data.total",
        "function": "sum",
        "over": "1h",
        "above": 1_000,
    }
    await world.apply(rule(aggregate))
    await world.send(bad())
    await world.send(bad(), bad())
    assert await standing(world) == (3, 3)
    await world.send(good())
    assert await standing(world) == (3, 0)


async def test_an_event_that_comes_too_late_is_no_error_in_a_row(world, event):
    at = 1_000_000_000_000_000
    await world.apply(rule({"count": "order.created", "at_least": 3, "within": "1h"}))
    await world.send(event(time=at + 600_000_000))
    await world.send(event(time=at))
    assert await standing(world) == (1, 0)


async def test_a_restart_and_another_answer_end_the_row(database, open_world, good, bad):
    async with open_world(database) as world:
        await world.apply(rule())
        await world.send(bad(), bad())
    async with open_world(database) as world:
        assert await standing(world) == (2, 2)
        await world.send(good())
        assert await standing(world) == (2, 0)


async def test_another_definition_begins_afresh(world, bad):
    await world.apply(rule())
    await world.send(bad())
    await world.apply(rule({**ERRS, "where": "event.data.totals > 5"}))
    assert await standing(world) == (1, 0)
    await world.send(bad())
    assert await standing(world) == (2, 1)


async def test_an_action_that_cannot_be_made_ready_is_an_error_too(
    database, open_world, event, good, bad
):
    acting = rule(
        {"event": "order.created"}, actions=[{"emit": "act", "data": "${event.data.total}"}]
    )
    async with open_world(database) as world:
        await world.apply(acting)
        await world.send(good())
        await world.send(bad(), bad())
        assert await standing(world) == (2, 2)
    async with open_world(database) as world:
        await world.send(bad())
        assert await standing(world) == (3, 3)
        async with database.reader() as session:
            error = (await queries.automation(session, "r")).last_error
        assert (error["code"], error["message"].partition(":")[0]) == ("field_missing", "emit")
        await world.send(bad(), good())
        assert await standing(world) == (4, 0)


async def test_a_run_that_is_refused_is_an_error_of_its_rule(world, good):
    await world.apply(rule(actions=[{"run": "missing"}, {"emit": "act"}]))
    for _ in range(3):
        await world.send(good())
    assert await standing(world) == (3, 3)
    assert len(world.told("act")) == 3
    assert await world.rows("SELECT firings FROM automation") == [(3,)]


async def test_a_firing_that_only_waits_or_is_held_back_is_no_answer_of_its_actions(world, good):
    await world.apply(rule(actions=[{"run": "missing"}], throttle={"every": "1h"}))
    await world.send(good())
    await world.send(good())
    assert await standing(world) == (1, 1)


async def test_a_rule_that_does_not_err_writes_nothing_about_it(world, good):
    await world.apply(rule())
    await world.send(good(total=1))
    assert world.evaluator.match(good(total=1)).hits == []
