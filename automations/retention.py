"""Forgetting firings and their actions by age, as a sweep for the service that forgets.

A firing goes with all its actions. What still waits to be sent is kept, and its firing with it;
what is dead goes with its firing.
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
_ROWS_OF_A_FIRING: Final = 3
"""Rows that a firing is taken for in a slice: its own and its actions."""


def sweeps(*, firings: timedelta) -> Sequence[Sweep]:
    """How long firings are kept, with what they did."""
    return (Sweep("firings", firings, delete_firings),)


async def delete_firings(tx: Tx, cutoff: Micros, limit: int) -> int:
    """The oldest firings of before the cutoff, and their actions."""
    rows = await tx.fetch(
        "SELECT id, actions FROM firing WHERE id < $1 AND id NOT IN (SELECT firing FROM action"
        " WHERE status IN ('waiting', 'sending') AND id < $1) ORDER BY id LIMIT $2",
        new_id(cutoff)[:_MILLISECONDS],
        max(limit // _ROWS_OF_A_FIRING, 1),
    )
    if not rows:
        return 0
    actions = [f"{firing}.{n}" for firing, count in rows for n in range(count)]
    removed = await tx.execute(f"DELETE FROM action WHERE id {tx.any(1, 'text')}", actions)
    firings = [firing for firing, _ in rows]
    return removed + await tx.execute(f"DELETE FROM firing WHERE id {tx.any(1, 'text')}", firings)
