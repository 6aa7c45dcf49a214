"""`ensue serve` as its users have it: starts, refusals, files that change, and graceful stops."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ENSUE = Path(sys.executable).with_name("ensue")
RULE = """
name: follow
trigger: {event: thing.happened}
actions:
  - emit: thing.followed
    data: {n: "${event.data.n}"}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "automations").mkdir(parents=True)
    (folder / "automations" / "follow.yaml").write_text(RULE)
    (folder / "ensue.toml").write_text("")
    return folder


def refused(*args: str) -> str:
    """What `ensue serve` says when it does not start."""
    ended = subprocess.run(
        [str(ENSUE), "serve", *args], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


def eventually(holds: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.05)
    return found


def test_it_says_where_it_is_and_what_it_serves(serving, project):
    with serving(project) as served:
        said = "".join(served.said)
        assert str(project) in said
        assert served.url in said
        assert "rules" in said
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=30) == 0


def test_a_second_server_on_one_file_is_refused(serving, project):
    with serving(project) as served:
        said = refused(str(project), "--port", "0")
        assert "in use by another server" in said
        assert str(served.process.pid) in said


def test_a_port_that_is_taken_is_named(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}" in refused(str(project), "--port", port)


def test_a_database_of_a_newer_program_is_refused_with_both_versions(serving, project):
    with serving(project):
        pass
    with sqlite3.connect(project / ".ensue" / "ensue.db") as database:
        database.execute("INSERT INTO schema_version (version, at) VALUES (999, 0)")
    database.close()
    said = refused(str(project), "--port", "0")
    assert "999" in said
    assert "knows up to" in said


@pytest.mark.parametrize(
    ("flags", "settings", "words"),
    [
        (("--host", "0.0.0.0"), "", "--insecure"),
        (("--database", "mysql://x/y"), "", "mysql"),
        (("--database", "postgresql://nobody@127.0.0.1:1/none"), "", "cannot be reached"),
        ((), "prot = 1\n", "did you mean `port`"),
        ((), "port = 'many'\n", "ensue.toml:1"),
        ((), "port = \n", "ensue.toml:1"),
    ],
)
def test_a_setting_that_cannot_be_is_told_in_a_line(project, flags, settings, words):
    (project / "ensue.toml").write_text(settings)
    said = refused(str(project), *flags)
    assert words in said
    assert len(said.strip().splitlines()) <= 2


def test_a_directory_that_is_none_is_told(tmp_path):
    assert "ensue init" in refused(str(tmp_path / "nothing"))


def test_files_take_effect_when_they_change(serving, project):
    with serving(project) as served:

        def rules() -> dict[str, Any]:
            return {one["name"]: one for one in served.get("/api/automations")["items"]}

        assert rules()["follow"]["status"] == "active"
        file = project / "automations" / "follow.yaml"
        file.write_text(RULE.replace("name: follow", "name: follow\ndescription: changed"))
        eventually(lambda: rules()["follow"]["revision"] == 2)
        file.write_text(RULE.replace("trigger:", "triger:"))
        problem = eventually(lambda: rules()["follow"].get("problem"))
        assert problem["line"] > 0
        # What was right before goes on working.
        served.post("/api/events", b'{"type": "thing.happened", "data": {"n": 1}}')
        assert served.get("/api/events?type=thing.followed")["items"]
        file.unlink()
        eventually(lambda: not rules())


def test_hooks_come_and_go_with_their_file(serving, project):
    (project / "sources").mkdir()
    with serving(project) as served:
        assert served.post("/hooks/lab", b"{}")[0] == 404
        file = project / "sources" / "hooks.yaml"
        file.write_text("webhooks:\n  lab: {verify: none}\n")
        eventually(lambda: served.post("/hooks/lab", b'{"a": 1}')[0] in {200, 202})
        file.write_text("webhooks: {}\n")
        eventually(lambda: served.post("/hooks/lab", b'{"a": 2}')[0] == 410)


class Sender:
    """Sends numbered events one after the other, over and over, and writes down the answers."""

    def __init__(self, number: int, where: dict[str, str]) -> None:
        self._number = number
        self._where = where
        self.acknowledged: set[str] = set()
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self.over.set()
        self._thread.join(timeout=30)

    def _send(self) -> None:
        n, connection = 0, None
        while not self.over.is_set():
            id_ = f"{self._number}-{n}"
            body = {"type": "thing.happened", "source": "/t", "id": id_, "data": {"n": n}}
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(
                        urlsplit(self._where["url"]).netloc, timeout=10
                    )
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/api/events", json.dumps(body), headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                if connection:
                    connection.close()
                connection = None
                continue  # the same one again: nobody knows whether it was taken
            if answer.status == 202:
                self.acknowledged.add(id_)
                n += 1


@pytest.mark.slow
def test_stops_under_load_lose_nothing_and_do_nothing_twice(serving, project):
    where = {"url": ""}
    senders: list[Sender] = []
    for _ in range(4):
        with serving(project) as served:
            where["url"] = served.url
            senders = senders or [Sender(n, where) for n in range(4)]
            before = sum(len(sender.acknowledged) for sender in senders)
            eventually(lambda: sum(len(s.acknowledged) for s in senders) > before + 50)  # noqa: B023 - it is called here
            began = time.monotonic()
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(timeout=30) == 0
            assert time.monotonic() - began < 30
    for sender in senders:
        sender.end()
    acknowledged = set().union(*(sender.acknowledged for sender in senders))
    with serving(project) as served:
        taken = [event["id"] for event in served.events(type="thing.happened")]
        followed = [event["causationid"] for event in served.events(type="thing.followed")]
    assert len(acknowledged) >= 200
    assert acknowledged <= set(taken)
    assert len(taken) == len(set(taken))
    assert sorted(followed) == sorted(taken)
