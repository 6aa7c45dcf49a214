"""What happens to runs, on its way into the journal: transitions, log lines, task reports.

One change is under way at a time; what queues up meanwhile goes into the next. So a hundred
runs that end at once are a handful of statements, and a single one waits for nobody. Within a
change log lines come first, then tasks, then transitions: when a run is `completed` for all
to see, what it said is there to be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from base.errors import UnavailableError
from base.logs import logger
from base.services import Service
from engine import store, tasks
from engine.log_lines import LogLine
from engine.state import Refused, Signal, Step
from engine.tables import RunLogRow
from engine.tasks import TaskReport
from events.change import Change, Lane
from events.event import Event
from events.journal import Journal
from events.tx import InsertSpec, Tx

FULL: Final = 20_000
"""Lines that may wait; beyond it the pipes of the runs are left full until there is room."""
_LINGER: Final = 0.05
"""Seconds that log lines wait for company when nothing else is to be written."""
_PAUSE: Final = 1.0
_INSERT_LOG: Final = InsertSpec(
    RunLogRow, ("run", "seq", "time", "level", "logger", "message", "task"), conflict="nothing"
)

log = logger("recorder")

Follower = Callable[[Sequence[LogLine]], None]


@dataclass(slots=True, eq=False)
class _Transition:
    run: str
    signal: Signal
    future: asyncio.Future[Step | Refused | None]


@dataclass(slots=True)
class _Batch:
    """What one change writes."""

    lines: list[LogLine] = field(default_factory=list)
    reports: list[TaskReport] = field(default_factory=list)
    transitions: list[_Transition] = field(default_factory=list)
    answers: list[Step | Refused | None] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lines or self.reports or self.transitions)

    async def write(self, tx: Tx) -> list[Event]:
        """The journal's operation; safe to run again."""
        if self.lines:
            await tx.insert(
                _INSERT_LOG,
                [(x.run, x.seq, x.time, x.level, x.logger, x.message, x.task) for x in self.lines],
            )
        events = await tasks.record(tx, self.reports)
        if self.transitions:
            self.answers = await store.apply(tx, [(t.run, t.signal) for t in self.transitions])
            events += [step.event for step in self.answers if isinstance(step, Step)]
        return events

    def parts(self) -> list[_Batch]:
        """The same in pieces as small as can be, in the order in which they must be written."""
        return [
            *(_Batch(lines=[line]) for line in self.lines),
            *(_Batch(reports=[report]) for report in self.reports),
            *(_Batch(transitions=[transition]) for transition in self.transitions),
        ]


class Recorder(Service):
    """Start it before the workers and stop it after them: it drains what they left."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("recorder")
        self._journal = journal
        self._next = _Batch()
        self._followers: dict[str, list[Follower]] = {}
        self._crowded: list[Callable[[], None]] = []

    async def record(self, run: str, signal: Signal) -> Step | Refused | None:
        """What became of the run; it is on disk when this returns. None: there is no such run.

        A database out of reach is waited for, however long that takes.
        """
        future: asyncio.Future[Step | Refused | None] = asyncio.get_running_loop().create_future()
        self._next.transitions.append(_Transition(run, signal, future))
        self.wake()
        return await future

    def say(self, line: LogLine) -> None:
        """Store a line, soon."""
        if not self._next:
            self.wake()
        self._next.lines.append(line)

    def report(self, report: TaskReport) -> None:
        """Store what a task says, and tell of it."""
        self._next.reports.append(report)
        self.wake()

    @property
    def full(self) -> bool:
        """Whether lines should wait where they are; see `when_room`."""
        return len(self._next.lines) >= FULL

    def when_room(self, callback: Callable[[], None]) -> None:
        """Call back once, when lines are welcome again."""
        self._crowded.append(callback)

    def follow(self, run: str, follower: Follower) -> Callable[[], None]:
        """Call with each batch of the run's lines once they are stored; returns the way to stop.

        The follower must be quick. Lines recorded by other replicas are not seen here: poll.
        """
        self._followers.setdefault(run, []).append(follower)

        def stop() -> None:
            followers = self._followers.get(run, [])
            if follower in followers:
                followers.remove(follower)
            if not followers:
                self._followers.pop(run, None)

        return stop

    async def run(self) -> None:
        while self._next or not self.stopping.is_set():
            if not self._next:
                await self.pause(60)
                continue
            if not self._next.transitions and not self._next.reports:
                await self.pause(_LINGER)
            batch, self._next = self._next, _Batch()
            await self._commit(batch)
            crowded, self._crowded = self._crowded, []
            for callback in crowded:
                callback()

    async def close(self) -> None:
        for transition in self._next.transitions:
            if not transition.future.done():
                transition.future.set_exception(UnavailableError("the service stopped"))

    async def _commit(self, batch: _Batch) -> None:
        while True:
            try:
                await self._journal.submit(Change(operation=batch.write, lane=Lane.SERVICE))
            except UnavailableError as error:
                if error.code == "stopping":
                    self._fail(batch, error)
                    return
                await asyncio.sleep(_PAUSE)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is one of these changes
                await self._isolate(batch, error)
                return
            else:
                self._done(batch)
                return

    async def _isolate(self, batch: _Batch, error: Exception) -> None:
        """One of them cannot be written: the others must not suffer for it."""
        parts = batch.parts()
        if len(parts) == 1:
            log.error("not_recorded", what=repr(batch)[:500], exc_info=error)
            self._fail(batch, error)
            return
        for part in parts:
            await self._commit(part)

    def _done(self, batch: _Batch) -> None:
        for transition, answer in zip(batch.transitions, batch.answers, strict=True):
            if not transition.future.done():
                transition.future.set_result(answer)
        if self._followers and batch.lines:
            self._tell(batch.lines)

    def _tell(self, lines: Sequence[LogLine]) -> None:
        followed: dict[str, list[LogLine]] = {}
        for line in lines:
            if line.run in self._followers:
                followed.setdefault(line.run, []).append(line)
        for run, theirs in followed.items():
            for follower in tuple(self._followers.get(run, ())):
                follower(theirs)

    @staticmethod
    def _fail(batch: _Batch, error: Exception) -> None:
        for transition in batch.transitions:
            if not transition.future.done():
                transition.future.set_exception(error)
