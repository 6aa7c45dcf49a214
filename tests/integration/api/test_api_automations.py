"""Rules over the API: how they stand is seen; they are paused, fired by hand, and replayed."""

from __future__ import annotations

import pytest

GREET = """
name: greet
description: Every order is greeted.
trigger: {event: order.created}
actions:
  - emit: order.greeted
    data: {total: "${event.data.total}"}
"""
OTHERS = """
name: idle
enabled: false
trigger: {event: order.created}
actions: [{emit: order.idle}]
---
name: only-look
shadow: true
trigger: {event: order.created}
actions: [{emit: order.looked}]
"""
BROKEN = """name: broken
trigger: {event: order.created, wihtin: 5m}
actions: [{emit: order.broken}]
"""
FILES = {
    "automations/greet.yaml": GREET,
    "automations/others.yaml": OTHERS,
    "automations/broken.yaml": BROKEN,
}
NAMES = ["broken", "greet", "idle", "only-look"]


@pytest.fixture
async def client(served):
    async with served(FILES) as client:
        await client.until("/api/automations", lambda page: len(page["items"]) == len(NAMES))
        yield client


async def send(client, id_="o1", total=7):
    event = {"specversion": "1.0", "source": "/shop", "type": "order.created"}
    await client.post("/api/events", {**event, "id": id_, "data": {"total": total}}, 202)
    return id_


async def greetings(client):
    return [event["data"] for event in await client.outside("type=order.greeted")]


async def test_rules_are_listed_by_name_and_each_says_how_it_stands(client):
    await send(client)
    items = (await client.get("/api/automations"))["items"]
    assert [one["name"] for one in items] == NAMES
    broken, greet, idle, look = items
    assert [one["status"] for one in items] == ["invalid", "active", "disabled", "active"]
    assert [one["enabled"] for one in items] == [False, True, False, True]
    assert (greet["file"], greet["line"], greet["revision"]) == ("automations/greet.yaml", 2, 1)
    assert (greet["description"], greet["firings"], greet["errors"]) == (
        "Every order is greeted.",
        1,
        0,
    )
    assert greet["last_fired"] is not None
    assert (idle["firings"], idle["last_fired"]) == (0, None)
    assert (look["shadow"], greet["shadow"]) == (True, False)
    assert broken["problem"]["place"].startswith("automations/broken.yaml:2:")
    assert "wihtin" in broken["problem"]["message"]
    assert "problem" not in greet


async def test_rules_come_in_pages(client):
    first = await client.get("/api/automations?limit=3")
    rest = await client.get(f"/api/automations?limit=3&cursor={first['next']}")
    assert [one["name"] for one in first["items"] + rest["items"]] == NAMES


async def test_a_rule_is_shown_with_its_definition(client):
    found = await client.get("/api/automations/greet")
    assert found["definition"]["trigger"] == [{"event": "order.created"}]
    assert found["definition"]["actions"][0]["emit"] == "order.greeted"


async def test_a_paused_rule_does_not_fire_until_it_is_resumed(client):
    paused = await client.post("/api/automations/greet/pause")
    assert (paused["status"], paused["paused"]) == ("paused", True)
    await send(client, "while-paused", 1)
    resumed = await client.post("/api/automations/greet/resume")
    assert (resumed["status"], resumed["paused"]) == ("active", False)
    await send(client, "after", 2)
    assert await greetings(client) == [{"total": 2}]


async def test_a_rule_is_fired_by_hand_with_data_or_on_an_event_of_the_log(client):
    await client.post("/api/automations/greet/pause")
    event = await send(client, total=5)
    await client.post("/api/automations/greet/fire", {"event": {"data": {"total": 4}}}, 202)
    fired = await client.post("/api/automations/greet/fire", {"event": event}, 202)
    assert await greetings(client) == [{"total": 4}, {"total": 5}]
    (action,) = fired["actions"]
    assert (action["firing"], action["status"], fired["runs"]) == (fired["firing"], "done", [])


