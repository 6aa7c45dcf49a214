"""Forgetting windows of keys that nobody spoke of again.

No span is longer than events are kept, so what a window that has not changed for as long holds
can add to nothing any more. What waits for a timer, or holds a condition, stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from base.time import Micros
from events.retention import Sweep
from events.tx import Tx
from triggers.rows import DAY
from triggers.window import PRECISE
from triggers.windows import NEW, WindowKey, Windows


def sweeps(windows: Windows, *, events: timedelta) -> Sequence[Sweep]:
    """`events` is how long events are kept."""

    async def delete(tx: Tx, cutoff: Micros, limit: int) -> int:
        found = await tx.fetch(
            'SELECT automation, trigger, path, key FROM "window"'
            " WHERE updated < $1 AND content IN ('', $2) AND firing IS NULL"
            " ORDER BY updated LIMIT $3",
            cutoff - DAY,
            PRECISE,
            limit,
        )
        keys = [WindowKey(*row) for row in found]
        rows = windows.within(tx)
        await rows.save({key: (window, NEW) for key, window in (await rows.load(keys)).items()})
        return len(keys)

    return (Sweep("windows", events, delete),)
