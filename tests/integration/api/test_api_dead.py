"""Actions that were given up: they are listed with their reason, and tried again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from aiohttp import web

RULES = """
name: tell
trigger: {event: order.created}
actions:
  - call: "${vars.url}/${event.data.id}"
    body: {order: "${event.data.id}"}
"""
SETTINGS = """
[calls]
allow_private_targets = ["127.0.0.1"]
[vars]
url = "%s"
"""


@dataclass
class Receiver:
    """Answers with `status`, and notes the idempotency keys that it was called with."""

    url: str = ""
    status: int = 404
    keys: list[str] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        return web.Response(status=self.status)


@pytest.fixture
async def receiver():
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def client(served, receiver):
    files = {"automations/tell.yaml": RULES, "ensue.toml": SETTINGS % receiver.url}
    async with served(files) as client:
        await client.until("/api/automations", lambda page: page["items"])
        yield client


async def give_up(client, *ids):
    """Events with these ids, whose calls are given up."""
    for id_ in ids:
        event = {"specversion": "1.0", "id": id_, "source": "/t", "type": "order.created"}
        await client.post("/api/events", {**event, "data": {"id": id_}}, 202)
    page = await client.until("/api/dead", lambda page: len(page["items"]) == len(ids))
    return page["items"]


async def test_an_action_that_was_given_up_is_listed_with_its_reason(client, receiver):
    (dead,) = await give_up(client, "a")
    assert (dead["automation"], dead["kind"], dead["status"]) == ("tell", "call", "dead")
    assert (dead["attempts"], dead["code"]) == (1, "status_404")
    assert "404" in dead["error"]
    assert dead["request"]["url"] == f"{receiver.url}/a"
    (firing,) = (await client.get("/api/automations/tell/firings"))["items"]
    assert firing["actions"] == [dead]


async def test_dead_actions_come_in_pages_those_of_the_newest_firings_first(client):
    whole = await give_up(client, "a", "b", "c")
    assert [one["request"]["url"][-1] for one in whole] == ["c", "b", "a"]
    first = await client.get("/api/dead?limit=2")
    rest = await client.get(f"/api/dead?limit=2&cursor={first['next']}")
    assert first["items"] + rest["items"] == whole


async def test_a_dead_action_is_tried_again_under_its_old_key(client, receiver):
    (dead,) = await give_up(client, "a")
    receiver.status = 200
    again = await client.post(f"/api/dead/{dead['id']}/replay", status=202)
    assert (again["id"], again["kind"]) == (dead["id"], "call")
    page = await client.until(
        "/api/automations/tell/firings",
        lambda page: page["items"][0]["actions"][0]["status"] == "done",
    )
    assert page["items"][0]["actions"][0]["attempts"] == 1
    assert receiver.keys == [dead["id"], dead["id"]]
    assert (await client.get("/api/dead"))["items"] == []


async def test_only_what_is_dead_is_replayed(client, receiver):
    (dead,) = await give_up(client, "a")
    receiver.status = 200
    await client.post(f"/api/dead/{dead['id']}/replay", status=202)
    await client.until(
        "/api/automations/tell/firings",
        lambda page: page["items"][0]["actions"][0]["status"] == "done",
    )
    refused = await client.post(f"/api/dead/{dead['id']}/replay", status=409)
    assert (refused["code"], refused["detail"]) == (
        "action_not_dead",
        "this action was not given up: it is done",
    )
    assert len(receiver.keys) == 2


async def test_an_action_that_is_not_there_is_not_found(client):
    refused = await client.post("/api/dead/nope/replay", status=404)
    assert refused["code"] == "action_unknown"
