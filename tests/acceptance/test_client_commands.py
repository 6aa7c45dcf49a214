"""The commands of a client, each in a process of its own against a real server."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "github"
FLOWS = """
import time
from pathlib import Path

from ensue import flow


@flow(log_prints=True)
def long():
    print("it takes long")
    time.sleep(600)


@flow
def mends(file: str):
    if not Path(file).exists():
        Path(file).touch()
        raise ValueError("not yet")
    return "mended"
"""
TELL = """
name: tell
trigger: {event: order.created}
actions: [{call: "${vars.url}", body: "${event.data}"}]
"""
ISSUE = {"issue": {"number": 7, "title": "It crashes", "state": "open", "labels": []}}


class Receiver:
    """Answers with `status`, and notes the idempotency keys that it was called with."""

    def __init__(self) -> None:
        self.status = 410
        self.keys: SimpleQueue[str] = SimpleQueue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.keys.put(self.headers["Idempotency-Key"])
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


class Commands:
    """`ensue …` against a server."""

    def __init__(self, served: Any) -> None:
        self.run = served.command

    def text(self, *args: str) -> str:
        """What a command that ends well writes to stdout."""
        made = self.run(*args)
        assert made.returncode == 0, (args, made.stdout, made.stderr)
        return str(made.stdout)

    def json(self, *args: str) -> Any:
        return json.loads(self.text(*args, "--json"))

    def refused(self, *args: str) -> str:
        """What a command that fails writes to stderr; nothing is on stdout."""
        made = self.run(*args)
        assert (made.returncode, made.stdout) == (1, ""), (args, made.stdout, made.stderr)
        assert "Traceback" not in made.stderr
        return str(made.stderr)

    def until(self, holds: Callable[[Any], Any], *args: str) -> Any:
        """What the command tells once that holds."""
        deadline = time.monotonic() + 30
        while not holds(told := self.json(*args)):
            assert time.monotonic() < deadline, told
        return told


@pytest.fixture
def ensue(
    serving: Callable[..., AbstractContextManager[Any]], tmp_path: Path, receiver: Receiver
) -> Iterator[Commands]:
    """The example of GitHub, with two flows and a rule more."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns(".ensue", "__pycache__"))
    (project / "flows" / "more.py").write_text(FLOWS)
    (project / "automations" / "tell.yaml").write_text(TELL)
    settings = f'[calls]\nallow_private_targets = ["127.0.0.1"]\n[vars]\nurl = "{receiver.url}"\n'
    (project / "ensue.toml").write_text(settings)
    with serving(project, "--log-level", "error", GITHUB_WEBHOOK_SECRET="unused") as served:
        commands = Commands(served)
        commands.until(lambda told: len(told["items"]) == 4, "flows", "ls")
        yield commands


def test_rules_are_seen_steered_and_fired(ensue: Commands) -> None:
    listed = ensue.text("automations", "ls")
    for name in ("announce-triage", "tell", "triage-new-issues"):
        assert f"{name} " in listed
    assert "automations/triage.yaml" in ensue.text("automations", "show", "triage-new-issues")

    assert ensue.text("automations", "pause", "tell") == "tell paused\n"
    statuses = {one["name"]: one["status"] for one in ensue.json("automations", "ls")["items"]}
    assert (statuses["tell"], statuses["announce-triage"]) == ("paused", "active")
    assert ensue.text("automations", "resume", "tell") == "tell active\n"

    data = {"result": {"number": 1, "priority": "high", "title": "It crashes"}}
    fired = ensue.text("automations", "fire", "announce-triage", "-d", json.dumps(data))
    run = fired.split()[-1]
    assert "#1 is high: It crashes" in ensue.text("runs", "logs", "-f", run)
    assert ensue.json("automations", "show", "announce-triage")["firings"] == 1

    failed = ensue.run("automations", "fire", "announce-triage")
    assert failed.returncode == 1
    assert "its action run failed" in failed.stderr


def test_a_flow_is_run_and_watched(ensue: Commands) -> None:
    listed = ensue.text("flows", "ls")
    assert "announce" in listed
    assert "text*" in listed
    assert "flows/triage.py:announce" in ensue.text("flows", "show", "announce")

    watched = ensue.text("run", "announce", "-p", "text=good news", "--watch")
    assert "good news" in watched
    assert "announce completed in" in watched.splitlines()[-1]

    failed = ensue.run("run", "mends", "-p", "file=/nowhere/to/be/found", "--watch")
    assert failed.returncode == 1
    assert "mends failed" in failed.stdout

    assert "did you mean `announce`?" in ensue.refused("run", "anounce")
    assert "did you mean `text`?" in ensue.refused("run", "announce", "-p", "txt=hello")

    assert ensue.text("flows", "pause", "announce") == "announce paused\n"
    waiting = ensue.json("run", "announce", "-p", "text=later")["id"]
    assert ensue.text("flows", "resume", "announce") == "announce active\n"
    assert "later" in ensue.text("runs", "logs", "-f", waiting)


