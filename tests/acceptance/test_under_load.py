"""`ensue serve` under load: more processes come to help, nothing is lost, and all of them end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

RULE = """
name: follow
trigger: {event: thing.happened, where: event.data.n % 100 == 0}
actions:
  - emit: thing.followed
    data: {n: "${event.data.n}"}
"""
CONNECTIONS = 32
FILL = "x" * 1_500
READER, WAITER = "ensue_server.reader", "disk_waiter.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "automations").mkdir()
    (tmp_path / "automations" / "follow.yaml").write_text(RULE)
    (tmp_path / "ensue.toml").write_text("")
    return tmp_path


def request(number: int) -> bytes:
    body = json.dumps(
        {
            "specversion": "1.0",
            "id": f"n{number}",
            "source": "/load",
            "type": "thing.happened",
            "data": {"n": number, "fill": FILL},
        }
    ).encode()
    head = (
        "POST /api/events HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/cloudevents+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Load:
    """Clients that send one event after another, in a thread of their own."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._address = address.hostname, address.port
        self._over = threading.Event()
        self._next = 0
        self.accepted: list[str] = []
        self.others: list[bytes] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(30)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(CONNECTIONS)))

    async def _client(self) -> None:
        while not self._over.is_set():
            try:
                reader, writer = await asyncio.open_connection(*self._address)
                try:
                    while not self._over.is_set():
                        await self._post(reader, writer)
                finally:
                    writer.close()
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)

    async def _post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._next = self._next, self._next + 1
        writer.write(request(number))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if head.startswith(b"HTTP/1.1 202"):
            self.accepted += json.loads(body)["ids"]
        else:
            self.others.append(head + body)


def helpers(pid: int) -> dict[str, int]:
    """The processes that help this one, by what they are."""
    found: dict[str, int] = {}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_text()
            found |= {name: int(child) for name in (READER, WAITER) if name in command}
    return found


def until(holds: Callable[[], Any], seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def gone(processes: dict[str, int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in processes.values())


@pytest.fixture
def load() -> Iterator[Callable[[str], Load]]:
    begun: list[Load] = []

    def begin(url: str) -> Load:
        begun.append(Load(url))
        return begun[-1]

    yield begin
    for one in begun:
        one.stop()


def both(pid: int) -> dict[str, int]:
    found = helpers(pid)
    return found if len(found) == 2 else {}


def test_under_load_two_processes_help_and_end_with_the_server(serving, project, load):
    with serving(project) as served:
        clients = load(served.url)
        found = until(lambda: both(served.process.pid))
        time.sleep(1)
        clients.stop()
        assert clients.others == []
        stored = [event["id"] for event in served.events(source="/load")]
        assert sorted(stored) == sorted(clients.accepted)
        followed = {event["data"]["n"] for event in served.events(type="thing.followed")}
        assert followed == {n for n in map(number, stored) if n % 100 == 0}
    until(lambda: gone(found))


def number(id_: str) -> int:
    return int(id_.removeprefix("n"))


def test_a_stop_under_load_answers_what_was_begun(serving, project, load):
    with serving(project) as served:
        clients = load(served.url)
        found = until(lambda: both(served.process.pid))
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0
        clients.stop()
    until(lambda: gone(found))
    assert all(b"503" in answer for answer in clients.others)
    with serving(project) as served:
        stored = {event["id"] for event in served.events(source="/load")}
    assert stored >= set(clients.accepted)


def test_whoever_helps_dies_with_the_server_and_nothing_acknowledged_is_lost(
    serving, project, load
):
    with serving(project) as served:
        clients = load(served.url)
        found = until(lambda: both(served.process.pid))
        served.process.kill()
        served.process.wait()
        clients.stop()
    until(lambda: gone(found))
    with serving(project) as served:
        stored = {event["id"] for event in served.events(source="/load")}
    assert stored >= set(clients.accepted)


@pytest.mark.parametrize("name", [READER, WAITER])
def test_a_helper_that_is_killed_is_done_without(serving, project, load, name):
    with serving(project) as served:
        clients = load(served.url)
        found = until(lambda: both(served.process.pid))
        os.kill(found[name], signal.SIGKILL)
        until(lambda: helpers(served.process.pid).get(name) != found[name])
        before = len(clients.accepted)
        until(lambda: len(clients.accepted) > before + 500)
        clients.stop()
        assert clients.others == []
        stored = {event["id"] for event in served.events(source="/load")}
        assert stored >= set(clients.accepted)
