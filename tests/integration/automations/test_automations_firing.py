from __future__ import annotations

import orjson

from base.time import SECOND, now


def rule(name, *actions, **fields):
    return {
        "name": name,
        "trigger": {"event": "order.created"},
        "actions": list(actions) or [{"emit": "order.seen"}],
        **fields,
    }


async def test_a_firing_is_recorded_with_all_it_set_in_motion(world, event):
    await world.apply(
        rule(
            "review",
            {"run": "review-order", "with": {"order": "${event.data.id}"}},
            {"emit": "order.reviewed", "data": {"order": "${event.data.id}"}},
            {"call": "https://example.com/${event.data.id}"},
        )
    )
    order = event(data={"id": "a1"})
    await world.send(order)

    ((firing, outcome, actions),) = await world.rows("SELECT id, outcome, actions FROM firing")
    assert (outcome, actions) == ("acted", 3)
    recorded = await world.rows("SELECT id, kind, status, attempts FROM action ORDER BY n")
    assert recorded == [
        (f"{firing}.0", "run", "done", 0),
        (f"{firing}.1", "emit", "done", 0),
        (f"{firing}.2", "call", "waiting", 0),
    ]
    (request,) = world.starter.requests
    assert request.parameters == {"order": "a1"}
    assert request.causationid == order.id
    assert request.depth == 1
    (emitted,) = world.told("order.reviewed")
    assert emitted.source == "/automations/review"
    assert emitted.data == {"order": "a1"}


async def test_what_a_firing_causes_carries_the_chain_one_deeper(world, event):
    await world.apply(
        rule("first", {"emit": "order.seen"}),
        {"name": "second", "trigger": {"event": "order.seen"}, "actions": [{"emit": "order.end"}]},
    )
    order = event(correlationid="chain")
    await world.send(order)
    (seen,), (end,) = world.told("order.seen"), world.told("order.end")
    fired = world.told("ensue.automation.fired")
    assert [(e.depth, e.correlationid) for e in (seen, end)] == [(1, "chain"), (2, "chain")]
    assert seen.causationid == order.id
    assert end.causationid == seen.id
    assert [e.depth for e in fired] == [1, 2]
    assert fired[0].data["events"] == [order.id]


async def test_the_same_event_twice_fires_once(world, event):
    await world.apply(rule("once"))
    order = event()
    await world.send(order)
    await world.send(order)
    await world.send(order, order)
    assert await world.rows("SELECT count(*) FROM firing") == [(1,)]
    assert len(world.told("order.seen")) == 1


async def test_events_of_one_id_from_two_sources_both_fire(world, event):
    await world.apply(rule("both"))
    at = now()
    await world.send(event(id="1", source="/a", at=at), event(id="1", source="/b", at=at))
    assert await world.rows("SELECT count(*) FROM firing") == [(2,)]


async def test_a_rule_that_sets_itself_off_stops_at_its_depth_and_says_so(world, event):
    await world.apply(rule("again", {"emit": "order.created"}))
    order = event()
    await world.send(order)
    assert max(e.depth for e in world.told("order.created")) == 16
    (told,) = world.told("ensue.automation.looped")
    assert told.data["automation"] == "again"
    assert told.data["max_depth"] == 16
    assert told.correlationid == order.correlationid
    outcomes = await world.rows("SELECT outcome, count(*) FROM firing GROUP BY outcome")
    assert dict(outcomes) == {"acted": 16, "looped": 1}


async def test_a_rule_on_all_of_the_services_own_events_ends_too(world, event):
    await world.apply(
        rule("starts"),
        rule("own", {"run": "note"}, trigger={"event": "ensue.*"}, max_depth=5),
    )
    await world.send(event())
    assert await world.rows("SELECT count(*) FROM pending") == [(0,)]
    assert world.told("ensue.automation.looped")


async def test_more_than_256_derived_events_go_on_in_the_changes_that_follow(world, event):
    await world.apply(
        *(rule(f"fan-{n}", {"emit": "order.fanned"}) for n in range(200)),
        {"name": "count", "trigger": {"event": "order.fanned"}, "actions": [{"emit": "fan.end"}]},
    )
    await world.send(event())
    while await world.rows("SELECT 1 FROM pending LIMIT 1"):
        await world.send(event("other"))
    await world.send(event("other"))  # all that came before it is on disk, and was told
    firings = await world.rows("SELECT automation, count(*) FROM firing GROUP BY automation")
    assert dict(firings)["count"] == 200
    assert len(world.told("fan.end")) == 200


