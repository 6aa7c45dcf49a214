"""A worker: claims runs that are due, as many as it has slots, and sees each of them through.

A commit that schedules a run wakes it; polling finds what a lost wake-up missed. Claiming and
renewing take turns in one loop, so that what a renewal finds in the database and what the
worker knows can be compared: a run it owns but does not have is given back, a process whose run
it no longer owns is killed, a cancellation it was not told of is carried out.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from base.errors import UnavailableError
from base.failpoint import failpoint
from base.ids import new_id
from base.logs import logger
from base.services import Service
from base.time import SECOND, Micros, now
from engine import store, workers
from engine.execution import Execution, Means
from engine.flow import Flow
from engine.launcher import ProcessLauncher
from engine.lease import clock
from engine.recorder import Recorder
from engine.run import DEFAULT_POOL, Run, RunState
from engine.state import Claim, Lose, Signal, Step, advance
from engine.workers import WorkerInfo
from events.change import Change, Lane
from events.event import Event, Stored
from events.journal import Journal
from events.tx import Tx

_WAKING: Final = frozenset(
    {
        "ensue.run.scheduled",
        "ensue.run.retrying",
        "ensue.run.resumed",
        "ensue.flow.resumed",
        "ensue.flow.registered",
        "ensue.flow.updated",
    }
)
_PAUSE_AFTER_FAILURE: Final = 1.0
_SLICE: Final = 200
_INTERRUPTED: Final = "interrupted: its worker was stopped"

log = logger("worker")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Spans in seconds.

    `exclusive` says that no other process can be a worker on this database: then what another
    worker owns is a dead one's and is taken over at the start, and a lease is never lost.
    `drain` is how long running flows may go on after a stop was asked for.
    """

    slots: int = 8
    pool: str = DEFAULT_POOL
    lease: float = 30.0
    heartbeat: float = 10.0
    poll: float = 5.0
    grace: float = 10.0
    drain: float = 8.0
    exclusive: bool = False