async def test_a_firing_by_hand_says_which_action_failed(client):
    fired = await client.post("/api/automations/greet/fire", status=202)
    (action,) = fired["actions"]
    assert (action["status"], action["code"]) == ("failed", "field_missing")
    assert "data" in action["error"]


async def test_what_cannot_be_fired_is_refused(client):
    for body, status, code in [
        ({"event": "no-such-event"}, 404, "event_unknown"),
        ({"event": {"type": "x"}}, 422, "unprocessable"),
        ({"evnet": "o1"}, 400, "field_unknown"),
        ({"event": 5}, 422, "field_invalid"),
    ]:
        refused = await client.post("/api/automations/greet/fire", body, status)
        assert refused["code"] == code, body
    assert await greetings(client) == []


async def test_firings_are_listed_newest_first_with_what_their_actions_did(client):
    for n in range(3):
        await send(client, f"o{n}", n)
    whole = (await client.get("/api/automations/greet/firings"))["items"]
    assert [one["events"] for one in whole] == [["o2"], ["o1"], ["o0"]]
    assert {(one["outcome"], one["occasion"]) for one in whole} == {("acted", None)}
    assert [one["actions"][0]["status"] for one in whole] == ["done"] * 3
    first = await client.get("/api/automations/greet/firings?limit=2")
    rest = await client.get(f"/api/automations/greet/firings?limit=2&cursor={first['next']}")
    assert first["items"] + rest["items"] == whole
    (looked,) = (await client.get("/api/automations/only-look/firings?limit=1"))["items"]
    assert (looked["outcome"], looked["events"]) == ("shadow", ["o2"])


async def test_an_event_is_replayed_by_the_rules_of_now(client):
    event = await send(client)
    all_rules = await client.post(f"/api/events/{event}/replay", status=202)
    assert (all_rules["firings"], len(all_rules["firing_ids"])) == (2, 2)
    one = await client.post(f"/api/events/{event}/replay", {"automation": "greet"}, 202)
    assert one["firings"] == 1
    assert await greetings(client) == [{"total": 7}] * 3
    (newest, *_) = (await client.get("/api/automations/greet/firings"))["items"]
    assert (newest["id"], newest["occasion"]) == (one["firing_ids"][0], one["id"])


async def test_what_cannot_be_replayed_is_refused(client):
    event = await send(client)
    for path, body, status, code in [
        ("nope", {}, 404, "event_unknown"),
        (event, {"automation": "nope"}, 404, "automation_unknown"),
        (event, {"automation": "idle"}, 409, "automation_not_listening"),
        (event, {"automaton": "greet"}, 400, "field_unknown"),
    ]:
        refused = await client.post(f"/api/events/{path}/replay", body, status)
        assert refused["code"] == code, (path, body)
    assert len(await greetings(client)) == 1


async def test_lineage_is_the_whole_chain_from_whichever_of_its_events(client):
    event = await send(client)
    await send(client, "another")
    chain = (await client.get(f"/api/events/{event}/lineage"))["items"]
    assert chain[0]["id"] == event
    types = [one["type"] for one in chain]
    assert {"order.greeted", "ensue.automation.fired"} <= set(types)
    assert {one["correlationid"] for one in chain} == {event}
    causes = {one["id"] for one in chain}
    assert all(one["causationid"] in causes for one in chain[1:])
    greeted = chain[types.index("order.greeted")]
    assert (await client.get(f"/api/events/{greeted['id']}/lineage"))["items"] == chain


async def test_what_is_not_there_is_not_found(client):
    for method, path, code in [
        ("get", "/api/automations/nope", "automation_unknown"),
        ("get", "/api/automations/nope/firings", "automation_unknown"),
        ("post", "/api/automations/nope/pause", "automation_unknown"),
        ("post", "/api/automations/nope/resume", "automation_unknown"),
        ("post", "/api/automations/nope/fire", "automation_unknown"),
        ("get", "/api/events/nope/lineage", "event_unknown"),
    ]:
        refused = await getattr(client, method)(path, status=404)
        assert refused["code"] == code, path
