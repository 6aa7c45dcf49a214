"""Several servers on one PostgreSQL, of which whoever takes a timer is killed: each comes once.

A failpoint ends a server in the transaction that takes timers, or right after its commit. It is
started again at once, with the next failpoint. Meanwhile clients speak once and fall silent, and
ask for runs with a delay. At the end every time of every schedule, each silence and each run has to
be there, once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import uuid4

import aiohttp

from tests.chaos import postgres
from tests.chaos.books import Books, Shelf
from tests.chaos.service import Service, ServiceError
from tests.chaos.trial import Outcome
from tests.chaos.verdict import Verdict

FAILPOINTS: Final = ("after_take", "after_ring", "before_commit", "after_commit")
"""The first two are passed by whoever takes timers, and by nobody else."""
_MOST_PASSES: Final = {"after_take": 12, "after_ring": 12, "before_commit": 30, "after_commit": 30}
_WEIGHTS: Final = (40, 40, 10, 10)
_REACHED_WITHIN: Final = 20.0
_QUIET_WITHIN: Final = 90.0
_MOMENTS: Final = 30
_SECOND: Final = 1_000_000


class Trial:
    """`kills` over all servers."""

    def __init__(self, folder: Path, url: str, *, servers: int, kills: int, seed: int) -> None:
        self.shelf = Shelf(url=url)
        self.kills: Counter[str] = Counter()
        self._random = Random(seed)
        self._left = kills
        self._directory = folder / "project"
        self._sent: list[str] = []
        self._asked: list[str] = []
        self._moments: list[int] = []
        self._others: list[Verdict] = []
        trial = f"{seed}-{uuid4().hex}"
        self.services = [Service(self._directory, url, trial) for _ in range(servers)]

    async def run(self) -> Outcome:
        """Everything, up to the verdicts."""
        began = time.monotonic()
        self._write()
        try:
            async with asyncio.TaskGroup() as group:
                speaking = group.create_task(self._speak())
                await self._known()
                async with asyncio.TaskGroup() as servers:
                    for service in self.services:
                        servers.create_task(self._live(service))
                speaking.cancel()
            await self._quiet()
            for service in self.services:
                await service.stop()
        except* ServiceError as errors:
            told = [str(error) for error in errors.exceptions]
            self._others.append(Verdict("-", "every server starts and stops", "trial", 1, told))
        finally:
            for service in self.services:
                service.sweep()
        figures = {
            "kills": ", ".join(f"{count} {what}" for what, count in self.kills.most_common()),
            "a timer is taken": await self._delays(),
            "took": f"{time.monotonic() - began:.0f} s",
        }
        return Outcome([*self._verdicts(await self.shelf.read()), *self._others], figures)

    async def _known(self) -> None:
        """One server starts, finds the flow, and goes; the rules are in force from here on."""
        first = self.services[0]
        await first.start()
        deadline = time.monotonic() + 30
        while not (await self.shelf.flows() and self._asked):
            if time.monotonic() > deadline:
                raise ServiceError(f"the flow is not found: {first.last_words()}")
            await asyncio.sleep(0.05)
        await first.stop()

    async def _live(self, service: Service) -> None:
        """Start it to be killed, over and over; at the end it stays."""
        while self._left > 0:
            self._left -= 1
            name = self._random.choices(FAILPOINTS, _WEIGHTS)[0]
            point = f"{name}:{self._random.randint(1, _MOST_PASSES[name])}"
            if await service.start(point) and not await service.died(_REACHED_WITHIN):
                await service.kill()  # others came first each time
                name = "at random"
            service.up.clear()
            self.kills[name] += 1
        await service.start()

    async def _speak(self) -> None:
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            n = 0
            while True:
                n += 1
                await self._send(client, "word", f"w{n}")
                self._sent.append(f"w{n}")
                if n % 8 == 1:
                    await self._send(client, "go", f"g{n}")
                    self._asked.append(f"g{n}")
                await asyncio.sleep(0.4)

    async def _send(self, client: aiohttp.ClientSession, kind: str, subject: str) -> None:
        """To whichever server is there; again, as the same event, until one has taken it."""
        event = {"type": kind, "source": "/chaos", "id": f"{kind}-{subject}", "subject": subject}
        while True:
            for service in self.services:
                if not service.up.is_set():
                    continue
                with suppress(aiohttp.ClientError, OSError, TimeoutError):
                    async with client.post(f"{service.url}/api/events", json=event) as answer:
                        if answer.status == 202:
                            return
            await asyncio.sleep(0.05)

    async def _quiet(self) -> None:
        deadline = time.monotonic() + _QUIET_WITHIN
        while True:
            books = await self.shelf.read()
            told = {e.subject for e in books.events if e.type == "silent"}
            ended = {e.data["name"] for e in books.events if e.type == "ended"}
            due = await self.shelf.next_timer()
            behind = due is not None and due < time.time_ns() // 1_000 - _SECOND
            past = time.time_ns() // 1_000 > max(self._moments) + _SECOND
            if past and not behind and told >= set(self._sent) and ended >= set(self._asked):
                return
            if time.monotonic() > deadline:
                return  # what is missing is told by the verdicts
            await asyncio.sleep(0.5)

    async def _delays(self) -> str:
        delays = sorted(await self.shelf.delays()) or [0.0]
        middle, late = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
        return f"{middle:.3f} s after its time (median), p99 {late:.3f} s"

    # -- what should have happened ---------------------------------------------------------

    def _verdicts(self, books: Books) -> Iterator[Verdict]:
        yield self._schedules(books)
        yield self._silences(books)
        yield self._runs(books)

    def _schedules(self, books: Books) -> Verdict:
        verdict = Verdict("P17", "every time of every schedule comes once", "times")
        timers = {e.id: e.data for e in books.events if e.type == "ensue.timer.due"}
        fired: dict[str, Counter[int]] = {
            name: Counter() for name in ("seconds", "minutes", "moments")
        }
        made: dict[str, int] = {}
        for event in books.events:
            name = event.data.get("automation") if isinstance(event.data, dict) else None
            if event.type == "ensue.automation.created":
                made[name] = _instant(event.id)
            elif event.type == "ensue.automation.fired" and name in fired:
                fired[name][timers[event.causationid or ""]["micros"]] += 1
        for name, counts in fired.items():
            for due, count in counts.items():
                verdict.expect(count == 1, f"{name}: {_text(due)} came {count} times")
        for name, step in (("seconds", _SECOND), ("minutes", 60 * _SECOND)):
            last = max(fired[name], default=0)
            first = made[name] // step * step + step
            for due in range(first, last + 1, step):
                verdict.expect(due in fired[name], f"{name}: {_text(due)} never came")
        for due in self._moments:
            verdict.expect(due in fired["moments"], f"moments: {_text(due)} never came")
        return verdict

    def _silences(self, books: Books) -> Verdict:
        verdict = Verdict("P17", "every silence is told once", "silences")
        told = Counter(event.subject for event in books.events if event.type == "silent")
        for name in self._sent:
            verdict.expect(
                told[name] == 1, f"{name} fell silent, which was told {told[name]} times"
            )
        return verdict

    def _runs(self, books: Books) -> Verdict:
        verdict = Verdict("P17", "every run with a delay comes to be once, and ends once", "runs")
        runs = Counter(run.parameters["name"] for run in books.runs)
        ended = Counter(event.data["name"] for event in books.events if event.type == "ended")
        for name in self._asked:
            verdict.expect(
                runs[name] == ended[name] == 1, f"{name}: {runs[name]} runs, {ended[name]} ends"
            )
        return verdict

    def _write(self) -> None:
        for name in ("automations", "flows"):
            (self._directory / name).mkdir(parents=True)
        begin = time.time_ns() // 1_000 // _SECOND * _SECOND + 20 * _SECOND
        self._moments = [begin + n * 700_000 for n in range(_MOMENTS)]
        text = "\n---\n".join(json.dumps(rule) for rule in _rules(self._moments))
        (self._directory / "automations" / "replicas.yaml").write_text(text)
        (self._directory / "flows" / "go.py").write_text(
            "from ensue import flow\n\n\n@flow\ndef go(name: str) -> None:\n    pass\n"
        )
        (self._directory / "ensue.toml").write_text(
            '[runs]\nconcurrency = 2\nlease = "6s"\nheartbeat = "2s"\n'
        )


def _rules(moments: list[int]) -> list[dict[str, Any]]:
    emit = [{"emit": "came"}]
    return [
        {"name": "seconds", "trigger": {"every": "1s", "catch_up": "all"}, "actions": emit},
        {"name": "minutes", "trigger": {"cron": "* * * * *", "catch_up": "all"}, "actions": emit},
        {"name": "moments", "trigger": [{"at": _text(at)} for at in moments], "actions": emit},
        {
            "name": "silence",
            "trigger": {"absent": "word", "for": "3s", "per": "subject"},
            "actions": [{"emit": "silent", "subject": "${firing.key}"}],
        },
        {
            "name": "go",
            "trigger": {"event": "go"},
            "actions": [{"run": "go", "with": {"name": "${event.subject}"}, "delay": "2s"}],
        },
        {
            "name": "ended",
            "trigger": {"event": ["ensue.run.completed", "ensue.run.crashed"]},
            "actions": [{"emit": "ended", "data": {"name": "${event.data.parameters.name}"}}],
        },
    ]


async def run(folder: Path, *, servers: int = 3, kills: int = 200, seed: int = 0) -> Outcome:
    """One trial in an empty folder."""
    with postgres.serving(folder / "postgres") as url:
        return await Trial(folder, url, servers=servers, kills=kills, seed=seed).run()


def _instant(id_: str) -> int:
    """When an id of ours was made, in microseconds, to the millisecond."""
    return int(id_.replace("-", "")[:12], 16) * 1_000


def _text(instant: int) -> str:
    return datetime.fromtimestamp(instant / _SECOND, UTC).isoformat(timespec="microseconds")
