"""The journal: the only writer, and the one order of everything that happens.

Callers hand it a change and wait. It takes what queued up while the previous commit ran,
writes it as one transaction, and answers when that is on disk:

    submit ─▶ lanes ─▶ take ─▶ begin ─▶ operations ─▶ deduplicate ─▶ append
                                 ▲                                     │
                                 │              derived events ◀── evaluate
                          next transaction                             │
                                 └──────── acknowledge ◀── commit ◀────┘

* **One order.** Transactions are serial, so position is commit order is order of evaluation.
  Events that a change derives are evaluated in the same commit, 256 for each change; what goes
  beyond is marked pending, and so is all that follows until the pending ones had their turn.
* **Two lanes.** The service's own work is always admitted and goes first, up to half of a
  transaction; intake is bounded, and told to come back when the bound is reached or when it
  waited too long.
* **Failure.** An error of one change is found by halving the batch, so only that change
  fails. A database out of reach is nobody's fault: intake gets 503, our own work waits and is
  run again. Where the outcome of a commit is unknown the same ids are submitted again, and
  "seen before" then means that it had happened.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from time import monotonic
from typing import Final

import structlog

from base.errors import UnavailableError
from base.failpoint import failpoint
from base.time import Micros, now
from events.change import Change, Lane, Receipt
from events.commit import Commit, Submission
from events.evaluation import Evaluator, Matched
from events.event import Stored
from events.seen import Seen
from events.tx import Head
from events.writer import Fault, Writer

log = structlog.get_logger()

_inside: ContextVar[bool] = ContextVar("inside_transaction", default=False)

MAX_EVENTS: Final = 1_000
MAX_BYTES: Final = 4 << 20
MAX_SECONDS: Final = 0.05
FEW: Final = 24
"""Events up to which a transaction costs more than what is in it."""
_TURNS: Final = 3
"""Turns of the event loop in which the answers to a few are written, and those who send again are
read: that makes one transaction of what would be two."""
PATIENCE: Final = 2.5
"""Seconds that a change of the intake waits before it is told to come back."""
_INTAKE: Final = Lane.INTAKE  # asking the enumeration for it is a call
_RETRIES: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class _Waiting(Submission):
    """A change in a lane, and whoever waits for it."""

    __slots__ = ("future", "is_intake", "since", "size")

    def __init__(
        self, change: Change, matched: Sequence[Matched], size: int, *, is_intake: bool
    ) -> None:
        super().__init__(change, matched)
        self.future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.size = size
        self.since = monotonic()
        self.is_intake = is_intake


class Journal:
    """See the module. Run it as a service; `submit` may be called as soon as it exists."""

    def __init__(
        self,
        writer: Writer,
        seen: Seen,
        evaluator: Evaluator,
        *,
        intake_bytes: int = 32 << 20,
        clock: Callable[[], Micros] = now,
    ) -> None:
        self._writer = writer
        self._seen = seen
        self._evaluator = evaluator
        self._intake_bytes = intake_bytes
        self._clock = clock
        self._service: deque[_Waiting] = deque()
        self._intake: deque[_Waiting] = deque()
        self._in_flight: Sequence[_Waiting] = ()
        self._limit = MAX_EVENTS
        self._wake = asyncio.Event()
        self._waiting_bytes = 0
        self._backlog = True
        self._head: Head | None = None
        """The end of the log after the last commit here."""
        self._closing = False
        self._sweeper: asyncio.TimerHandle | None = None
        self._subscribers: list[Callable[[Sequence[Stored]], None]] = []
        self.available = True
        """False while the database is out of reach."""
        self.on_commit: Callable[[float, float, int], None] = lambda _took, _waited, _events: None
        """Told after each commit how long it took, how long the change that waited longest had
        waited by then, in seconds, and how many events it stored."""
        self.on_failure: Callable[[Fault], None] = lambda _fault: None
        """Told of each transaction that did not commit."""

    # -- for callers -----------------------------------------------------------------------

    async def submit(self, change: Change) -> Receipt:
        """Wait until the change, and all it set in motion, is on disk.

        Raises what the change's own operation raised; UnavailableError when the intake is full
        or the database is out of reach (then nothing was stored, or the same ids may be sent
        again safely).
        """
        return await self.enqueue(change)

    def enqueue(self, change: Change) -> asyncio.Future[Receipt]:
        """Like `submit`, for callers that wait for several changes at once."""
        if _inside.get():
            raise RuntimeError("a change cannot be submitted inside a transaction: return events")
        if self._closing:
            raise UnavailableError("the service is stopping", code="stopping")
        size = sum([event.size for event in change.events])
        is_intake = change.lane is _INTAKE
        if is_intake:
            if self._waiting_bytes + size > self._intake_bytes and self._waiting_bytes:
                raise UnavailableError("more is coming in than can be stored", code="overloaded")
            self._waiting_bytes += size
        matched = [*map(self._evaluator.match, change.events)]
        waiting = _Waiting(change, matched, size, is_intake=is_intake)
        (self._intake if is_intake else self._service).append(waiting)
        self._wake.set()
        return waiting.future

    async def settled(self) -> None:
        """Wait until all that was handed in by now is committed, or was refused."""
        last = [*self._in_flight, *(lane[-1] for lane in (self._service, self._intake) if lane)]
        waiting = [one.future for one in last if not one.future.done()]
        if waiting:
            await asyncio.wait(waiting)

    def subscribe(self, callback: Callable[[Sequence[Stored]], None]) -> Callable[[], None]:
        """Call back after each commit with what it stored, in order; returns the way to stop.

        The callback runs on the event loop and must be quick. It wakes: what must not be
        missed is polled for as well.
        """
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    @property
    def waiting_bytes(self) -> int:
        """What the intake holds that is not committed yet."""
        return self._waiting_bytes

    def wake(self) -> None:
        """Look for work, such as events left pending."""
        self._backlog = True
        self._wake.set()

    # -- the service -----------------------------------------------------------------------

    async def run(self) -> None:
        """Commit until `drain` was called and the lanes are empty."""
        self._sweep()
        try:
            while self._service or self._intake or not self._closing:
                if not (self._service or self._intake or self._backlog):
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                self._in_flight = self._take()
                await self._commit_batch([*self._in_flight])
                if _are_few(self._in_flight):
                    for _ in range(_TURNS):
                        await asyncio.sleep(0)
        finally:
            if self._sweeper is not None:
                self._sweeper.cancel()
            self._closing = True
            for waiting in self._in_flight:
                if not waiting.future.done():
                    self._refuse(waiting, UnavailableError("the service stopped", code="stopping"))
            for lane in (self._service, self._intake):
                for waiting in lane:
                    self._refuse(waiting, UnavailableError("the service stopped", code="stopping"))
                lane.clear()

    def drain(self) -> None:
        """Take nothing more, commit what waits, then let `run` return."""
        self._closing = True
        self._wake.set()

    def _take(self) -> list[_Waiting]:
        """The next batch: our own work first, up to half; then the intake; then more of ours."""
        batch: list[_Waiting] = []
        events = size = 0
        # While events are pending they come first, or they would never catch up.
        most = self._limit // 4 if self._backlog else self._limit
        service, intake = self._service, self._intake
        for queue, limit in ((service, most // 2), (intake, most), (service, most)):
            while queue and events < limit and size < MAX_BYTES:
                weight = len(queue[0].matched) or 1
                if batch and events + weight > most:
                    break
                waiting = queue.popleft()
                if waiting.future.done():  # gave up while it waited
                    self._release(waiting)
                    continue
                batch.append(waiting)
                events += weight
                size += waiting.size
        return batch

    def _sweep(self) -> None:
        """Tell the intake that waited too long to come back; repeat as long as we run.

        What is being committed may still succeed; its sender repeats it and finds it stored.
        """
        oldest = monotonic() - PATIENCE
        late = UnavailableError("the database does not keep up", code="overloaded")
        queue = self._intake
        while queue and queue[0].since < oldest:
            self._refuse(queue.popleft(), late)
        for waiting in self._in_flight:
            patient = not waiting.is_intake or waiting.since >= oldest
            if not patient and not waiting.future.done():
                waiting.future.set_exception(late)
        self._sweeper = asyncio.get_running_loop().call_later(0.25, self._sweep)

    def _pace(self, seconds: float, events: int) -> None:
        """Aim at transactions of at most 50 ms, so that nobody waits longer behind one."""
        if seconds > MAX_SECONDS:
            self._limit = max(MAX_EVENTS // 20, self._limit // 2)
        elif events >= self._limit:
            self._limit = min(MAX_EVENTS, self._limit * 2)

    # -- one batch -------------------------------------------------------------------------

    async def _commit_batch(self, batch: list[_Waiting]) -> None:
        """Commit the batch, whatever it takes; every change in it is answered."""
        started = monotonic()
        for pause in (*_RETRIES, None):
            try:
                commit = await self._transaction(batch)
            except Exception as error:
                await self._writer.rollback()
                fault = self._writer.fault(error)
                self.on_failure(fault)
                if fault is Fault.DATA:
                    await self._blame(batch, error)
                    return
                if fault is Fault.FATAL:
                    raise
                if not await self._hold(batch, error, fault, pause):
                    return
            else:
                self.available = True
                self._pace(monotonic() - started, len(commit.stored))
                ended, oldest = monotonic(), min([w.since for w in batch], default=started)
                self.on_commit(ended - started, ended - oldest, len(commit.stored))
                self._acknowledge(batch, commit)
                return

    async def _blame(self, batch: list[_Waiting], error: Exception) -> None:
        """Find the change that fails by halving; the order of the others stays."""
        if not batch:
            # Pending events could not be evaluated: ours to see, and to try again later.
            log.error("pending_events_failed", error=repr(error), exc_info=error)
            self._backlog = False
            asyncio.get_running_loop().call_later(1.0, self.wake)
        elif len(batch) == 1:
            self._refuse(batch[0], error)
        else:
            middle = len(batch) // 2
            await self._commit_batch(batch[:middle])
            await self._commit_batch(batch[middle:])

    async def _hold(
        self, batch: list[_Waiting], error: Exception, fault: Fault, pause: float | None
    ) -> bool:
        """Wait before the batch is tried again; False when it was given back instead."""
        if fault is not Fault.AGAIN:
            if self.available:
                log.error("database_unavailable", error=str(error), fault=fault.name)
            self.available = False
        if fault is Fault.UNKNOWN:
            for waiting in batch:
                waiting.resubmitted = True
        elif fault is Fault.UNAVAILABLE:
            for waiting in [w for w in batch if w.is_intake]:
                self._refuse(waiting, UnavailableError("the database is out of reach"))
                batch.remove(waiting)
        if pause is None or (self._closing and fault is Fault.UNAVAILABLE):
            for waiting in reversed(batch):
                (self._intake if waiting.is_intake else self._service).appendleft(waiting)
            await asyncio.sleep(_RETRIES[-1])
            return False
        await asyncio.sleep(pause)
        return True

    def _acknowledge(self, batch: Sequence[_Waiting], commit: Commit) -> None:
        failpoint("before_ack")
        for waiting in batch:
            self._release(waiting)
            if not waiting.future.done():
                waiting.future.set_result(waiting.receipt)
        if not commit.stored:
            return
        for callback in tuple(self._subscribers):
            try:
                callback(commit.stored)
            except Exception:
                log.exception("subscriber_failed")

    def _refuse(self, waiting: _Waiting, error: Exception) -> None:
        self._release(waiting)
        if not waiting.future.done():
            waiting.future.set_exception(error)

    def _release(self, waiting: _Waiting) -> None:
        if waiting.is_intake:
            self._waiting_bytes -= waiting.size

    async def _transaction(self, batch: Sequence[_Waiting]) -> Commit:
        """One attempt; whatever it raises, nothing of it was committed unless that is unknown."""
        token = _inside.set(True)
        head, self._head = self._head, None
        committed: bool | None = False
        try:
            tx = await self._writer.begin(self._clock(), head)
            commit = Commit(tx, self._seen, self._evaluator)
            await commit.write(batch)
            failpoint("before_commit")
            committed = None  # from here on until it is known
            await self._writer.commit()
            failpoint("after_commit")
            committed = True
        finally:
            _inside.reset(token)
            self._seen.settle(committed)
        self._backlog = commit.backlog
        self._head = commit.head
        return commit


def _are_few(batch: Sequence[_Waiting]) -> bool:
    return len(batch) < FEW and sum([len(waiting.matched) for waiting in batch]) < FEW
