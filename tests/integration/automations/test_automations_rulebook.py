from __future__ import annotations

import asyncio

import pytest

from automations.proposal import Proposal
from automations.reader import Problem, gather
from automations.rule import Rule
from automations.store import Brought
from base.errors import ConflictError, NotFoundError, UnprocessableError
from events.change import Change
from events.log import Query, find

SEEN = """
name: {name}
trigger: {{event: order.created}}
actions: [{{emit: {emits}}}]
"""


def definition(name="seen", emits="order.seen", **fields):
    return {
        "name": name,
        "trigger": {"event": "order.created"},
        "actions": [{"emit": emits}],
        **fields,
    }


def brought(*files: tuple[str, str]) -> Proposal:
    loaded = gather((name, text.encode()) for name, text in files)
    rules = [(found.rule, Brought(found.file, found.line)) for found in loaded.rules]
    return Proposal("directory", rules, loaded.problems, prune=True)


async def test_applying_tells_what_came_changed_and_went(world):
    first = await world.apply(definition("a"), definition("b"))
    second = await world.apply(definition("a"), definition("b", "other"), definition("c"))
    third = await world.apply(definition("a"))
    assert first.created == ["a", "b"]
    assert (second.unchanged, second.updated, second.created) == (["a"], ["b"], ["c"])
    assert third.deleted == ["b", "c"]
    told = [
        (one.event.type.rpartition(".")[2], one.event.data["automation"]) for one in world.stored
    ]
    assert told == [
        *(("created", "a"), ("created", "b")),
        *(("updated", "b"), ("created", "c")),
        *(("deleted", "b"), ("deleted", "c")),
    ]


async def test_the_revision_rises_only_when_the_definition_changed(world):
    for given in (definition(), definition(), definition(description="x"), definition()):
        await world.apply(given)
    assert await world.rows("SELECT name, revision FROM automation") == [("seen", 3)]


async def test_an_update_says_whether_the_trigger_is_another(world):
    await world.apply(definition())
    await world.apply(definition(emits="other"))
    await world.apply(definition(emits="other", trigger={"event": "order.*"}))
    told = [event.data["trigger_changed"] for event in world.told("ensue.automation.updated")]
    assert told == [False, True]


async def test_a_rule_works_from_the_transaction_after_the_one_that_brought_it(world, event):
    applying = asyncio.ensure_future(world.apply(definition()))
    await asyncio.sleep(0)
    sent = [world.journal.enqueue(Change([event()])) for _ in range(3)]
    await applying
    await asyncio.gather(*sent)
    await world.send(event())
    order = [one.event.type for one in world.stored]
    assert order[-1] == "order.seen"
    # What came in the same transaction was still judged by the rules before it.
    firings = await world.rows("SELECT count(*) FROM firing")
    assert firings[0][0] == order.count("order.seen")


async def test_the_rules_are_back_after_a_restart(database, open_world, event):
    async with open_world(database) as world:
        await world.apply(definition(), definition("off", enabled=False))
        await world.apply(definition(emits="order.other"), definition("off", enabled=False))
    async with open_world(database) as world:
        assert {live.rule.name: live.revision for live in world.rules} == {"seen": 2, "off": 1}
        await world.send(event())
        assert len(world.told("order.other")) == 1


async def test_a_disabled_rule_does_not_listen(world, event):
    await world.apply(definition(enabled=False))
    await world.send(event())
    assert await world.rows("SELECT count(*) FROM firing") == [(0,)]


async def test_a_pause_holds_until_a_person_resumes(world, event):
    await world.apply(definition())
    assert await world.book.pause("seen")
    assert not await world.book.pause("seen")
    await world.send(event())
    await world.apply(definition(emits="order.other"))
    await world.send(event())
    assert not world.told("order.other")
    assert await world.book.resume("seen")
    assert not await world.book.resume("seen")
    await world.send(event())
    assert len(world.told("order.other")) == 1
    types = [one.event.type.rpartition(".")[2] for one in world.stored]
    assert [t for t in types if t in {"paused", "resumed"}] == ["paused", "resumed"]


