"""Removes runs and log lines that are old enough, a few at a time, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from base.ids import new_id
from base.time import Micros
from events.change import Change, Lane
from events.event import Event
from events.journal import Journal
from events.tx import Tx

SLICE: Final = 500
"""Rows removed in one transaction, at most: a few milliseconds."""
_MILLISECONDS: Final = 13
"""The characters of a UUIDv7 that say when it was made."""
_OLD_RUNS = (
    "SELECT id FROM run WHERE ended < $1 AND state IN "
    "('cancelled', 'completed', 'failed', 'timed_out', 'crashed', 'skipped') "
    "AND id < $2 ORDER BY id LIMIT $3"
)


@dataclass(slots=True)
class Removed:
    runs: int = 0
    lines: int = 0


class RunRetention:
    """`slice` removes a little and says whether there may be more: call it until it says no.

    A run goes with its lines and its tasks, and only when it is over; its events are kept or
    removed with the log, by their own age.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def slice(self, *, runs_before: Micros, lines_before: Micros) -> tuple[Removed, bool]:
        """Remove what ended, or was said, before these instants. The second value: go on."""
        removed = Removed()
        more = False

        async def operation(tx: Tx) -> Sequence[Event]:
            nonlocal more
            removed.runs, removed.lines = 0, await _remove_lines(tx, lines_before)
            if removed.lines < SLICE:
                await _remove_runs(tx, runs_before, removed)
            more = removed.lines >= SLICE or removed.runs >= SLICE // 10
            return []

        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        return removed, more


async def _remove_lines(tx: Tx, before: Micros) -> int:
    return await tx.execute(
        "DELETE FROM run_log WHERE (run, seq) IN "
        "(SELECT run, seq FROM run_log WHERE time < $1 ORDER BY time LIMIT $2)",
        before,
        SLICE,
    )


async def _remove_runs(tx: Tx, before: Micros, removed: Removed) -> None:
    """Ids are in the order of their making: what was made later cannot have ended before."""
    made_later = new_id(before)[:_MILLISECONDS]
    rows = await tx.fetch(_OLD_RUNS, before, made_later, SLICE // 10)
    ids = [row[0] for row in rows]
    if not ids:
        return
    left = SLICE - removed.lines
    removed.lines += await tx.execute(
        "DELETE FROM run_log WHERE (run, seq) IN "
        f"(SELECT run, seq FROM run_log WHERE run {tx.any(1, 'text')} ORDER BY run, seq LIMIT $2)",
        ids,
        left,
    )
    if removed.lines >= SLICE:
        return  # the rest of their lines first
    await tx.execute(f"DELETE FROM task_run WHERE run {tx.any(1, 'text')}", ids)
    removed.runs = await tx.execute(f"DELETE FROM run WHERE id {tx.any(1, 'text')}", ids)
