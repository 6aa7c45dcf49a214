"""Forgetting runs and what they said, as sweeps for the service that forgets by age.

A run goes with its lines and its tasks, and only when it is over; its events go with the log,
by their own age.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from base.ids import new_id
from base.time import Micros
from events.retention import Sweep
from events.tx import Tx

_MILLISECONDS: Final = 13
"""The characters of a UUIDv7 that say when it was made."""
_ROWS_OF_A_RUN: Final = 10
"""Rows that a run is taken for in a slice: its own, its tasks, some lines."""


def sweeps(*, runs: timedelta, logs: timedelta) -> Sequence[Sweep]:
    """How long ended runs, and log lines, are kept."""
    return (Sweep("logs", logs, delete_lines), Sweep("runs", runs, delete_runs))


async def delete_lines(tx: Tx, cutoff: Micros, limit: int) -> int:
    return await tx.execute(
        "DELETE FROM run_log WHERE (run, seq) IN "
        "(SELECT run, seq FROM run_log WHERE time < $1 ORDER BY time LIMIT $2)",
        cutoff,
        limit,
    )


async def delete_runs(tx: Tx, cutoff: Micros, limit: int) -> int:
    """Runs that ended before the cutoff, in the order of their making; first what they said."""
    # Ids tell when a run was made, and what was made later cannot have ended before.
    rows = await tx.fetch(
        "SELECT id FROM run WHERE id < $1 AND ended < $2 AND state IN "
        "('cancelled', 'completed', 'failed', 'timed_out', 'crashed', 'skipped') "
        "ORDER BY id LIMIT $3",
        new_id(cutoff)[:_MILLISECONDS],
        cutoff,
        max(limit // _ROWS_OF_A_RUN, 1),
    )
    ids = [row[0] for row in rows]
    if not ids:
        return 0
    lines = await tx.execute(
        "DELETE FROM run_log WHERE (run, seq) IN "
        f"(SELECT run, seq FROM run_log WHERE run {tx.any(1, 'text')} ORDER BY run, seq LIMIT $2)",
        ids,
        limit,
    )
    if lines >= limit:
        return lines
    done = await tx.execute(f"DELETE FROM task_run WHERE run {tx.any(1, 'text')}", ids)
    return lines + done + await tx.execute(f"DELETE FROM run WHERE id {tx.any(1, 'text')}", ids)
