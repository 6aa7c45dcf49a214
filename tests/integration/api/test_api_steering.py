"""A whole server whose rules retry, cancel, pause and resume, with real runs; seen over the API."""

from __future__ import annotations

import pytest

FLOWS = """
import time
from pathlib import Path

from ensue import flow


@flow
def mends(file: str):
    if not Path(file).exists():
        Path(file).touch()
        raise ValueError("not yet")
    return "mended"


@flow
def breaks():
    raise ValueError("never")


@flow
def sleeps():
    time.sleep(600)
"""
RULES = """
name: retry-once
trigger: {event: ensue.run.failed}
throttle: {at_most: 1, every: 7d, per: subject}
actions: [{retry: {}}]
---
name: wake
trigger: {event: alarm.rang}
actions: [{cancel: {flow: sleeps}}]
---
name: freeze
trigger: {event: [freeze.began, freeze.ended]}
actions:
  - {pause: {flow: mends}, if: event.type == "freeze.began"}
  - {resume: {flow: mends}, if: event.type == "freeze.ended"}
  - {pause: {automation: wake}, if: event.type == "freeze.began"}
"""
FILES = {"flows/work.py": FLOWS, "automations/rules.yaml": RULES}


@pytest.fixture
async def client(served):
    async with served(FILES) as client:
        await client.flows_found()
        yield client


async def send(client, type_):
    event = {"specversion": "1.0", "id": type_, "source": "/t", "type": type_}
    headers = {"Content-Type": "application/cloudevents+json"}
    await client.post("/api/events", event, 202, headers=headers)


async def became(client, run, state):
    return await client.until(f"/api/runs/{run}", lambda one: one["state"] == state)


async def test_a_failed_run_is_retried_once(client, tmp_path):
    mends, breaks = await client.run("mends", file=str(tmp_path / "f")), await client.run("breaks")
    mended = await became(client, mends, "completed")
    assert (mended["attempt"], mended["result"]) == (2, "mended")
    broken = await client.until(
        f"/api/runs/{breaks}", lambda one: one["state"] == "failed" and one["attempt"] == 2
    )
    assert broken["message"]
    page = await client.get("/api/automations/retry-once/firings")
    outcomes = sorted(one["outcome"] for one in page["items"])
    assert outcomes == ["acted", "acted", "suppressed"]
    acted = [one for one in page["items"] if one["outcome"] == "acted"]
    assert {one["actions"][0]["result"]["run"] for one in acted} == {mends, breaks}
    assert [one["actions"][0]["kind"] for one in acted] == ["retry", "retry"]


async def test_a_run_that_has_begun_is_cancelled(client):
    run = await client.run("sleeps")
    await became(client, run, "running")
    await send(client, "alarm.rang")
    over = await became(client, run, "cancelled")
    assert over["message"] == "cancelled by the rule wake"


async def test_a_paused_flow_waits_and_a_paused_rule_does_not_listen(client, tmp_path):
    (tmp_path / "f").touch()
    await send(client, "freeze.began")
    flows = {one["name"]: one for one in (await client.get("/api/flows"))["items"]}
    assert [flows[name]["paused"] for name in ("mends", "sleeps")] == [True, False]
    rule = await client.get("/api/automations/wake")
    assert (rule["status"], rule["pause_reason"]) == ("paused", "by freeze")
    run = await client.run("mends", file=str(tmp_path / "f"))
    sleeper = await client.run("sleeps")
    await became(client, sleeper, "running")
    await send(client, "alarm.rang")
    assert (await client.get(f"/api/runs/{run}"))["state"] == "scheduled"
    assert (await client.get(f"/api/runs/{sleeper}"))["state"] == "running"

    await send(client, "freeze.ended")
    await became(client, run, "completed")
    await client.post("/api/automations/wake/resume")
    await client.post(f"/api/runs/{sleeper}/cancel")
    await became(client, sleeper, "cancelled")


async def test_what_came_of_a_firing_by_hand_names_no_run_that_it_only_steered(client):
    run = await client.run("sleeps")
    asked = await client.post("/api/automations/wake/fire", {}, 202)
    assert asked["runs"] == []
    assert asked["actions"][0]["kind"] == "cancel"
    await became(client, run, "cancelled")
