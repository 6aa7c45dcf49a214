"""Looks after runs that nobody looks after: those of lost workers, and those that are late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from base.clock import ClockWatch, Setback, steady
from base.errors import UnavailableError
from base.logs import logger
from base.services import Service
from base.time import SECOND, Micros
from engine import store, workers
from engine.lease import Doubt, clock
from engine.state import Delay, Lose, Signal, Step
from events.change import Change, Lane
from events.event import Event
from events.journal import Journal
from events.tx import Tx

_SLICE: Final = 200

log = logger("rescue")


class Rescue(Service):
    """On every server; whichever comes first does it, in the one order of the journal.

    A run whose lease has run out goes back to the queue if it had not begun, and has crashed if
    it had: its process ended itself before the lease did. A run not started `late_after` its
    time is called late, once, and stays claimable; one whose flow is paused waits on purpose.

    When the clock leapt ahead, leases seem to have run out that are well: for as long as a lease
    lasts nobody is taken for lost then. When it was set back, what waits is brought back with it.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        lease: Micros = 30 * SECOND,
        late_after: Micros = 15 * SECOND,
        every: float = 5.0,
        watch: ClockWatch | None = None,
    ) -> None:
        """Without a `watch` the clock is one that nobody sets."""
        super().__init__("rescue")
        self._journal = journal
        self._lease = lease
        self._late_after = late_after
        self._every = every
        self._doubt = Doubt(lease)
        self._setback = Setback(watch)
        self._watch = watch
        if watch:
            watch.on_set.append(lambda _leap: self.wake())

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                more = await self.look()
            except UnavailableError as error:
                log.warning("rescue_put_off", problem=error.message)
                more = False
            if not more:
                await self.pause(self._every)

    async def look(self) -> bool:
        """One round; True if there may be more to do."""
        full = False
        setback = 0

        async def operation(tx: Tx) -> Sequence[Event]:
            nonlocal full, setback
            if self._watch:
                self._watch.look()
            setback = self._setback.pending
            at = await clock(tx)
            if setback:
                await store.put_right(tx, at + self._lease)
            doubtful = self._doubt.holds(at, steady())
            lost = [] if doubtful else await store.lost(tx, at, _SLICE)
            overdue = await store.overdue(tx, self._late_after, _SLICE)
            full = _SLICE in (len(lost), len(overdue))
            signals: list[tuple[str, Signal]] = [
                *((run.id, Lose(f"its worker {run.worker} was lost")) for run in lost),
                *((run.id, Delay()) for run in overdue),
            ]
            events = [] if doubtful else await workers.bury(tx, at, self._lease)
            if signals:
                answers = await store.apply(tx, signals)
                events += [answer.event for answer in answers if isinstance(answer, Step)]
            return events

        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        self._setback.done(setback)
        return full
