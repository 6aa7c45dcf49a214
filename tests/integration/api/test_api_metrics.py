"""What the service says of itself in figures."""

from __future__ import annotations

import re
from typing import Any

from base.figures import Figures
from base.metrics import Metrics
from engine.figures import count_runs

RULE = """
name: greet
trigger: {event: hello}
actions: [{run: greet}]
"""
FLOW = """
from ensue import flow

@flow
def greet():
    pass
"""


async def figures(client: Any) -> dict[str, float]:
    async with client.session.get(client.app.url + "/metrics") as response:
        text = await response.text()
    rows = re.findall(r"^(\w+(?:\{[^}]*\})?) ([\d.e+-]+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in rows}


async def test_an_event_and_the_run_it_sets_off_are_counted(served):
    async with served({"automations/a.yaml": RULE, "flows/a.py": FLOW}) as client:
        await client.flows_found()
        await client.post("/api/events", {"type": "hello"}, 202)
        await client.until("/api/runs", lambda page: [r for r in page["items"] if r["ended"]])
        found = await figures(client)
    assert found['ensue_firings_total{automation="greet",outcome="acted"}'] == 1
    assert found['ensue_runs_total{state="completed"}'] == 1
    assert found["ensue_launch_seconds_count"] == 1
    assert found['ensue_run_seconds_count{flow="greet"}'] == 1
    assert found["ensue_journal_wait_seconds_count"] == found["ensue_journal_commit_seconds_count"]
    assert found["ensue_journal_waiting_bytes"] == 0


async def test_workers_and_runs_under_way_are_counted_in_the_database(served):
    async with served() as client:
        floors = client.app.floors
        await Figures(floors.database, count_runs(floors.metrics)).count()
        found = await figures(client)
    assert found['ensue_workers_online{pool="default"}'] == 1
    assert not [name for name in found if name.startswith("ensue_runs_active")]


def test_every_metric_is_counted_by_some_part_of_the_service():
    from pathlib import Path

    root = Path(__file__).resolve().parents[3]
    floors = ("server", "engine", "automations", "triggers", "events")
    code = "".join(file.read_text() for floor in floors for file in (root / floor).rglob("*.py"))
    own = [name for name in vars(Metrics()) if name != "registry"]
    assert [name for name in own if f"metrics.{name}" not in code] == []
