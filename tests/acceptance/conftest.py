"""The service as its users have it: `ensue serve` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ENSUE = Path(sys.executable).with_name("ensue")
Event = dict[str, Any]


def bare_environment(**more: str) -> dict[str, str]:
    """This process's environment without a setting of Ensue's, and with what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENSUE_")}
    return {**kept, **more}


@dataclass(frozen=True)
class Served:
    """A service that is ready. `said` is what it wrote to stderr so far."""

    url: str
    process: subprocess.Popen[str]
    said: list[str]

    def get(self, path: str) -> Any:
        """The JSON of the answer, whatever its status."""
        try:
            return json.loads(self.text(path))
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)

    def text(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return str(answer.read().decode())

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status and the JSON of the answer, whatever the status."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, body, sent, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def await_ready(self, seconds: float = 60) -> None:
        """All its parts are there: the flows too, which are looked for in another process."""
        deadline = time.monotonic() + seconds
        while self.get("/readyz")["status"] != "ready":
            assert time.monotonic() < deadline, f"it is not ready:\n{''.join(self.said)}"

    def events(self, **query: str | int) -> list[Event]:
        """The log in its order, to its end, page by page."""
        items: list[Event] = []
        given = "&".join(f"{name}={value}" for name, value in query.items())
        cursor = ""
        while cursor is not None:
            following = f"&cursor={cursor}" if cursor else ""
            page = self.get(f"/api/events?order=asc&limit=1000&{given}{following}")
            items += page["items"]
            cursor = page["next"]
        return items

    def events_until(self, last: Callable[[Event], bool], seconds: float = 60) -> list[Event]:
        """All events of the log, in its order, up to the first that is `last`.

        Follows the live stream; fails when that event does not come in time.
        """
        seen: list[Event] = []
        deadline = time.monotonic() + seconds
        url = f"{self.url}/api/stream?after=0"
        try:
            with urllib.request.urlopen(url, timeout=seconds) as stream:
                for line in stream:  # with a heartbeat every few seconds at least
                    if time.monotonic() > deadline:
                        break
                    if line.startswith(b"data: "):
                        seen.append(json.loads(line[6:]))
                        if last(seen[-1]):
                            return seen
        except TimeoutError:
            pass
        told = "\n".join(f"{event['type']} {event.get('subject', '')}" for event in seen)
        raise AssertionError(f"the event did not come. What came:\n{told}\n{''.join(self.said)}")

    def command(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`ensue …` against this service."""
        environment = bare_environment(ENSUE_API_URL=self.url)
        return subprocess.run(
            [str(ENSUE), *args], env=environment, capture_output=True, text=True, check=False
        )


Serving = Callable[..., AbstractContextManager[Served]]


@contextmanager
def _serving(
    directory: Path, *flags: str, ready: bool = True, **environment: str
) -> Iterator[Served]:
    command = [str(ENSUE), "serve", str(directory), "--port", "0", *flags]
    process = subprocess.Popen(
        command,
        env=bare_environment(**environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    listener: Thread | None = None
    try:
        url = _address(process, said)
        listener = Thread(target=_listen, args=(process, said), daemon=True)
        listener.start()
        served = Served(url, process, said)
        if ready:
            served.await_ready()
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()
            if listener:
                listener.join()
            if process.stderr:
                process.stderr.close()


def _address(process: subprocess.Popen[str], said: list[str]) -> str:
    """Where it serves; it says so when it takes requests."""
    assert process.stderr
    for line in process.stderr:
        said.append(line)
        word, _, rest = line.strip().partition(" ")
        if word == "at":
            return rest.strip()
    raise AssertionError(f"the service did not start:\n{''.join(said)}")


def _listen(process: subprocess.Popen[str], said: list[str]) -> None:
    assert process.stderr
    said.extend(process.stderr)  # line by line, as they come


@pytest.fixture
def serving() -> Serving:
    """`with serving(directory, "--log-level", "warning", SECRET="…") as served`.

    `ensue serve` of a directory on a free port; at the end it is stopped by SIGTERM. It is
    ready, or with `ready=False` only listening.
    """
    return _serving