class Worker(Service):
    """Runs the flows of a project directory. Start it after the recorder and the launcher."""

    def __init__(
        self,
        *,
        journal: Journal,
        recorder: Recorder,
        launcher: ProcessLauncher,
        flows: Callable[[], Mapping[str, Flow]],
        directory: Path,
        options: WorkerOptions,
    ) -> None:
        super().__init__("worker")
        self.id = new_id()
        self._journal = journal
        self._launcher = launcher
        self._flows = flows
        self._options = options
        self._lease: Micros = round(options.lease * SECOND)
        self._means = Means(
            journal, recorder, launcher, directory, spawn=self._assist, grace=options.grace
        )
        self._active: dict[str, Execution] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._renewed = 0.0
        self._held_until = 0.0
        self._next_due: Micros | None = None

    @property
    def active(self) -> int:
        """Runs that have a process, or are about to."""
        return len(self._active)

    @property
    def free(self) -> int:
        return self._options.slots - len(self._active)

    async def open(self) -> None:
        me = WorkerInfo(
            self.id, socket.gethostname(), os.getpid(), self._options.pool, self._options.slots
        )
        await self._change(lambda tx: workers.arrive(tx, me))
        if self._options.exclusive:
            await self._take_over()
        self._renewed = self._clock()
        self._unsubscribe = self._journal.subscribe(self._on_commit)

    async def run(self) -> None:
        self._launcher.on_up = self.wake
        while not self.stopping.is_set():
            if self._clock() - self._renewed >= self._options.heartbeat:
                await self._renew()
            if self._may_claim() and await self._claim():
                continue
            await self.pause(self._patience())
        await self._drain()

    async def close(self) -> None:
        if self._unsubscribe:
            self._unsubscribe()
            try:
                async with asyncio.timeout(2):
                    await self._change(lambda tx: workers.leave(tx, self.id))
            except (TimeoutError, UnavailableError):
                log.warning("not_signed_off", worker=self.id)

    # Claiming.

    def _may_claim(self) -> bool:
        ready = self._launcher.up.is_set() and self._clock() >= self._held_until
        return ready and self.free > 0 and bool(self._flows())

    async def _claim(self) -> bool:
        """Take what is due; True if there may be more."""
        free, flows = self.free, self._flows()
        claimed: list[Run] = []

        async def operation(tx: Tx) -> Sequence[Event]:
            due = await store.due(tx, self._options.pool, list(flows), free)
            claim = Claim(self.id, (await clock(tx) if due else 0) + self._lease)
            steps = [s for run in due if isinstance(s := advance(run, claim, tx.now), Step)]
            claimed[:] = [step.run for step in steps]
            await store.save(tx, claimed)
            self._next_due = await store.next_due(tx) if len(claimed) < free else None
            return [step.event for step in steps]

        await self._change(operation)
        if claimed:
            failpoint("after_claim")
        for run in claimed:
            execution = Execution(run, flows[run.flow], self._means)
            self._active[run.id] = execution
            self.spawn(self._follow(execution), f"run-{run.id}", drain=True)
        return len(claimed) == free and self.free > 0

    async def _follow(self, execution: Execution) -> None:
        try:
            if not await execution.follow():
                self._held_until = self._clock() + _PAUSE_AFTER_FAILURE
        except UnavailableError as error:
            log.warning("run_left_behind", run=execution.run.id, problem=error.message)
        finally:
            if self._active.get(execution.run.id) is execution:
                del self._active[execution.run.id]
            self.wake()

    def _patience(self) -> float:
        """Seconds until there is something to do of which nobody tells."""
        until = [self._options.poll, self._renewed + self._options.heartbeat - self._clock()]
        if self._held_until > self._clock():
            until.append(self._held_until - self._clock())
        if self._next_due is not None and self.free > 0:
            until.append((self._next_due - now()) / SECOND)
        return max(min(until), 0.001)

    # Owning.

    async def _renew(self) -> None:
        owned: list[Run] = []

        async def operation(tx: Tx) -> Sequence[Event]:
            at = await clock(tx)
            owned[:] = await store.renew(tx, self.id, at + self._lease)
            await workers.beat(tx, self.id, at)
            strays = [run.id for run in owned if run.id not in self._active]
            return await _send(tx, strays, Lose("its worker lost track of it"))

        if self._options.exclusive:
            self._launcher.renew()
        await self._change(operation)
        self._launcher.renew()
        self._renewed = self._clock()
        for execution in tuple(self._active.values()):
            self._compare(execution, {run.id: run for run in owned}.get(execution.run.id))

    def _compare(self, execution: Execution, owned: Run | None) -> None:
        if owned is not None and owned.state is RunState.CANCELLING:
            execution.cancel()
            return
        ours = owned is not None and owned.attempt == execution.run.attempt
        if execution.going and not execution.ended and not ours:
            log.warning("run_lost", run=execution.run.id, attempt=execution.run.attempt)
            execution.abandon()

    async def _take_over(self) -> None:
        """What a dead predecessor left: it was killed, and its processes with it."""
        while True:
            found: list[Run] = []

            async def operation(tx: Tx, found: list[Run] = found) -> Sequence[Event]:
                found[:] = await store.lost(tx, tx.now, _SLICE, survivor=self.id)
                lost = Lose("its server was killed while it ran")
                return await _send(tx, [run.id for run in found], lost)

            await self._change(operation)
            if len(found) < _SLICE:
                return

    # Stopping.

    async def _drain(self) -> None:
        """Give back what has not begun, let the rest go on for a while, then interrupt it."""
        for execution in tuple(self._active.values()):
            if not execution.going:
                execution.interrupt(_INTERRUPTED)
        deadline = self._clock() + self._options.drain
        while self._active and (left := deadline - self._clock()) > 0:
            await self._until_one_less(min(left, self._options.heartbeat))
            if self._clock() - self._renewed >= self._options.heartbeat:
                await self._renew()
        for execution in tuple(self._active.values()):
            execution.interrupt(_INTERRUPTED)

    async def _until_one_less(self, seconds: float) -> None:
        tasks = [t for t in self._draining if t is not asyncio.current_task()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds, return_when="FIRST_COMPLETED")
            await asyncio.sleep(0)  # the finished one takes itself out

    # Listening.

    def _on_commit(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            kind = one.event.type
            if kind in _WAKING:
                self.wake()
            elif kind == "ensue.run.cancelling":
                execution = self._active.get(one.event.subject or "")
                if execution:
                    execution.cancel()

    async def _change(self, operation: Callable[[Tx], object]) -> None:
        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))  # type: ignore[arg-type]  # lambdas return the coroutine it wants

    def _assist(self, work: object, name: str) -> None:
        self.spawn(work, name, drain=True)  # type: ignore[arg-type]  # executions hand in coroutines

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()


async def _send(tx: Tx, runs: Sequence[str], signal: Signal) -> list[Event]:
    answers = await store.apply(tx, [(run, signal) for run in runs])
    return [answer.event for answer in answers if isinstance(answer, Step)]
