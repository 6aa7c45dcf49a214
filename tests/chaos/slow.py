"""A PostgreSQL of which every commit takes its time, and which stops altogether for a while.

Clients post events at a steady rate, slower than the service could take them from a fast disk, and
note how long each answer took. The goal for the slow phase is a figure, for it depends on the
machine; that every answer comes in time, and that what was acknowledged is there, has to hold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4
from zlib import crc32

import aiohttp
import asyncpg

from tests.chaos import postgres
from tests.chaos.books import Shelf
from tests.chaos.service import Service
from tests.chaos.trial import Outcome
from tests.chaos.verdict import Verdict

COMMIT: Final = 0.05
"""Seconds that each commit takes longer."""
GOAL: Final = 0.25
IN_TIME: Final = 3.0
RATE: Final = 150
"""Events a second."""
CLIENTS: Final = 32


@dataclass(frozen=True, slots=True)
class Answer:
    id: str
    status: int
    seconds: float
    stuck: bool
    """Whether it was asked for while the database did not answer."""


class Trial:
    def __init__(self, folder: Path, url: str, *, slow: float, stuck: float) -> None:
        self._url = url
        self._slow = slow
        self._stuck = stuck
        self._answers: list[Answer] = []
        self._is_stuck = False
        self._over = False
        directory = folder / "project"
        directory.mkdir()
        self._service = Service(directory, url, uuid4().hex)
        self._shelf = Shelf(url=url)

    async def run(self) -> Outcome:
        """Raises ServiceError where the service does not start or stop."""
        try:
            await self._service.start()
            await _delay_commits(self._url)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._clients())
                await asyncio.sleep(self._slow)
                async with _held(self._url):
                    self._is_stuck = True
                    await asyncio.sleep(self._stuck)
                    self._is_stuck = False
                await asyncio.sleep(2)
                self._over = True
            await self._service.stop()
        finally:
            self._service.sweep()
        books = await self._shelf.read()
        return Outcome(
            [self._in_time(), self._there({e.id for e in books.events})], self._figures()
        )

    async def _clients(self) -> None:
        queue: asyncio.Queue[str | None] = asyncio.Queue(CLIENTS)
        connector = aiohttp.TCPConnector(limit=CLIENTS)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(CLIENTS):
                group.create_task(self._client(session, queue))
            due, number = time.monotonic(), 0
            while not self._over:
                number += 1
                await queue.put(f"e{number}")
                due = max(due + 1 / RATE, time.monotonic() - 0.2)
                await asyncio.sleep(max(due - time.monotonic(), 0))
            for _ in range(CLIENTS):
                await queue.put(None)

    async def _client(
        self, session: aiohttp.ClientSession, queue: asyncio.Queue[str | None]
    ) -> None:
        url = f"{self._service.url}/api/events"
        while (id_ := await queue.get()) is not None:
            event = {"type": "a.b", "source": "/slow", "id": id_}
            stuck, began = self._is_stuck, time.monotonic()
            async with session.post(url, json=event) as answer:
                await answer.read()
            self._answers.append(Answer(id_, answer.status, time.monotonic() - began, stuck))

    # -- what should have happened ---------------------------------------------------------

    def _in_time(self) -> Verdict:
        verdict = Verdict("P22", "acknowledged, or told to come again, in time", "answers")
        for one in self._answers:
            verdict.expect(
                one.status in {202, 503} and one.seconds < IN_TIME,
                f"{one.id} was answered with {one.status} after {one.seconds:.2f} s",
            )
        slowest = max((one.seconds for one in self._answers), default=0)
        verdict.note = f"the slowest took {slowest:.2f} s of {IN_TIME:g}"
        return verdict

    def _there(self, stored: set[str]) -> Verdict:
        verdict = Verdict("P1", "what was acknowledged is in the log", "events")
        for one in self._answers:
            if one.status == 202:
                verdict.expect(one.id in stored, f"{one.id} is not there")
        return verdict

    def _figures(self) -> dict[str, str]:
        slow = sorted(one.seconds for one in self._answers if not one.stuck) or [0.0]
        refused = sum(one.status == 503 for one in self._answers)
        p99 = slow[len(slow) * 99 // 100]
        return {
            "each commit": f"{COMMIT * 1000:.0f} ms longer, {RATE} events/s",
            "answers": f"median {slow[len(slow) // 2]:.3f} s, p99 {p99:.3f} s; the goal is {GOAL:g} s",
            "while it is stuck": f"{refused:,} were told to come again",
        }


async def _delay_commits(url: str) -> None:
    """PostgreSQL then waits before it flushes, whoever else is there."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"ALTER SYSTEM SET commit_delay = {round(COMMIT * 1_000_000)}")
        await connection.execute("ALTER SYSTEM SET commit_siblings = 0")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


@asynccontextmanager
async def _held(url: str) -> AsyncIterator[None]:
    """Another server's turn that does not end."""
    connection = await asyncpg.connect(url)
    try:
        key = crc32(b"main") & 0x7FFF_FFFF
        await connection.execute("SELECT pg_advisory_lock(3678, $1::int)", key)
        yield
    finally:
        await connection.close()


async def run(folder: Path, *, slow: float = 12.0, stuck: float = 6.0) -> Outcome:
    """One trial in an empty folder."""
    with postgres.serving(folder / "postgres") as url:
        return await Trial(folder, url, slow=slow, stuck=stuck).run()