async def test_a_pause_and_an_edit_of_one_commit_both_hold(world, event):
    await world.apply(definition())
    proposal = Proposal("test", [(Rule.parse(definition(emits="order.other")), None)])
    await asyncio.gather(world.book.apply(proposal), world.book.pause("seen"))
    live = world.rules.get("seen")
    assert (live.revision, live.paused) == (2, True)


async def test_what_is_not_there_cannot_be_paused_or_removed(world):
    for attempt in (world.book.pause, world.book.resume, world.book.remove):
        with pytest.raises(NotFoundError):
            await attempt("nobody")


async def test_a_removed_rule_listens_no_more(world, event):
    await world.apply(definition())
    await world.book.remove("seen")
    await world.send(event())
    assert not world.told("order.seen")
    assert [event.subject for event in world.told("ensue.automation.deleted")] == ["seen"]


async def test_an_origin_removes_only_what_it_brought(world):
    await world.apply(definition("mine"), origin="directory")
    await world.apply(definition("theirs"), origin="api")
    outcome = await world.apply(origin="directory")
    assert outcome.deleted == ["mine"]
    assert world.rules.get("theirs")


async def test_a_broken_rule_keeps_its_last_good_version_at_work(world, event):
    await world.book.apply(brought(("a.yaml", SEEN.format(name="a", emits="order.seen"))))
    outcome = await world.book.apply(brought(("a.yaml", "name: a\ntriger: {event: x}\n")))
    assert outcome.invalid == ["a"]
    assert not outcome.deleted
    await world.send(event())
    assert len(world.told("order.seen")) == 1
    ((problems, revision),) = await world.rows("SELECT problems, revision FROM automation")
    assert '"line":2' in problems
    assert "did you mean" in problems
    assert revision == 1


async def test_a_file_that_is_no_yaml_keeps_all_its_rules_at_work(world):
    two = SEEN.format(name="a", emits="x") + "---" + SEEN.format(name="b", emits="y")
    await world.book.apply(brought(("a.yaml", two)))
    outcome = await world.book.apply(brought(("a.yaml", two + "\n\t- no")))
    assert sorted(outcome.invalid) == ["a", "b"]
    assert len(world.rules) == 2
    again = await world.book.apply(brought(("a.yaml", two)))
    assert (again.invalid, again.unchanged) == ([], ["a", "b"])
    assert await world.rows("SELECT problems FROM automation") == [(None,), (None,)]


async def test_what_never_was_in_order_is_seen_and_goes_when_it_is(world):
    outcome = await world.book.apply(
        brought(("bad.yaml", "name: a\ntrigger: {}\n"), ("c.yaml", "["))
    )
    assert outcome.invalid == ["a", "c.yaml"]
    rows = await world.rows("SELECT name, definition, file FROM automation ORDER BY name")
    assert rows == [("a", None, "bad.yaml"), ("c.yaml", None, "c.yaml")]
    mended = await world.book.apply(brought(("bad.yaml", SEEN.format(name="a", emits="x"))))
    assert (mended.created, mended.deleted) == (["a"], [])
    assert await world.rows("SELECT name FROM automation") == [("a",)]


async def test_two_rules_of_one_name_name_both_files(world):
    both = [(file, SEEN.format(name="a", emits=file)) for file in ("x.yaml", "y.yaml")]
    outcome = await world.book.apply(brought(*both))
    assert (outcome.created, outcome.invalid) == (["a"], ["a"])
    ((problems,),) = await world.rows("SELECT problems FROM automation")
    assert "y.yaml" in problems
    assert "x.yaml" in problems


async def test_two_rules_of_one_name_are_refused_where_they_come_without_files(world):
    with pytest.raises(UnprocessableError):
        await world.apply(definition("a"), definition("a", "other"))
    assert len(world.rules) == 0


async def test_a_problem_of_another_origin_does_not_stand_on_a_good_rule(world):
    await world.apply(definition("a"), origin="api")
    problem = Problem("a.yaml", 1, 1, "rule_invalid", "no", automation="a")
    await world.book.apply(Proposal("directory", [], [problem], prune=True))
    rows = await world.rows("SELECT name, problems IS NULL FROM automation ORDER BY name")
    assert [(name, bool(good)) for name, good in rows] == [("a", True), ("a.yaml", False)]


