"""Servers that share a database: what one changes in the rules is in force on all of them."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from automations.following import RuleFollowing
from automations.proposal import Proposal
from automations.rule import Rule

RULE = {
    "name": "greet",
    "trigger": {"event": "person.came"},
    "actions": [{"emit": "greeted", "data": {"revision": 1}}],
}
EDITED = RULE | {"actions": [{"emit": "greeted", "data": {"revision": 2}}]}


@pytest.fixture
def database(database):
    if database.address.dialect == "sqlite":
        pytest.skip("a SQLite database has one server")
    return database


@pytest.fixture
async def servers(database, open_world):
    """Two of them, each with its own journal, rules and windows."""
    async with contextlib.AsyncExitStack() as stack:
        worlds = [await stack.enter_async_context(open_world(database)) for _ in range(2)]
        for world in worlds:
            world.evaluator.on_epoch = world.book.follow
        yield worlds


def greetings(world):
    return [one.data["revision"] for one in world.told("greeted")]


async def test_what_another_server_applied_first_is_in_force_here_too(servers):
    """Both started at once: neither found a rule, and only one of them could apply."""
    proposal = Proposal("directory", [(Rule.parse(RULE), None)], prune=True)
    outcomes = [
        await world.book.apply(proposal, instance=str(n), digest="same")
        for n, world in enumerate(servers)
    ]
    assert [outcome.skipped for outcome in outcomes] == [False, True]
    first, second = (world.rules.get("greet") for world in servers)
    assert first
    assert first == second


async def test_an_event_is_evaluated_by_the_rules_as_they_are_wherever_it_comes_in(servers, event):
    here, there = servers
    await here.apply(RULE)
    await there.send(event("person.came"))
    assert greetings(there) == [1]
    await here.apply(EDITED)
    await there.send(event("person.came"))
    assert greetings(there) == [1, 2]
    await here.book.pause("greet")
    await there.send(event("person.came"))
    assert greetings(there) == [1, 2]
    await here.book.resume("greet")
    await there.send(event("person.came"))
    assert greetings(there) == [1, 2, 2]
    await here.book.remove("greet")
    await there.send(event("person.came"))
    assert greetings(there) == [1, 2, 2]
    assert there.rules.get("greet") is None


async def test_a_change_and_events_that_race_are_evaluated_in_the_one_order(servers, event):
    """Of what stands behind the change in the log, nothing is evaluated as it was before."""
    here, there = servers
    await here.apply(RULE)

    async def change():
        for n in range(2, 12):
            await here.apply(RULE | {"actions": [{"emit": "greeted", "data": {"revision": n}}]})

    async def come():
        for _ in range(60):
            await asyncio.gather(*[there.send(event("person.came")) for _ in range(3)])

    await asyncio.gather(change(), come())
    logged = await here.rows(
        "SELECT type, id, causationid, data FROM event"
        " WHERE type IN ('person.came', 'greeted', 'ensue.automation.updated') ORDER BY position"
    )
    revision, came, greeted = 1, {}, 0
    for type_, id_, cause, data in logged:
        if type_ == "ensue.automation.updated":
            revision += 1
        elif type_ == "person.came":
            came[id_] = revision
        else:
            greeted += 1
            assert data == b'{"revision":%d}' % came[cause]
    assert (revision, greeted) == (11, 180)


async def test_a_rule_that_pauses_itself_pauses_everywhere(servers, event):
    here, there = servers
    await here.apply(RULE | {"breaker": 2})
    await here.send(*[event("person.came") for _ in range(3)])
    assert len(greetings(here)) == 2
    await there.send(event("person.came"))
    assert greetings(there) == []
    assert there.rules.get("greet").paused


async def test_a_rule_that_is_resumed_elsewhere_starts_with_a_clean_count(servers, event):
    here, there = servers
    await here.apply(RULE | {"breaker": 2})
    await there.send(*[event("person.came") for _ in range(3)])
    assert len(greetings(there)) == 2
    await here.book.resume("greet")
    await there.send(event("person.came"))
    assert len(greetings(there)) == 3


async def test_a_server_that_has_nothing_to_write_hears_of_it_too(servers, database):
    here, there = servers
    following = RuleFollowing(database, there.journal, there.evaluator)
    await here.apply(RULE)
    assert there.rules.get("greet") is None
    await following.look()
    assert there.rules.get("greet").revision == 1
    assert there.evaluator.listening == ["greet"]


async def test_what_did_not_change_is_not_read_again(servers, event):
    here, there = servers
    await here.apply(RULE, RULE | {"name": "other"})
    await there.send(event("person.came"))
    before = there.rules.get("other")
    await here.apply(EDITED, RULE | {"name": "other"})
    await there.send(event("person.came"))
    assert there.rules.get("other") is before
    assert there.rules.get("greet").revision == 2