async def test_a_condition_that_fails_is_counted_and_harms_nobody_else(world, event):
    await world.apply(
        rule("broken", trigger={"event": "order.created", "where": "event.data.no.such > 1"}),
        rule("sound"),
    )
    await world.send(*(event(data={}) for _ in range(5)))
    rows = await world.rows(
        "SELECT name, errors, firings, last_error FROM automation ORDER BY name"
    )
    assert [row[:3] for row in rows] == [("broken", 5, 0), ("sound", 0, 5)]
    assert orjson.loads(rows[0][3])["code"] == "field_missing"
    (told,) = world.told("ensue.automation.error")
    assert told.data["automation"] == "broken"


async def test_an_action_that_fails_keeps_no_other_from_its_turn(world, event):
    await world.apply(
        rule(
            "half",
            {"emit": "order.x", "data": "${event.data.missing}"},
            {"run": "missing"},
            {"emit": "order.y"},
            {"emit": "order.z", "if": "event.type == 'other'"},
        )
    )
    await world.send(event(data={}))
    rows = await world.rows("SELECT n, status, code FROM action ORDER BY n")
    assert rows == [
        (0, "failed", "field_missing"),
        (1, "failed", "flow_unknown"),
        (2, "done", None),
        (3, "skipped", None),
    ]
    failed = world.told("ensue.action.failed")
    assert [(e.data["kind"], e.data["code"]) for e in failed] == [
        ("emit", "field_missing"),
        ("run", "flow_unknown"),
    ]
    assert len(world.told("order.y")) == 1


async def test_a_shadow_records_and_does_not_act(world, event):
    await world.apply(rule("shadow", {"run": "flow"}, shadow=True))
    await world.send(event())
    assert await world.rows("SELECT outcome, actions FROM firing") == [("shadow", 0)]
    assert not world.starter.requests
    assert not world.told("ensue.automation.fired")


async def test_the_firing_that_is_one_too_many_does_not_act_and_pauses_the_rule(world, event):
    await world.apply(rule("often", breaker=3), rule("other"))
    await world.send(*(event() for _ in range(5)))
    await world.send(event())
    outcomes = await world.rows(
        "SELECT outcome, count(*) FROM firing WHERE automation = 'often' GROUP BY outcome"
    )
    assert dict(outcomes) == {"acted": 3, "suppressed": 1}
    assert await world.rows("SELECT pause_reason FROM automation WHERE paused") == [("breaker",)]
    (told,) = world.told("ensue.automation.paused")
    assert told.data["automation"] == "often"
    others = await world.rows("SELECT count(*) FROM firing WHERE automation = 'other'")
    assert others == [(6,)]


async def test_a_resumed_rule_counts_afresh(world, event):
    await world.apply(rule("often", breaker=2))
    await world.send(*(event() for _ in range(3)))
    assert await world.book.resume("often")
    await world.send(event(), event())
    acted = await world.rows("SELECT count(*) FROM firing WHERE outcome = 'acted'")
    assert acted == [(4,)]


async def test_the_breaker_looks_at_one_sliding_minute(database, open_world, event):
    clock = [now()]
    async with open_world(database, clock=lambda: clock[0]) as world:
        await world.apply(rule("often", breaker=2))
        await world.send(event(), event())
        clock[0] += 60 * SECOND + 1
        await world.send(event(), event())
        assert await world.rows("SELECT count(*) FROM firing WHERE outcome = 'acted'") == [(4,)]
        clock[0] += 60 * SECOND
        await world.send(event())
        assert await world.rows("SELECT count(*) FROM firing WHERE outcome = 'acted'") == [(4,)]


async def test_a_paused_rule_stays_so_over_a_restart(database, open_world, event):
    async with open_world(database) as world:
        await world.apply(rule("often", breaker=1))
        await world.send(event(), event())
    async with open_world(database) as world:
        await world.send(event())
        assert await world.rows("SELECT count(*) FROM firing") == [(2,)]


async def test_all_runs_of_a_round_are_asked_for_at_once(world, event):
    await world.apply(rule("one", {"run": "a"}, {"run": "b"}), rule("two", {"run": "c"}))
    await world.send(event(), event())
    assert world.starter.calls == 1
    assert [request.flow for request in world.starter.requests] == ["a", "b", "c"] * 2


async def test_actions_see_the_variables_of_the_settings(database, open_world, event):
    async with open_world(database, variables={"region": "eu"}) as world:
        await world.apply(rule("vars", {"emit": "order.x", "data": "${vars.region}"}))
        await world.send(event())
        assert world.told("order.x")[0].data == "eu"
