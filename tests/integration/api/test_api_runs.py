"""Runs over the API: they are found, followed, cancelled and done again."""

from __future__ import annotations

import pytest

FLOWS = """
import time
from pathlib import Path

from ensue import flow, task


@task
def double(n: int) -> int:
    return 2 * n


@flow(log_prints=True)
def works(count: int = 3):
    for n in range(count):
        print(f"line {n}")
    return [double(n) for n in range(count)]


@flow
def sleeps():
    time.sleep(600)


@flow(log_prints=True)
def mends(file: str):
    print("tried")
    if not Path(file).exists():
        Path(file).touch()
        raise ValueError("not yet")
"""
RULE = """
name: sleep-on-it
trigger: {event: bed.made}
actions: [{run: sleeps, delay: 1h}]
"""
FILES = {"flows/work.py": FLOWS, "automations/sleep.yaml": RULE}
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def client(served):
    async with served(FILES) as client:
        await client.flows_found()
        yield client


def ids(page):
    return [one["id"] for one in page["items"]]


async def test_runs_are_listed_newest_first_and_in_pages(client):
    made = [await client.run("works", count=0) for _ in range(5)]
    assert ids(await client.get("/api/runs")) == made[::-1]
    found, cursor = [], ""
    while cursor is not None:
        page = await client.get(f"/api/runs?limit=2{cursor and f'&cursor={cursor}'}")
        found += ids(page)
        cursor = page["next"]
    assert found == made[::-1]


async def test_runs_are_found_by_state_flow_and_automation(client):
    event = {"specversion": "1.0", "id": "1", "source": "/t", "type": "bed.made"}
    await client.until("/api/automations", lambda page: page["items"])
    await client.post("/api/events", event, 202)
    works = await client.run("works")
    await client.ended(works)
    (slept,) = (await client.get("/api/runs?automation=sleep-on-it"))["items"]
    assert (slept["flow"], slept["state"], slept["correlationid"]) == ("sleeps", "scheduled", "1")
    assert ids(await client.get("/api/runs?state=completed")) == [works]
    assert ids(await client.get("/api/runs?flow=sleeps&state=scheduled")) == [slept["id"]]
    assert ids(await client.get("/api/runs?flow=works&automation=sleep-on-it")) == []


async def test_what_a_run_said_is_read_on_from_any_line(client):
    run = await client.run("works")
    await client.ended(run)
    whole = await client.get(f"/api/runs/{run}/logs")
    assert [line["message"] for line in whole["items"]] == ["line 0", "line 1", "line 2"]
    assert {(line["attempt"], line["level"]) for line in whole["items"]} == {(1, 20)}
    second = whole["items"][1]["seq"]
    rest = await client.get(f"/api/runs/{run}/logs?after={second}")
    assert rest["items"] == whole["items"][2:]
    first = await client.get(f"/api/runs/{run}/logs?limit=1")
    further = await client.get(f"/api/runs/{run}/logs?cursor={first['next']}")
    assert first["items"] + further["items"] == whole["items"]


async def test_the_tasks_of_a_run_are_listed_in_pages(client):
    run = await client.run("works")
    await client.ended(run)
    whole = await client.get(f"/api/runs/{run}/tasks")
    assert [one["name"] for one in whole["items"]] == ["double-0", "double-1", "double-2"]
    assert {one["state"] for one in whole["items"]} == {"completed"}
    assert all(one["duration"] >= 0 for one in whole["items"])
    first = await client.get(f"/api/runs/{run}/tasks?limit=1")
    rest = await client.get(f"/api/runs/{run}/tasks?limit=100&cursor={first['next']}")
    assert first["items"] + rest["items"] == whole["items"]


async def test_a_run_at_work_is_cancelled(client):
    run = await client.run("sleeps")
    await client.until(f"/api/runs/{run}", lambda one: one["state"] == "running")
    assert (await client.post(f"/api/runs/{run}/cancel"))["state"] == "cancelling"
    assert (await client.ended(run))["state"] == "cancelled"
    refused = await client.post(f"/api/runs/{run}/cancel", status=409)
    assert refused["code"] == "run_state"


async def test_a_run_that_failed_is_done_again_as_its_next_attempt(client, tmp_path):
    run = await client.run("mends", file=str(tmp_path / "mended"))
    failed = await client.ended(run)
    assert (failed["state"], failed["attempt"]) == ("failed", 1)
    assert "not yet" in failed["message"]
    again = await client.post(f"/api/runs/{run}/retry")
    assert (again["id"], again["ended"]) == (run, None)
    ended = await client.ended(run)
    assert (ended["state"], ended["attempt"], ended["id"]) == ("completed", 2, run)
    lines = (await client.get(f"/api/runs/{run}/logs"))["items"]
    tried = [line["attempt"] for line in lines if line["message"] == "tried"]
    assert tried == [1, 2]


async def test_a_run_that_waits_cannot_be_retried(client):
    made = await client.post("/api/flows/works/runs", {"delay": "1h"}, 201)
    refused = await client.post(f"/api/runs/{made['id']}/retry", status=409)
    assert refused["code"] == "run_state"


async def test_a_run_that_is_not_there_is_not_found(client):
    for method, path in [
        ("get", ""), ("get", "/logs"), ("get", "/tasks"), ("post", "/cancel"), ("post", "/retry"),
    ]:  # fmt: skip
        for run in (NOBODY, "nope", "%00", "%27%20or%201=1"):
            refused = await getattr(client, method)(f"/api/runs/{run}{path}", status=404)
            assert refused["code"] in {"run_unknown", "not_found"}, (method, path, run)


async def test_a_query_that_means_nothing_is_refused(client):
    run = await client.run("works")
    for query, status, code in [
        ("?state=done", 400, "parameter_invalid"),
        ("?sort=state", 400, "parameter_unknown"),
        ("?limit=0", 422, "unprocessable"),
        ("?limit=1001", 422, "unprocessable"),
        ("?cursor=abc", 400, "cursor_invalid"),
        (f"/{run}/logs?after=-1", 422, "unprocessable"),
        (f"/{run}/logs?after=99999999999999999999", 422, "unprocessable"),
        (f"/{run}/tasks?cursor=abc", 400, "cursor_invalid"),
    ]:
        assert (await client.get("/api/runs" + query, status=status))["code"] == code, query


async def test_a_cursor_of_another_list_is_refused(client):
    await client.run("works")
    cursor = (await client.get("/api/runs?limit=1"))["next"]
    refused = await client.get(f"/api/flows?cursor={cursor}", status=400)
    assert refused["code"] == "cursor_invalid"
