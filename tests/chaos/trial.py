"""One trial: a service under load that is killed over and over, and then called to account."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from tests.chaos import postgres, project
from tests.chaos.books import Books, Shelf
from tests.chaos.killer import LONGEST, Killer, Operator, blows
from tests.chaos.ledger import Ledger
from tests.chaos.plan import shipments
from tests.chaos.receiver import Receiver
from tests.chaos.reconcile import Line, World, reconcile
from tests.chaos.sender import Senders
from tests.chaos.service import Service, ServiceError, until
from tests.chaos.verdict import Verdict

QUIET_WITHIN = 120.0
_FLOWS = 2
_STOPS = 20
_STOP_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What to do. `graceful` ends the service politely instead of killing it."""

    database: str
    seed: int
    events: int
    kills: int
    graceful: bool = False
    broken: str | None = None
    longest: float = LONGEST
    """The most seconds that it may live once it is ready."""


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    verdicts: list[Verdict]
    figures: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        return all(verdict.kept for verdict in self.verdicts)


@dataclass(slots=True)
class Watcher:
    """Told how far it is."""

    acked: Callable[[int], None] = lambda _count: None
    struck: Callable[[], None] = lambda: None
    phase: Callable[[str], None] = lambda _words: None


class Course:
    """The parts of a trial, and its phases in their order."""

    def __init__(self, trial: Trial, folder: Path, shelf: Shelf, watcher: Watcher) -> None:
        self.trial = trial
        self.shelf = shelf
        self.watcher = watcher
        self.lines = folder / "lines.txt"
        self.ledger = Ledger()
        self.receiver = Receiver()
        environment = {"CHAOS_SECRET": project.SECRET}
        self.service = Service(
            folder, shelf.address, f"{trial.seed}-{uuid4().hex}", trial.broken, environment
        )
        plan = shipments(trial.seed, trial.events)
        self.senders = Senders(self.service, self.ledger, plan, trial.seed)
        self.senders.left = trial.events
        self.killer = Killer(self.service, self.senders, watcher.struck)
        self.operator = Operator(self.service, self.senders, watcher.struck)
        self.others: list[Verdict] = []

    async def run(self) -> Outcome:
        """Raises ServiceError where the service does not even start."""
        began = time.monotonic()
        async with self.receiver.listening():
            project.write(self.service.directory, lines=self.lines, receiver=self.receiver.url)
            await self._begin()
            try:
                await self._storm()
                await self._quiet()
            except* ServiceError as errors:
                title = "the service starts, stops and comes to rest"
                told = [str(error) for error in _leaves(errors)]
                self.others.append(Verdict("-", title, "trial", 1, told))
        await self._leave()
        books = await self.shelf.read()
        world = World(
            self.ledger, books, self.receiver.arrivals, list(self._lines()), self.killer.total
        )
        verdicts = reconcile(world) + self.others
        if self.trial.graceful:
            verdicts.append(self._stops(books))
        return Outcome(verdicts, self._figures(len(books.events), time.monotonic() - began))

    async def _begin(self) -> None:
        """The first start is killed half-way through making the tables."""
        self.watcher.phase("starting")
        reached = not await self.service.start("mid_migration")
        if reached:
            self.killer.kills["mid_migration"] += 1
            await self.service.start()
        else:
            self.killer.missed.append("mid_migration")
        deadline = time.monotonic() + 30
        while await self.shelf.flows() < _FLOWS:
            if time.monotonic() > deadline:
                raise ServiceError(f"the flows are not found: {self.service.last_words()}")
            await asyncio.sleep(0.05)

    async def _storm(self) -> None:
        trial = self.trial
        self.watcher.phase("stopping and starting" if trial.graceful else "killing")
        async with asyncio.TaskGroup() as group:
            report = group.create_task(self._report())
            sending = group.create_task(self.senders.run())
            if trial.graceful:
                await self.operator.run(_STOPS, trial.seed, trial.longest)
            else:
                await self.killer.run(blows(trial.seed, trial.kills, trial.longest))
            self.senders.rate = float(trial.events)
            await sending
            await self.service.stop()
            await self.shelf.end_leases()
            await self.service.start()
            await self.senders.repeat_rest()
            report.cancel()

    async def _report(self) -> None:
        while True:
            self.watcher.acked(self.ledger.acked)
            await asyncio.sleep(0.2)

    async def _quiet(self) -> None:
        self.watcher.phase("coming to rest")
        deadline = time.monotonic() + QUIET_WITHIN
        while left := await self.shelf.open_work():
            if time.monotonic() > deadline:
                raise ServiceError(f"not quiet after {QUIET_WITHIN:g} s: {left}")
            if not self.service.running:
                raise ServiceError(f"it died by itself: {self.service.last_words()}")
            await asyncio.sleep(0.2)
        await self.service.stop()

    async def _leave(self) -> None:
        """No process of the service is left behind, and its files are whole."""
        self.watcher.phase("reconciling")
        verdict = Verdict("-", "no process and no damage is left behind", "looks")
        gone = await until(lambda: not self.service.leftovers(), 10)
        verdict.expect(gone, f"processes outlived the service: {self.service.leftovers()}")
        self.service.sweep()
        damage = await self.shelf.damage()
        verdict.expect(not damage, f"the database is damaged: {damage}")
        for name in self.killer.missed:
            verdict.problems.append(f"the failpoint {name} was never reached")
        self.others.append(verdict)

    def _stops(self, books: Books) -> Verdict:
        verdict = Verdict("P14", "a graceful stop drains", "stops")
        for seconds in self.operator.seconds:
            verdict.expect(seconds <= _STOP_WITHIN, f"a stop took {seconds:.1f} s")
        verdict.problems += [
            f"run {event.subject} was broken off: {event.data.get('message')}"
            for event in books.events
            if event.type in {"ensue.run.crashed", "ensue.run.retrying"}
        ]
        verdict.note = f"the slowest took {max(self.operator.seconds, default=0):.1f} s"
        return verdict

    def _lines(self) -> Iterator[Line]:
        if self.lines.exists():
            for line in self.lines.read_text().splitlines():
                run, attempt, event = line.split(" ")
                yield Line(run, int(attempt), event)

    def _figures(self, events: int, seconds: float) -> dict[str, str]:
        sent = self.ledger.sent.values()
        answers = sorted(self.ledger.seconds) or [0.0]
        kills = ", ".join(f"{count} {what}" for what, count in self.killer.kills.most_common())
        return {
            "kills": f"{self.killer.total} ({kills})",
            "starts": str(self.service.starts),
            "events sent": f"{len(sent):,}, {self.ledger.acked:,} acknowledged",
            "of these": (
                f"{sum(entry.unknown > 0 for entry in sent):,} had an unknown outcome, "
                f"{sum(entry.refused > 0 for entry in sent):,} were refused with 503, "
                f"{sum(entry.abandoned for entry in sent):,} given up, "
                f"{sum(entry.again for entry in sent):,} sent again"
            ),
            "events in the log": f"{events:,}",
            "answers": f"p99 {answers[len(answers) * 99 // 100]:.3f} s, slowest {answers[-1]:.3f} s",
            "errors logged": self._errors(),
            "took": f"{seconds:.0f} s",
        }

    def _errors(self) -> str:
        """What the service itself thought worth an error, by name."""
        found: Counter[str] = Counter()
        for line in self.service.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if isinstance(told, dict) and told.get("level") in {"error", "critical"}:
                    found[str(told.get("event"))] += 1
            if line.startswith("Traceback"):
                found["Traceback"] += 1
        return ", ".join(f"{count} {name}" for name, count in found.most_common()) or "none"


async def run(trial: Trial, folder: Path, watcher: Watcher | None = None) -> Outcome:
    """Run one trial in an empty folder. Whatever happens, none of its processes is left."""
    async with _shelf(trial, folder) as shelf:
        course = Course(trial, folder / "project", shelf, watcher or Watcher())
        try:
            return await course.run()
        finally:
            course.service.sweep()


@contextlib.asynccontextmanager
async def _shelf(trial: Trial, folder: Path) -> AsyncIterator[Shelf]:
    (folder / "project").mkdir(parents=True)
    if trial.database == "sqlite":
        yield Shelf(path=folder / "project" / ".ensue" / "ensue.db")
        return
    with postgres.serving(folder / "postgres") as url:
        yield Shelf(url=url)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of groups of them."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
