"""An event asked about once more: rules fire again, and what remembers is not told twice."""

from __future__ import annotations

RULES = (
    {"name": "each", "trigger": {"event": "failed"}, "actions": [{"emit": "one"}]},
    {
        "name": "three",
        "trigger": {"count": "failed", "at_least": 3, "within": "10m"},
        "actions": [{"emit": "many"}],
    },
)


async def test_a_count_does_not_count_an_event_that_is_replayed(world, event):
    await world.apply(*RULES)
    await world.send(event("failed"), event("failed"))
    stored = next(one for one in world.stored if one.event.type == "failed")
    asked = await world.occasions.replay(stored)
    assert (len(asked.firings), asked.untold) == (1, ("three",))
    assert (len(world.told("one")), world.told("many")) == (3, [])
    await world.send(event("failed"))
    assert len(world.told("many")) == 1


async def test_who_asks_for_one_rule_is_told_of_that_rule_alone(world, event):
    await world.apply(*RULES)
    await world.send(event("failed"))
    stored = next(one for one in world.stored if one.event.type == "failed")
    assert (await world.occasions.replay(stored, "each")).untold == ()
    asked = await world.occasions.replay(stored, "three")
    assert (asked.firings, asked.untold) == ((), ("three",))
    await world.occasions.fire("three", stored)
    assert len(world.told("many")) == 1, "by hand it acts all the same"
