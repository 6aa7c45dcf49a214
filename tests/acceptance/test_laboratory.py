"""The rule laboratory from the command line, against a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RULES = """
name: greet
trigger: {event: order.created, match: {data: {country: [DE]}}}
actions:
  - emit: order.greeted
    data: {total: "${event.data.total}"}
"""
DRAFT = """name: large
trigger: {event: order.created, where: event.data.total >= 1000}
actions: [{emit: order.large, data: {id: "${event.data.id}"}}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "automations"
    folder.mkdir(parents=True)
    (folder / "greet.yaml").write_text(RULES)
    (folder.parent / "ensue.toml").write_text("")
    return folder.parent


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    file = tmp_path / "draft.yaml"
    file.write_text(DRAFT)
    return file


@pytest.fixture
def service(serving: Any, project: Path) -> Any:
    with serving(project, "--log-level", "error") as served:
        for number in range(3):
            data = {"id": f"a{number}", "total": 1000 * number, "country": ("DE", "US")[number % 2]}
            body = {"type": "order.created", "id": f"o{number}", "source": "/shop", "data": data}
            assert served.post("/api/events", json.dumps(body).encode())[0] == 202
        yield served


def test_a_draft_is_tried_on_the_stored_events(service: Any, draft: Path, project: Path) -> None:
    made = service.command("backtest", str(draft))
    assert made.returncode == 0, made.stderr
    first, action, *rest = made.stdout.splitlines()
    assert "large order.created o1" in first
    assert (
        action.strip() == 'emit order.large  {"source": "/automations/large", "data": {"id": "a1"}}'
    )
    assert "large order.created o2" in rest[0]
    assert "2 firings over" in made.stderr
    told = json.loads(service.command("backtest", str(project), "--json").stdout)
    assert [one["event"]["id"] for one in told["shown"]] == ["o0", "o2"]
    assert told["rules"][0]["fired"] == 2

    before = service.command("backtest", str(draft), "--until", "1d")
    assert "Nothing is stored from that time" in before.stderr
    draft.write_text(f"{DRAFT}---\nname: broken\ntrigger: {{evnt: x}}\nactions: [{{emit: y}}]\n")
    broken = service.command("backtest", str(draft))
    assert broken.returncode == 1
    assert f"invalid {draft}:6:10: trigger: " in broken.stdout
    assert "large order.created o1" in broken.stdout


def test_an_event_explains_what_each_rule_made_of_it(service: Any) -> None:
    fired = service.command("explain", "o2").stdout.splitlines()
    assert fired[0].startswith("order.created from /shop")
    assert fired[1].startswith("✓ greet automations/greet.yaml:2 fired")
    missed = service.command("explain", "o1").stdout
    assert "✗ greet automations/greet.yaml:2" in missed
    assert "data.country: wanted DE, was US" in missed
    told = json.loads(service.command("explain", "o1", "--automation", "greet", "--json").stdout)
    assert told["missed"][0]["automation"] == "greet"
    unknown = service.command("explain", "o1", "--automation", "gret")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "did you mean `greet`?" in unknown.stderr


def test_a_draft_is_planned_and_applied_once_somebody_agreed(service: Any, draft: Path) -> None:
    planned = service.command("plan", str(draft))
    assert planned.returncode == 0, planned.stderr
    assert f"+ created large {draft}:1" in planned.stdout
    assert "would have fired 2 times over" in planned.stdout
    assert "1 created\nOld and new compared over " in planned.stderr
    bounded = service.command("plan", str(draft), "--events", "1", "--since", "1h")
    assert "compared over the newest 1 events" in bounded.stderr
    assert "were not looked at: --events N looks at more." in bounded.stderr
    assert "No events were looked at" in service.command("plan", str(draft), "--events", "0").stderr

    alone = service.command("apply", str(draft))
    assert alone.returncode == 1
    assert "say --yes" in alone.stderr
    assert [one["name"] for one in service.get("/api/automations")["items"]] == ["greet"]
    applied = service.command("apply", str(draft), "--yes")
    assert (applied.returncode, applied.stdout.splitlines()[-1]) == (0, "created large")

    draft.write_text(DRAFT.replace("1000", "100"))
    assert "trigger.where: event.data.total >= 1000 → event.data.total >= 100" in (
        changed := service.command("plan", str(draft)).stdout
    )
    assert "what its windows hold is lost" not in changed
    assert "would have fired 2 times, as before" in changed
    assert service.command("apply", str(draft), "-y").stdout.splitlines()[-1] == "updated large"
    again = service.command("apply", str(draft))
    assert (again.returncode, again.stdout) == (0, "")
    assert "1 unchanged" in again.stderr

    draft.write_text(DRAFT.replace("large", "huge"))
    pruned = service.command("apply", str(draft), "--prune", "--yes", "--json")
    told = json.loads(pruned.stdout)
    assert (told["created"], told["deleted"]) == (["huge"], ["large"])


def test_what_the_directory_brings_or_is_not_in_order_is_not_applied(
    service: Any, draft: Path
) -> None:
    draft.write_text(RULES.replace("[DE]", "[FR]"))
    refused = service.command("apply", str(draft), "--yes")
    assert refused.returncode == 1
    assert "greet is brought by the project directory" in refused.stderr
    assert "automations/greet.yaml" in refused.stderr
    draft.write_text("name: broken\ntrigger: {event: x}\nactions: [{emti: y}]\n")
    broken = service.command("plan", str(draft))
    assert broken.returncode == 1
    assert f"invalid {draft}:3:11: actions[0]: " in broken.stdout
    assert service.command("apply", str(draft), "--yes").returncode == 1


def test_without_rules_or_a_server_it_says_what_to_do(serving: Any, tmp_path: Path) -> None:
    with serving(tmp_path, "--log-level", "error") as served:
        nothing = served.command("backtest", str(tmp_path / "nowhere"))
        empty = served.command("plan", str(tmp_path))
    assert (nothing.returncode, empty.returncode) == (1, 1)
    assert "there is nothing at" in nothing.stderr
    assert "there are no rules in" in empty.stderr
    file = tmp_path / "draft.yaml"
    file.write_text(DRAFT)
    for command in ("backtest", "plan", "apply"):
        made = served.command(command, str(file))
        assert (made.returncode, made.stdout) == (3, "")
        assert "no server answers" in made.stderr