def test_runs_are_seen_cancelled_and_tried_again(ensue: Commands, tmp_path: Path) -> None:
    run = ensue.json("run", "long", "--tag", "slow")["id"]
    ensue.until(lambda told: told["state"] == "running", "runs", "show", run)
    assert ensue.text("runs", "cancel", run).startswith(f"{run} cancel")
    ensue.until(lambda told: told["state"] == "cancelled", "runs", "show", run)
    assert "cannot be cancelled" in ensue.refused("runs", "cancel", run)

    mended = tmp_path / "mended"
    ensue.run("run", "mends", "-p", f"file={mended}", "--watch")
    listed = ensue.json("runs", "ls", "--flow", "mends")["items"]
    assert [(one["state"], one["attempt"]) for one in listed] == [("failed", 1)]
    assert listed[0]["id"] in ensue.text("runs", "ls", "--state", "failed")
    ensue.text("runs", "retry", listed[0]["id"])
    ended = ensue.until(lambda told: told["ended"], "runs", "show", listed[0]["id"])
    assert (ended["state"], ended["attempt"], ended["result"]) == ("completed", 2, "mended")

    first = ensue.json("runs", "ls", "--limit", "1")
    second = ensue.json("runs", "ls", "--limit", "1", "--cursor", first["next"])
    assert [page["items"][0]["flow"] for page in (first, second)] == ["mends", "long"]
    for command in ("show", "logs", "cancel", "retry"):
        assert "there is no run" in ensue.refused("runs", command, "nope")


def test_an_event_is_replayed_and_what_ensued_is_a_tree(ensue: Commands) -> None:
    emitted = ensue.json(
        "emit", "github.issues.opened", "--subject", "octo/hello", "-d", json.dumps(ISSUE)
    )
    event = emitted["ids"][0]
    told = ensue.until(
        lambda told: len(told["items"]) == 1 and told["items"][0]["ended"],
        "runs", "ls", "--flow", "announce",
    )  # fmt: skip
    tree = ensue.text("lineage", event).splitlines()
    assert tree[0].startswith("github.issues.opened octo/hello")
    runs = [line for line in tree if "── run " in line]
    assert [line.split("── run ")[1].split()[:2] for line in runs] == [
        ["triage-issue", "scheduled"],
        ["announce", "scheduled"],
    ]
    assert all("→ running" in line and "→ completed" in line for line in runs)
    assert runs[1].endswith(told["items"][0]["id"])
    assert runs[0].index("─") < runs[1].index("─"), "one stands below the other"
    every = ensue.text("lineage", "--all", event).splitlines()
    assert sum("ensue.run.completed" in line for line in every) == 2
    assert len(every) == len(ensue.json("lineage", event)["items"])
    assert ensue.text("lineage", told["items"][0]["id"]).splitlines() == tree

    assert ensue.text("replay", event).splitlines()[-1] == "1 firing"
    again = ensue.json("replay", event, "--automation", "triage-new-issues")
    assert len(again["firing_ids"]) == 1
    runs = ensue.json("runs", "ls", "--automation", "triage-new-issues")["items"]
    assert len(runs) == 3
    assert "there is no event" in ensue.refused("replay", "nope")
    assert "there is no automation nope" in ensue.refused("replay", event, "--automation", "nope")


def test_what_was_given_up_is_listed_and_tried_again(ensue: Commands, receiver: Receiver) -> None:
    assert "Nothing was given up" in ensue.run("dead", "ls").stderr
    ensue.text("emit", "order.created", "-d", '{"id": "a1"}')
    (dead,) = ensue.until(lambda told: told["items"], "dead", "ls")["items"]
    listed = ensue.text("dead", "ls")
    assert dead["id"] in listed
    assert "410" in listed
    receiver.status = 200
    assert ensue.text("dead", "replay", dead["id"]) == f"{dead['id']} pending\n"
    ensue.until(lambda told: not told["items"], "dead", "ls")
    assert [receiver.keys.get(timeout=30) for _ in range(2)] == [dead["id"]] * 2
    assert "there is no action" in ensue.refused("dead", "replay", "nope")
