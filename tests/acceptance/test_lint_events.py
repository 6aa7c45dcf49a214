"""`ensue lint` holds rules against the events that are stored, wherever those are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ENSUE = Path(sys.executable).with_name("ensue")
RULE = """name: large
trigger:
  event: order.created
  where: event.data.totl >= 1000
actions: [{emit: order.large}]
---
name: other
trigger: {event: order.craeted}
actions: [{emit: order.other}]
"""
FLOWS = """name: runs
trigger: {event: order.created}
actions:
  - run: greet
  - run: geet
  - {run: greet, with: {who: Ada}}
"""
GREET = """from ensue import flow

@flow
def greet(who: str) -> str:
    return who
"""
MISTAKES = [("field_never_seen", 4), ("type_never_seen", 8)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "automations").mkdir(parents=True)
    (folder / "automations" / "rules.yaml").write_text(RULE)
    (folder / "ensue.toml").write_text("")
    (folder / "flows").mkdir()
    (folder / "flows" / "greet.py").write_text(GREET)
    return folder


def lint(*args: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENSUE_")}
    return subprocess.run(
        [str(ENSUE), *map(str, args)],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def told(made: subprocess.CompletedProcess[str]) -> tuple[list[tuple[str, int]], Any]:
    answer = json.loads(made.stdout)
    return [(one["code"], one["line"]) for one in answer["findings"]], answer["observed"]


def send(served: Any) -> None:
    for number in range(3):
        body = {"type": "order.created", "source": "/shop", "data": {"total": number}}
        assert served.post("/api/events", json.dumps(body).encode())[0] == 202


def test_beside_a_database_and_from_a_server(serving: Any, project: Path, tmp_path: Path) -> None:
    with serving(project, "--log-level", "error") as served:
        send(served)
        found, observed = told(lint("lint", project, "--json"))  # beside the server that runs
        assert found == MISTAKES
        assert observed["origin"].endswith("ensue.db")
        assert (observed["events"], observed["types"]) == (3, 1)

        rules = tmp_path / "elsewhere.yaml"
        rules.write_text(RULE)
        found, observed = told(lint("lint", "--api-url", served.url, rules, "--json"))
        assert (found, observed["origin"]) == (MISTAKES, served.url)
        assert told(lint("lint", rules, "--json", ENSUE_API_URL=served.url))[0] == MISTAKES

        served.await_ready()
        rules.write_text(FLOWS)
        found, _ = told(lint("lint", "--api-url", served.url, rules, "--json"))
        assert found == [("parameter_missing", 4), ("flow_unknown", 5)]
        assert told(lint("lint", rules, "--json"))[0] == []

    made = lint("lint", project)  # with nobody there
    assert made.returncode == 0
    assert "[field_never_seen]" in made.stdout
    assert "did you mean `data.total`?" in made.stdout
    assert "held against 3 events of 1 types in " in made.stdout
    assert lint("lint", project, "--strict").returncode == 1
    assert told(lint("lint", project, "--events", "0", "--json")) == ([], None)


def test_without_any_events_only_the_rules_are_looked_at(project: Path, tmp_path: Path) -> None:
    made = lint("lint", project, "--strict")
    assert made.returncode == 0
    assert "no events were looked at: none are stored yet" in made.stdout
    assert not (project / ".ensue").exists()
    rules = tmp_path / "elsewhere.yaml"
    rules.write_text(RULE)
    assert "no events were looked at: --api-url names" in lint("lint", rules).stdout


def test_a_server_that_was_named_is_to_answer(project: Path) -> None:
    made = lint("--api-url", "http://127.0.0.1:1", "lint", project)
    assert made.returncode == 3
    assert "no Ensue server answers at http://127.0.0.1:1" in made.stderr
    made = lint("lint", project, ENSUE_API_URL="http://127.0.0.1:1")
    assert made.returncode == 0
    assert "no events were looked at: no Ensue server answers" in made.stdout


def test_a_database_that_cannot_be_read_is_no_reason_to_fail(project: Path) -> None:
    (project / ".ensue").mkdir()
    (project / ".ensue" / "ensue.db").write_bytes(b"no database at all, but long enough" * 100)
    made = lint("lint", project)
    assert made.returncode == 0
    assert "no events were looked at: " in made.stdout