async def test_a_copy_applies_only_when_it_changed(world):
    def proposal(emits):
        return Proposal("directory", [(Rule.parse(definition(emits=emits)), None)], prune=True)

    old, new = proposal("old"), proposal("new")

    async def skipped(given, instance, digest):
        return (await world.book.apply(given, instance=instance, digest=digest)).skipped

    assert not await skipped(old, "one", "old")
    assert await skipped(old, "one", "old")
    assert await skipped(old, "two", "old")
    assert not await skipped(new, "two", "new")
    # The one that stayed as it was does not bring the old rules back …
    assert await skipped(old, "one", "old")
    assert world.rules.get("seen").rule.definition["actions"] == [{"emit": "new"}]
    # … and one that goes back to them on purpose does.
    assert not await skipped(old, "two", "old")
    assert world.rules.get("seen").rule.definition["actions"] == [{"emit": "old"}]


async def test_a_replay_fires_again_and_each_time_anew(world, event):
    await world.apply(definition("a"), definition("b"))
    await world.send(event())
    stored = next(one for one in world.stored if one.event.type == "order.created")
    both = await world.occasions.replay(stored)
    one = await world.occasions.replay(stored, "a")
    assert (len(both.firings), len(one.firings)) == (2, 1)
    rows = await world.rows("SELECT automation, occasion FROM firing ORDER BY id")
    assert sorted(row[0] for row in rows) == ["a"] * 3 + ["b"] * 2
    assert {row[1] for row in rows} == {None, both.id, one.id}
    assert len(world.told("order.seen")) == 5
    assert await world.rows("SELECT count(*) FROM event WHERE type = 'order.created'") == [(1,)]


async def test_a_replay_of_an_event_that_nobody_wants_fires_nothing(world, event):
    await world.apply(definition())
    await world.send(event("other"))
    stored = world.stored[-1]
    assert (await world.occasions.replay(stored)).firings == ()


async def test_a_rule_that_does_not_listen_cannot_be_replayed_to(world, event):
    await world.apply(definition(enabled=False))
    await world.send(event())
    with pytest.raises(ConflictError):
        await world.occasions.replay(world.stored[-1], "seen")
    with pytest.raises(NotFoundError):
        await world.occasions.replay(world.stored[-1], "nobody")


async def test_a_firing_by_hand_needs_no_event_and_stores_the_one_it_makes(world):
    await world.apply(
        definition(actions=[{"emit": "order.seen", "data": "${event.data.id}"}], enabled=False)
    )
    asked = await world.occasions.fire("seen", data={"id": "a1"})
    (made,) = world.told("ensue.automation.manual")
    (seen,) = world.told("order.seen")
    assert (made.id, made.data) == (asked.id, {"id": "a1"})
    assert (seen.data, seen.causationid, seen.depth) == ("a1", made.id, 1)
    async with world.database.reader() as session:
        found = await find(session, Query(type="ensue.automation.manual"))
    assert [one.event.id for one in found] == [asked.id]


async def test_a_firing_by_hand_goes_by_the_event_that_is_given(world, event):
    await world.apply(definition(trigger={"event": "never"}))
    await world.send(event())
    asked = await world.occasions.fire("seen", world.stored[-1])
    assert len(asked.firings) == 1
    assert len(world.told("order.seen")) == 1
    assert not world.told("ensue.automation.manual")


async def test_two_firings_of_one_identity_are_impossible(world, event):
    """What would evaluate an event twice fails as a whole, and leaves nothing behind."""
    await world.apply(definition())
    await world.send(event())
    stored = next(one for one in world.stored if one.event.type == "order.created")
    matched = world.evaluator.match(stored.event)
    matched.position = stored.position
    before = len(world.stored)

    async def twice(tx):
        return await world.evaluator.advance(tx, [matched])

    with pytest.raises(Exception, match=r"(?i)unique"):
        await world.journal.submit(Change(operation=twice))
    assert len(world.stored) == before
    assert await world.rows("SELECT count(*), max(firings) FROM firing, automation") == [(1, 1)]
