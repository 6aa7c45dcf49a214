"""Forgetting by age, in slices so small that nobody waits behind one.

A *sweep* deletes at most `limit` of the oldest rows of one kind in the journal's transaction.
The service goes through all sweeps, as often as each still finds something, and sizes the
slices so that one takes about 5 ms; between two of them everybody else has their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

import structlog

from base.errors import UnavailableError
from base.time import Micros
from events.change import Change, Lane
from events.event import Event
from events.journal import Journal
from events.segmented_seen import SegmentedSeen
from events.tx import Tx

log = structlog.get_logger()

_TARGET = 0.005
_SMALLEST, _LARGEST = 20, 5_000
_EMPTY_SEGMENTS = (
    "DELETE FROM event_type WHERE segment < (SELECT min(position) FROM event)",
    "DELETE FROM event_segment WHERE last < (SELECT min(position) FROM event)",
)
"""Where all events of a segment are gone, nobody needs to know where they were."""


@dataclass(frozen=True)
class Sweep:
    """One kind of row and how long it is kept; `delete` says how many rows it removed."""

    name: str
    keep: timedelta
    delete: Callable[[Tx, Micros, int], Awaitable[int]]
    """`(tx, cutoff, limit)`: remove at most `limit` rows of before the cutoff, oldest first.

    Called again and again until it returns 0.
    """


class Retention:
    """Runs the sweeps, again and again."""

    def __init__(
        self,
        journal: Journal,
        sweeps: Sequence[Sweep],
        *,
        interval: timedelta = timedelta(minutes=1),
    ) -> None:
        self._journal = journal
        self._sweeps = sweeps
        self._interval = interval.total_seconds()
        self.on_removed: Callable[[str, int], None] = lambda _kind, _rows: None
        """Told of each slice: the kind of row, and how many went."""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            for sweep in self._sweeps:
                try:
                    await self.sweep(sweep)
                except UnavailableError as error:
                    log.warning("retention_postponed", kind=sweep.name, error=str(error))

    async def sweep(self, sweep: Sweep) -> int:
        """Remove all there is to remove of one kind; how many rows that were."""
        limit, total = 200, 0
        while True:
            removed, seconds = await self._slice(sweep, limit)
            total += removed
            self.on_removed(sweep.name, removed)
            if not removed:
                if total:
                    log.info("retention_removed", kind=sweep.name, rows=total)
                return total
            limit = max(_SMALLEST, min(_LARGEST, int(limit * min(2.0, _TARGET / (seconds + 1e-6)))))
            await asyncio.sleep(_TARGET)

    async def _slice(self, sweep: Sweep, limit: int) -> tuple[int, float]:
        removed, seconds = 0, 0.0

        async def operation(tx: Tx) -> Sequence[Event]:
            nonlocal removed, seconds
            started = perf_counter()
            cutoff = tx.now - sweep.keep // timedelta(microseconds=1)
            removed = await sweep.delete(tx, cutoff, limit)
            seconds = perf_counter() - started
            return ()

        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        return removed, seconds


async def delete_events(tx: Tx, cutoff: Micros, limit: int) -> int:
    """The oldest events; never the newest of all, whose position the log goes on from."""
    removed = await tx.execute(
        "DELETE FROM event WHERE position IN ("
        # Not "<": of two upper bounds SQLite may go by the one that has all of the log below it.
        "SELECT position FROM event WHERE received < $1 AND position <> "
        "(SELECT max(position) FROM event) "
        "AND position NOT IN (SELECT position FROM pending) "
        "AND position <= (SELECT max(position) FROM "
        "(SELECT position FROM event ORDER BY position LIMIT $2) AS oldest))",
        cutoff,
        limit,
    )
    if removed and tx.dialect == "sqlite":
        for statement in _EMPTY_SEGMENTS:
            await tx.execute(statement)
    return removed


async def delete_deliveries(tx: Tx, cutoff: Micros, limit: int) -> int:
    return await tx.execute(
        "DELETE FROM delivery WHERE at < $1 AND id IN (SELECT id FROM delivery ORDER BY id LIMIT $2)",
        cutoff,
        limit,
    )


async def delete_replays(tx: Tx, cutoff: Micros, limit: int) -> int:
    return await tx.execute(
        'DELETE FROM replay WHERE "key" IN '
        '(SELECT "key" FROM replay WHERE at < $1 ORDER BY at LIMIT $2)',
        cutoff,
        limit,
    )


def forget_seen(seen: object) -> Callable[[Tx, Micros, int], Awaitable[int]]:
    """How this memory of ids forgets: whole segments on SQLite, rows on PostgreSQL."""

    async def rows(tx: Tx, cutoff: Micros, limit: int) -> int:
        return await tx.execute(
            "DELETE FROM seen WHERE ctid = ANY(ARRAY("
            "SELECT ctid FROM seen WHERE at < $1 LIMIT $2))",
            cutoff,
            limit,
        )

    return seen.expire if isinstance(seen, SegmentedSeen) else rows
