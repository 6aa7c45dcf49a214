"""Forgetting firings and their actions by age, as a sweep for the service that forgets.

A firing goes with all its actions. What still waits to be sent is kept, and its firing with it;
what is dead goes with its firing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from base.ids import new_id
from base.time import Micros
from events.retention import Sweep
from events.tx import Tx

_MILLISECONDS: Final = 13
"""The characters of a UUIDv7 that say when it was made."""
_ROWS_OF_A_FIRING: Final = 3
"""Rows that a firing is taken for in a slice: its own and its actions."""
_PAGES: Final = 5
"""How far a slice looks past firings that cannot go yet."""


def sweeps(*, firings: timedelta) -> Sequence[Sweep]:
    """How long firings are kept, with what they did."""
    return (Sweep("firings", firings, delete_firings),)


async def delete_firings(tx: Tx, cutoff: Micros, limit: int) -> int:
    """The oldest firings of before the cutoff, and their actions."""
    last = ""
    for _ in range(_PAGES):
        rows = await tx.fetch(
            "SELECT id, actions FROM firing WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3",
            last,
            new_id(cutoff)[:_MILLISECONDS],
            max(limit // _ROWS_OF_A_FIRING, 1),
        )
        if not rows:
            return 0
        if removed := await _delete(tx, rows):
            return removed
        last = rows[-1][0]
    return 0


async def _delete(tx: Tx, firings: Sequence[tuple[Any, ...]]) -> int:
    """Delete those of the firings none of whose actions is still to be sent."""
    rows = await tx.fetch(
        "SELECT DISTINCT firing FROM action"
        f" WHERE status IN ('waiting', 'sending') AND id {tx.any(1, 'text')}",
        _actions(firings),
    )
    kept = {row[0] for row in rows}
    gone = [one for one in firings if one[0] not in kept]
    removed = await tx.execute(f"DELETE FROM action WHERE id {tx.any(1, 'text')}", _actions(gone))
    ids = [firing for firing, _ in gone]
    return removed + await tx.execute(f"DELETE FROM firing WHERE id {tx.any(1, 'text')}", ids)


def _actions(firings: Sequence[tuple[Any, ...]]) -> list[str]:
    return [f"{firing}.{n}" for firing, count in firings for n in range(count)]
