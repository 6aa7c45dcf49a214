"""A database that does not answer for a while: the intake says so in time, and recovers."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import asyncpg
import pytest

from tests.chaos import postgres

STUCK = 6.0
"""Seconds for which somebody else holds the lock that the journal needs."""
IN_TIME = 3.0
CLIENTS = 8

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

Held = Callable[[], AbstractContextManager[None]]


@contextmanager
def sqlite_lock(file: Path) -> Iterator[None]:
    """A transaction of another process, which holds the one right to write."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def postgres_lock(url: str) -> Iterator[None]:
    """A session of another server that has its turn and does not give it back."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        key = crc32(b"main") & 0x7FFF_FFFF
        runner.run(connection.execute("SELECT pg_advisory_lock(3678, $1::int)", key))
        yield
        runner.run(connection.close())


@pytest.fixture(params=["sqlite", "postgresql"])
def stuck(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Held]]:
    """The address of a database, and the way to hold it up."""
    if request.param == "sqlite":
        file = tmp_path / "ensue.db"
        yield str(file), lambda: sqlite_lock(file)
        return
    with postgres.serving(tmp_path / "postgres") as url:
        yield url, lambda: postgres_lock(url)


class Clients:
    """They post events without pause; `answers` are status, seconds and id of each."""

    def __init__(self, served: Any) -> None:
        self.answers: list[tuple[int, float, str]] = []
        self._served = served
        self._over = threading.Event()

    @contextmanager
    def posting(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._post, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def rest(self, seconds: float) -> None:
        """Let them go on for a while."""
        self._over.wait(seconds)

    def since(self, began: int) -> list[tuple[int, float, str]]:
        return self.answers[began:]

    def await_answer(self, status: int, seconds: float) -> None:
        """Wait until somebody has got this answer from now on."""
        began, deadline = len(self.answers), time.monotonic() + seconds
        while not any(answer[0] == status for answer in self.since(began)):
            assert time.monotonic() < deadline, f"no {status} within {seconds:g} s"
            self.rest(0.01)

    def _post(self, client: int) -> None:
        n = 0
        while not self._over.is_set():
            n += 1
            id_ = f"{client}-{n}"
            body = json.dumps({"type": "a.b", "id": id_, "source": "/test"}).encode()
            began = time.monotonic()
            status, _ = self._served.post("/api/events", body)
            self.answers.append((status, time.monotonic() - began, id_))
            if status != 202:
                self.rest(0.05)


def test_the_intake_answers_in_time_and_recovers(
    stuck: tuple[str, Held], serving: Any, tmp_path: Path
) -> None:
    database, held = stuck
    project = tmp_path / "project"
    project.mkdir()
    with serving(project, "--database", database) as served:
        clients = Clients(served)
        with clients.posting():
            clients.await_answer(202, 10)
            with held():
                began, until = len(clients.answers), time.monotonic() + STUCK
                while time.monotonic() < until:
                    asked = time.monotonic()
                    assert served.get("/healthz") == {"status": "alive"}
                    assert time.monotonic() - asked < 1.0
                    clients.rest(0.05)
                refused = [answer for answer in clients.since(began) if answer[0] == 503]
            clients.await_answer(202, IN_TIME)
        assert refused, "nobody was told to come again"
        assert {status for status, _, _ in clients.answers} == {202, 503}
        assert max(seconds for _, seconds, _ in clients.answers) < IN_TIME
        found = [event["id"] for event in served.events(source="/test")]
    assert len(found) == len(set(found))
    assert {id_ for status, _, id_ in clients.answers if status == 202} <= set(found)
