"""Timers: what is due goes into the log as an event, once, and is evaluated like any other.

    timer rows ──earliest──▶ sleep ──due──▶ what had arrived is committed ──▶ ensue.timer.due

The row of a timer goes in the transaction that writes its event, so of several servers one takes
it. At one instant events come before timers: a timer waits until its instant is over and what
had come in by then is evaluated.

What came due while no server was there waits a little longer after the start, for what is still
on its way: as long as the trigger itself waits, but a minute at most. Then it is said to be late.
A rule that does not listen has no timers; its windows know when they are due, should it listen
again.

A wall clock that leaps ahead is a stop that nobody made: what came due in between is overdue. One
that is set back puts off no timer for longer than the trigger waits (see `setback`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from base.clock import ClockWatch, Setback
from base.database import Database
from base.errors import UnavailableError
from base.failpoint import failpoint
from base.logs import logger
from base.services import Service
from base.time import SECOND, Micros, now
from events.change import Change, Lane, Receipt
from events.event import Event
from events.journal import Journal
from events.tx import Tx
from triggers.clock_trigger import ClockTrigger
from triggers.evaluator import TriggerEvaluator
from triggers.rows import TAKE_TIMERS
from triggers.setback import put_right
from triggers.tables import TimerRow
from triggers.timer import timer_event
from triggers.windows import WindowKey

log = logger("timers")

LATE: Final[Micros] = 10 * SECOND
"""A timer that rings so much after its time says so."""
GRACE: Final[Micros] = 60 * SECOND
"""The longest that overdue timers wait after a start."""
POLL: Final = 5.0
"""Seconds after which timers that another server set are seen, should it be gone."""
_SLICE: Final = 200
_SELECT: Final = "SELECT automation, trigger, path, key, due FROM timer"


class Timers(Service):
    """Rings the timers of all windows that the evaluator has triggers for."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        evaluator: TriggerEvaluator,
        *,
        clock: Callable[[], Micros] = now,
        watch: ClockWatch | None = None,
    ) -> None:
        """Without a `watch` the clock is one that nobody sets."""
        super().__init__("timers")
        self._database = database
        self._journal = journal
        self._evaluator = evaluator
        self._clock = clock
        self._start = clock()
        self._next: Micros = 0
        self._setback = Setback(watch)
        self._look = watch.look if watch else lambda: None
        if watch:
            watch.on_set.append(self._clock_was_set)

    def expect(self, due: Micros) -> None:
        """A timer was set for then."""
        if due < self._next:
            self._next = due
            self.wake()

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                more = await self.ring()
            except (UnavailableError, SQLAlchemyError, OSError) as error:
                log.warning("timers_put_off", reason=str(error))
                self._next, more = self._clock() + SECOND, False
            if not more:
                wait = (self._next - self._clock()) / SECOND
                await self.pause(min(max(wait, 0.001), POLL))

    async def ring(self) -> bool:
        """Let ring what is due; True if there may be more."""
        self._look()
        if setback := self._setback.pending:
            await self._put_right(setback)
        # Set before looking, so that a timer set meanwhile is not overlooked.
        self._next = self._clock() + round(POLL * SECOND)
        earliest = await self._earliest()
        if earliest is not None:
            self._next = min(self._next, earliest + 1)
        if earliest is None or earliest >= self._clock():
            return False
        await self._journal.settled()
        rung: Sequence[Event] = ()

        async def operation(tx: Tx) -> Sequence[Event]:
            nonlocal rung
            rung = await self._take(tx)
            if rung:
                failpoint("after_take")
            return rung

        async def settlement(tx: Tx, receipt: Receipt) -> None:
            # A clock was set back and a rule begun anew: go on behind times that were taken before.
            for event, position in zip(rung, receipt.positions, strict=True):
                if position is None:
                    await self._evaluator.skip(tx, event)

        change = Change(operation=operation, settlement=settlement, lane=Lane.SERVICE)
        await self._journal.submit(change)
        if rung:
            failpoint("after_ring")
        else:
            # Those that are due still wait, after a start.
            self._next = self._clock() + SECOND // 4
        return bool(rung)

    def _clock_was_set(self, leap: Micros) -> None:
        # What came due in a leap is overdue; nothing is so because the clock was set back.
        self._start = self._clock() if leap > 0 else min(self._start, self._clock())
        self.wake()

    async def _put_right(self, setback: int) -> None:
        """Let no timer wait for a time that a clock set back has put off."""

        async def operation(tx: Tx) -> Sequence[Event]:
            await put_right(tx, self._evaluator.windows, self._evaluator.node)
            return ()

        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        self._setback.done(setback)

    async def _earliest(self) -> Micros | None:
        """Of those that somebody here listens for, as far as they are among the first."""
        statement: Any = select(TimerRow.automation, TimerRow.due).order_by(col(TimerRow.due))
        async with self._database.reader() as session:
            first = (await session.exec(statement.limit(_SLICE))).all()
        here = set(self._evaluator.listening)
        return next((due for automation, due in first if automation in here), None)

    async def _take(self, tx: Tx) -> list[Event]:
        """Take the timers that ring now, the earliest first."""
        self._look()
        due = await self._due(tx)
        await tx.delete(TAKE_TIMERS, [(*key, at) for key, at in due])
        return [self._event(key, at, tx.now) for key, at in due]

    def _event(self, key: WindowKey, due: Micros, now: Micros) -> Event:
        late = due < self._start or now - due > LATE
        once = isinstance(self._evaluator.node(key), ClockTrigger)
        return timer_event(key, due, now, late=late, once=once)

    async def _due(self, tx: Tx) -> list[tuple[WindowKey, Micros]]:
        """Of those that nobody here listens for, another server may know more."""
        after = 0 if tx.now > self._start + GRACE else self._start
        rows = await tx.fetch(
            f"{_SELECT} WHERE due < $1 AND due >= $2 AND automation {tx.any(3, 'text')}"
            " ORDER BY due, automation, trigger, path, key LIMIT $4",
            tx.now,
            after,
            self._evaluator.listening,
            _SLICE,
        )
        if after:
            rows = [*await self._overdue(tx), *rows]
        return [(WindowKey(*row[:4]), row[4]) for row in rows]

    async def _overdue(self, tx: Tx) -> list[tuple[Any, ...]]:
        """What came due before the start, and has waited long enough since."""
        nodes = await tx.fetch(
            "SELECT DISTINCT automation, trigger, path FROM timer WHERE due < $1", self._start
        )
        rows = []
        for automation, trigger, path in nodes:
            span = self._evaluator.span(WindowKey(automation, trigger, path, ""))
            if span is not None and tx.now > self._start + min(span, GRACE):
                rows += await tx.fetch(
                    f"{_SELECT} WHERE due < $1 AND automation = $2 AND trigger = $3 AND path = $4"
                    " ORDER BY due, key LIMIT $5",
                    self._start,
                    automation,
                    trigger,
                    path,
                    _SLICE,
                )
        return sorted(rows, key=lambda row: (row[4], *row[:4]))
