"""Windows over the API: what rules remember at the moment, in pages, by key, and with an end."""

from __future__ import annotations

import pytest

from server.api import windows as api
from triggers import queries

RULES = """
name: burst
trigger: {count: login.failed, at_least: 3, within: 10m, per: subject}
actions: [{emit: burst.seen}]
---
name: order
trigger:
  - {event: order.lost}
  - {sequence: [order.created, order.paid, order.sent], within: 1h, per: data.id}
actions: [{emit: order.done}]
---
name: ready
trigger: {all: [build.passed, {absent: alarm, for: 1h}, review.approved], within: 1h}
actions: [{emit: release.ready}]
---
name: quiet
trigger: {absent: beat, for: 1h, per: subject, expected: [db-1]}
actions: [{emit: beat.missing}]
---
name: slow
trigger: {aggregate: request, value: event.data.ms, function: avg, over: 1h, above: 100}
actions: [{emit: requests.slow}]
---
name: nightly
trigger: {cron: "0 3 * * *"}
actions: [{emit: night}]
---
name: plain
trigger: {event: login.failed}
actions: [{emit: failed.seen}]
---
name: seldom
trigger: {event: alert}
throttle: {at_most: 1, every: 1h}
actions: [{emit: alert.passed}]
---
name: gather
trigger: {event: alert}
batch: {size: 10, within: 1h}
actions: [{emit: alerts.gathered}]
"""
FILES = {"automations/rules.yaml": RULES}


@pytest.fixture
async def client(served):
    async with served(FILES) as client:
        await client.until("/api/automations", lambda page: len(page["items"]) == 9)
        yield client


@pytest.fixture
def send(client):
    count = 0

    async def sent(type_, subject=None, **data):
        nonlocal count
        count += 1
        event = {"specversion": "1.0", "source": "/t", "id": f"e{count}", "type": type_}
        event |= {"subject": subject} if subject else {}
        await client.post("/api/events", {**event, "data": data}, 202)

    return sent


async def windows(client, name=None, **query):
    path = f"/api/automations/{name}/windows" if name else "/api/windows"
    return await client.get(path, params={key: str(value) for key, value in query.items()})


async def only(client, name, **query):
    (found,) = (await windows(client, name, **query))["items"]
    return found


async def test_a_count_says_how_many_there_are_of_each_key(client, send):
    await send("login.failed", "db-1")
    await send("login.failed", "db-1")
    await send("login.failed", "db-2")
    first, second = (await windows(client, "burst"))["items"]
    assert (first["kind"], first["key"], first["have"], first["need"]) == ("count", "db-1", 2, 3)
    assert (second["key"], second["have"]) == ("db-2", 1)
    assert first["until"] is not None
    assert first["listens"] is True
    await send("login.failed", "db-1")
    assert (await only(client, "burst"))["key"] == "db-2", "it fired, and starts afresh"


async def test_sequences_and_combinations_say_what_came_and_what_is_missing(client, send):
    await send("order.created", id=7)
    found = await only(client, "order")
    assert (found["trigger"], found["key"], found["have"]) == (1, 7, 1)
    assert [(part["name"], part["seen"] is None) for part in found["parts"]] == [
        ("order.created", False),
        ("order.paid", True),
        ("order.sent", True),
    ]
    await send("build.passed")
    outer, inner = (await windows(client, "ready"))["items"]
    assert (outer["kind"], outer["path"], outer["have"], outer["need"]) == ("all", "", 1, 3)
    assert [part["name"] for part in outer["parts"] if part["seen"] is None] == [
        "absent alarm",
        "review.approved",
    ]
    assert (inner["kind"], inner["path"]) == ("absent", "1")


async def test_a_silence_and_a_clock_say_when_they_fire(client, send):
    (found,) = (await windows(client, "quiet"))["items"]
    assert (found["key"], found["parts"][0]["seen"], found["holds"]) == ("db-1", None, False)
    assert found["since"] < found["until"]
    await send("beat", "db-1")
    assert (await only(client, "quiet"))["parts"][0]["seen"] is not None
    clock = await only(client, "nightly")
    assert (clock["kind"], clock["until"][11:16]) == ("clock", "03:00")


async def test_an_aggregate_says_its_figure_and_its_bound(client, send):
    for ms in (10, 20):
        await send("request", ms=ms)
    found = await only(client, "slow")
    assert found["measure"] == {"function": "avg", "figure": 15.0, "above": 100}
    assert (found["have"], found["need"], found["holds"], found["firing"]) == (2, 1, False, None)
    await send("request", ms=1_000)
    found = await only(client, "slow")
    assert found["holds"] is True
    (firing,) = (await client.get("/api/automations/slow/firings"))["items"]
    assert found["firing"] == firing["id"]


