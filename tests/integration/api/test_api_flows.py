"""Flows over the API: what can be run is listed, and a run is asked for."""

from __future__ import annotations

import pytest

FLOWS = '''
from ensue import flow


@flow
def greet(name: str, loud: bool = False) -> str:
    """Say hello."""
    return f"hello {name}"


@flow(timeout_seconds=90, retries=2, description="Counts.")
def count_up(to: int = 3):
    return to
'''
FILES = {"flows/talk.py": FLOWS}
BROKEN = {**FILES, "flows/broken.py": "from ensue import flow\n\nimport nowhere_to_be_found\n"}


@pytest.fixture
async def client(served):
    async with served(FILES) as client:
        await client.flows_found()
        yield client


async def test_flows_are_listed_with_what_they_take_and_where_they_are(client):
    page = await client.get("/api/flows")
    assert [one["name"] for one in page["items"]] == ["count-up", "greet"]
    assert (page["next"], page["problems"]) == (None, [])
    count, greet = page["items"]
    assert greet["entrypoint"] == "flows/talk.py:greet"
    assert (greet["description"], greet["status"], greet["paused"]) == (
        "Say hello.",
        "active",
        False,
    )
    assert greet["parameters"]["required"] == ["name"]
    assert (count["description"], count["retries"], count["timeout"]) == ("Counts.", 2, 90)


async def test_flows_come_in_pages(client):
    first = await client.get("/api/flows?limit=1")
    rest = await client.get(f"/api/flows?limit=10&cursor={first['next']}")
    assert [one["name"] for one in first["items"] + rest["items"]] == ["count-up", "greet"]
    assert rest["next"] is None


async def test_what_is_wrong_with_a_flow_file_is_said_beside_the_flows(served):
    async with served(BROKEN) as client:
        await client.flows_found()
        page = await client.get("/api/flows")
        assert [one["name"] for one in page["items"]] == ["count-up", "greet"]
        (problem,) = page["problems"]
        assert (problem["file"], problem["line"]) == ("flows/broken.py", 3)
        assert "nowhere_to_be_found" in problem["message"]


async def test_either_spelling_of_a_name_finds_the_flow(client):
    assert await client.get("/api/flows/count_up") == await client.get("/api/flows/count-up")
    made = await client.post("/api/flows/count_up/runs", {}, 201)
    assert made["flow"] == "count-up"


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("post", "/pause"), ("post", "/resume"), ("post", "/runs")],
)
async def test_an_unknown_flow_is_not_found_and_the_nearest_is_named(client, method, path):
    refused = await getattr(client, method)(f"/api/flows/count_upp{path}", status=404)
    assert (refused["code"], refused["hint"]) == ("flow_unknown", "did you mean `count-up`?")


async def test_a_run_that_is_asked_for_is_answered_with_and_runs(client):
    body = {"parameters": {"name": "Ada"}, "tags": ["by-hand", "by-hand"]}
    made = await client.post("/api/flows/greet/runs", body, 201)
    assert made["flow"] == "greet"
    assert made["state"] in {"scheduled", "pending", "running"}  # a worker may be quicker
    assert (made["parameters"], made["tags"]) == ({"name": "Ada"}, ["by-hand"])
    ended = await client.ended(made["id"])
    assert (ended["state"], ended["result"], ended["attempt"]) == ("completed", "hello Ada", 1)
    assert ended["duration"] >= 0
    assert ended["created"] <= ended["started"] <= ended["ended"]
    told = await client.get(f"/api/events?subject={made['id']}&order=asc")
    assert told["items"][0]["id"] == ended["correlationid"]


async def test_all_parameters_that_do_not_fit_are_named_and_nothing_runs(client):
    refused = await client.post("/api/flows/greet/runs", {"parameters": {"nmae": 1, "x": 2}}, 422)
    assert refused["code"] == "parameters_invalid"
    for fault in ("name is missing", "nmae is not a parameter (did you mean `name`?)", "x is not"):
        assert fault in refused["detail"]
    assert (await client.get("/api/runs"))["items"] == []


async def test_the_same_idempotency_key_starts_one_run(client):
    body = {"parameters": {"name": "Ada"}, "idempotency_key": "once"}
    first = await client.post("/api/flows/greet/runs", body, 201)
    again = await client.post("/api/flows/greet/runs", body, 201)
    other = await client.post("/api/flows/count-up/runs", {"idempotency_key": "once"}, 201)
    assert first["id"] == again["id"] != other["id"]
    assert len((await client.get("/api/runs"))["items"]) == 2


async def test_a_run_can_be_put_off(client):
    made = await client.post(
        "/api/flows/greet/runs", {"parameters": {"name": "Ada"}, "delay": "1h"}, 201
    )
    assert (made["state"], made["started"]) == ("scheduled", None)
    assert made["due"] > made["created"]


async def test_the_runs_of_a_paused_flow_wait_until_it_is_resumed(client):
    paused = await client.post("/api/flows/count_up/pause")
    assert (paused["status"], paused["paused"]) == ("paused", True)
    waiting, other = await client.run("count-up"), await client.run("greet", name="Ada")
    assert (await client.ended(other))["state"] == "completed"
    assert (await client.get(f"/api/runs/{waiting}"))["state"] == "scheduled"
    assert (await client.post("/api/flows/count-up/resume"))["status"] == "active"
    assert (await client.ended(waiting))["state"] == "completed"


REFUSED = [
    ({"paramters": {}}, 400, "field_unknown", "$.paramters"),
    ({"parameters": []}, 422, "field_invalid", "$.parameters"),
    ({"tags": "one"}, 422, "field_invalid", "$.tags"),
    ({"tags": [""]}, 422, "field_invalid", "$.tags[0]"),
    ({"delay": 5}, 422, "field_invalid", "$.delay"),
    ({"delay": "-5m"}, 422, "field_invalid", "$.delay"),
    ({"delay": "1000w"}, 422, "field_invalid", "$.delay"),
    ({"idempotency_key": ""}, 422, "field_invalid", "$.idempotency_key"),
    ({"parameters": {"name": "a\0b"}}, 400, "json_nul_character", "$.parameters.name"),
]


async def test_a_body_that_is_not_a_run_is_refused_where_it_is_wrong(client):
    for body, status, code, place in REFUSED:
        refused = await client.post("/api/flows/greet/runs", body, status)
        assert (refused["code"], refused["place"]) == (code, place), body
    assert (await client.get("/api/runs"))["items"] == []
