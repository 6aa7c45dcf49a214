"""Forgetting windows of keys that nobody spoke of again.

No span is longer than events are kept, so what a window that has not changed for as long holds
can add to nothing any more: members that are too old, the last match that a wait was answered by,
how far an aggregate had come. What waits for a timer stays.

A silence stays until it is over; but not longer than its firing is known, for its end could act on
nothing then. So keys that come and go do not gather for ever. Keys that a rule names, as
`expected` or because it has only one, are missed for as long as they are silent. So are members
of other triggers, which go on counting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from base.time import Micros
from events.retention import Sweep
from events.tx import Tx
from triggers.key import NO_KEY
from triggers.listener import Node
from triggers.rows import DAY, KEY, as_json, given, same
from triggers.windows import NEW, WindowKey, Windows

_IDLE: Final = (
    "firing IS NULL AND (content = '' OR content LIKE '[%,false,null,[]]'"
    " OR content LIKE '[%,false,null,[[%,null,null]]]')"
)
"""It neither holds nor waits; of its marks there may be a match, but no condition that holds.

See `WindowState.content` and `Member`: what a nested trigger marked names its events.
"""

_SILENT: Final = f"firing IS NOT NULL AND content LIKE '[%,true,null,[%' AND key <> '{NO_KEY}'"
_WINDOW: Final = '"window"'
_PAGES: Final = 5
"""How far a slice looks past silences that are to stay."""

NodeOf = Callable[[WindowKey], Node | None]


def sweeps(
    windows: Windows, node: NodeOf, *, events: timedelta, firings: timedelta
) -> Sequence[Sweep]:
    """`events` and `firings` are how long these are kept; `node` is whose window one is."""

    async def idle(tx: Tx, cutoff: Micros, limit: int) -> int:
        return await _forget(tx, windows, await _oldest(tx, _IDLE, cutoff, limit))

    async def silent(tx: Tx, cutoff: Micros, limit: int) -> int:
        for _ in range(_PAGES):
            found = await _oldest(tx, _SILENT, cutoff, limit)
            named = [key for key in found if _is_named(key, node(key))]
            await _put_off(tx, named)
            if len(named) < len(found) or not found:
                return await _forget(tx, windows, [key for key in found if key not in named])
        return 0

    return (
        Sweep("windows", events, idle),
        Sweep("silences", max(events, firings), silent),
    )


async def _oldest(tx: Tx, which: str, cutoff: Micros, limit: int) -> list[WindowKey]:
    rows = await tx.fetch(
        'SELECT automation, trigger, path, key FROM "window"'
        f" WHERE updated < $1 AND {which} ORDER BY updated LIMIT $2",
        cutoff - DAY,
        limit,
    )
    return [WindowKey(*row) for row in rows]


async def _forget(tx: Tx, windows: Windows, keys: Sequence[WindowKey]) -> int:
    rows = windows.within(tx)
    await rows.save({key: (window, NEW) for key, window in (await rows.load(keys)).items()})
    return len(keys)


def _is_named(key: WindowKey, node: Node | None) -> bool:
    """Also where nobody listens here: then it is not known whether it is."""
    return node is None or key.key in node.expected


async def _put_off(tx: Tx, keys: Sequence[WindowKey]) -> None:
    """These stay; they are looked at again when others of their age would be."""
    if keys:
        rows: list[tuple[Any, ...]] = [tuple(key) for key in keys]
        await tx.execute(
            'UPDATE "window" SET updated = CAST($2 AS BIGINT)'
            f" FROM {given(tx, KEY)} WHERE {same(_WINDOW)}",
            as_json(rows),
            tx.now // DAY * DAY,
        )