async def test_flow_control_says_what_it_holds_back_and_gathers(client, send):
    for number in range(3):
        await send("alert", f"a{number}")
    throttle = await only(client, "seldom")
    assert (throttle["kind"], throttle["have"], throttle["suppressed"]) == ("throttle", 1, 2)
    batch = await only(client, "gather")
    assert (batch["kind"], batch["have"], batch["need"], batch["events"]) == ("batch", 3, 10, 3)
    assert throttle["until"] is not None
    assert batch["until"] is not None


async def test_a_rule_that_keeps_no_windows_or_does_not_listen_says_so(client, send):
    await send("login.failed", "db-1")
    assert await windows(client, "plain") == {"items": [], "next": None, "remembers": False}
    assert (await windows(client, "order")) == {"items": [], "next": None, "remembers": True}
    gone = await client.get("/api/automations/bursts/windows", 404)
    assert (gone["code"], gone["hint"]) == ("automation_unknown", "did you mean `burst`?")
    await client.post("/api/automations/quiet/pause")
    assert (await only(client, "quiet"))["listens"] is False


async def test_all_rules_are_gone_through_in_pages_however_small(client, send, monkeypatch):
    monkeypatch.setattr(queries, "STRIDE", 2)
    monkeypatch.setattr(api, "_MOST_LOOKS", 2)
    for number in range(7):
        await send("login.failed", f"db-{number}")
    await send("alert")
    whole = (await windows(client))["items"]
    for limit in (1, 3, 100):
        items, cursor = [], None
        while True:
            page = await windows(client, limit=limit, **({"cursor": cursor} if cursor else {}))
            assert len(page["items"]) <= limit
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert [(one["automation"], one["path"], one["key"]) for one in items] == [
            *(("burst", "", f"db-{number}") for number in range(7)),
            ("gather", "#gather", None),
            ("nightly", "", None),
            ("quiet", "", "db-1"),
            ("ready", "1", None),
            ("seldom", "#throttle", None),
        ]
    assert len(whole) < 12, "one answer does not look at everything"


async def test_only_windows_of_a_key_are_shown(client, send):
    for key in ("db-1", "5"):
        await send("login.failed", key)
    await send("order.created", id=5)
    assert (await only(client, "burst", key="db-1"))["key"] == "db-1"
    found = (await windows(client, key=5))["items"]
    assert [(one["automation"], one["key"]) for one in found] == [("burst", "5"), ("order", 5)]
    assert (await windows(client, "burst", key="db-9"))["items"] == []
    assert (await windows(client, key='{"a": 1}'))["items"] == []


async def test_what_is_over_by_the_clock_is_shown_only_where_it_is_asked_for(client):
    old = {"specversion": "1.0", "source": "/t", "id": "old", "type": "login.failed"}
    await client.post(
        "/api/events", {**old, "subject": "db-1", "time": "2020-01-01T00:00:00Z"}, 202
    )
    assert (await windows(client, "burst"))["items"] == []
    found = await only(client, "burst", all="true")
    assert (found["have"], found["until"]) == (1, "2020-01-01T00:10:00Z")


async def test_a_window_with_very_many_members_says_that_it_has_more(client, send, monkeypatch):
    monkeypatch.setattr(queries, "MOST_MEMBERS", 3)
    for number in range(5):
        await send("request", ms=number)
        await send("login.failed", f"db-{number}")
    found = await only(client, "slow")
    assert (found["have"], found["more"], found["measure"]["figure"]) == (3, True, None)
    burst = await windows(client, "burst")
    rest = await windows(client, "burst", cursor=burst["next"]) if burst["next"] else {"items": []}
    keys = [one["key"] for one in burst["items"] + rest["items"]]
    assert keys == [f"db-{number}" for number in range(5)]


async def test_what_is_no_cursor_and_no_answer_is_refused(client):
    for query in ("cursor=x", "cursor=e30", "all=perhaps"):
        assert (await client.get(f"/api/windows?{query}", 400))["code"]
    assert (await client.get("/api/windows?limit=0", 422))["code"]


async def test_a_rule_that_never_was_in_order_has_no_windows(served):
    async with served({"automations/broken.yaml": "name: broken\ntrigger: {}\n"}) as client:
        await client.until("/api/automations", lambda page: page["items"])
        answer = await client.get("/api/automations/broken/windows", 404)
    assert answer["detail"] == "there is no automation 'broken' in force"
