"""`ensue automations windows`, against a real server."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ENSUE = Path(sys.executable).with_name("ensue")

RULES = """
name: burst
trigger: {count: login.failed, at_least: 3, within: 10m, per: subject}
actions: [{emit: burst.seen}]
---
name: plain
trigger: {event: login.failed}
actions: [{emit: failed.seen}]
"""


@pytest.fixture
def service(serving: Any, tmp_path: Path) -> Any:
    folder = tmp_path / "project" / "automations"
    folder.mkdir(parents=True)
    (folder / "rules.yaml").write_text(RULES)
    with serving(folder.parent, "--log-level", "error") as served:
        yield served


def test_what_is_partially_matched_is_shown_by_key(service: Any) -> None:
    nothing = service.command("automations", "windows")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr == "Nothing is partially matched.\n"
    plain = service.command("automations", "windows", "plain")
    assert "plain keeps no windows" in plain.stderr

    for number, subject in enumerate(("db-1", "db-1", "db-2")):
        body = {"type": "login.failed", "id": f"e{number}", "source": "/t", "subject": subject}
        assert service.post("/api/events", json.dumps(body).encode())[0] == 202
    made = service.command("automations", "windows")
    assert made.returncode == 0, made.stderr
    heading, first, second = made.stdout.splitlines()
    assert heading.split() == ["AUTOMATION", "TRIGGER", "KEY", "WINDOW"]
    assert first.split()[:7] == ["burst", "count", "db-1", "2", "of", "3,", "9m"]
    assert second.split()[:6] == ["burst", "count", "db-2", "1", "of", "3,"]

    short = service.command("automations", "windows", "burst", "--limit", "1")
    assert short.stdout.splitlines()[1].split()[:2] == ["count", "db-1"]
    cursor = short.stderr.partition("--cursor ")[2].strip()
    rest = service.command("automations", "windows", "burst", "--cursor", cursor, "--json")
    assert [one["key"] for one in json.loads(rest.stdout)["items"]] == ["db-2"]
    keyed = service.command("automations", "windows", "--key", "db-2", "--json")
    assert [one["key"] for one in json.loads(keyed.stdout)["items"]] == ["db-2"]

    watched = service.command("automations", "windows", "--watch")
    assert (watched.returncode, "for a terminal" in watched.stderr) == (2, True)
    unknown = service.command("automations", "windows", "bursts")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "did you mean `burst`?" in unknown.stderr


def test_a_rule_that_is_paused_is_said_to_hear_nothing(service: Any) -> None:
    body = {"type": "login.failed", "id": "e1", "source": "/t", "subject": "db-1"}
    assert service.post("/api/events", json.dumps(body).encode())[0] == 202
    assert service.command("automations", "pause", "burst").returncode == 0
    assert "burst is paused or disabled" in service.command("automations", "windows").stderr


def test_watched_windows_are_looked_at_again_until_it_is_interrupted(service: Any) -> None:
    ours, theirs = pty.openpty()
    command = [str(ENSUE), "automations", "windows", "burst", "--watch"]
    environment = {**os.environ, "ENSUE_API_URL": service.url, "TERM": "xterm", "COLUMNS": "80"}
    watching = subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        read_until(ours, "Nothing is partially matched")
        body = {"type": "login.failed", "id": "e1", "source": "/t", "subject": "db-1"}
        assert service.post("/api/events", json.dumps(body).encode())[0] == 202
        read_until(ours, "1 of 3")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=30) == 130
    finally:
        watching.kill()
        watching.wait()
        os.close(ours)


def read_until(terminal: int, words: str) -> None:
    """Read what is shown, until these words are."""
    shown, deadline = "", time.monotonic() + 30
    while words not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4_096).decode(errors="replace")
