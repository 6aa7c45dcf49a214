"""When a rule begins to listen: which of its windows wait for time from then on.

That is when it is created, enabled, resumed, or given another trigger. An absence counts from
then for keys it expects and for keys that it watches already, for nobody heard them meanwhile;
what told of a silence holds until it is cleared. All other windows go on where they stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from events.tx import Tx
from triggers.listener import Node, Trigger
from triggers.rows import SET_TIMERS
from triggers.window import WindowState
from triggers.windows import APART, NEW, Window, WindowKey, WindowRows, Windows


async def arm(tx: Tx, windows: Windows, automation: str, triggers: Sequence[Trigger]) -> None:
    """Set the timers of this rule, which begins to listen."""
    rows = windows.within(tx)
    for place in await _apart(tx, automation):
        await _arm(tx, rows, place, None)
    for number, trigger in enumerate(triggers):
        for node in trigger.nodes:
            await _arm(tx, rows, WindowKey(automation, number, node.path, ""), node)


async def _arm(tx: Tx, rows: WindowRows, place: WindowKey, node: Node | None) -> None:
    waiting = await _waiting(tx, place)
    timers = []
    changed = {}
    expected = {place._replace(key=key): NEW for key in (node.expected if node else ())}
    known = await rows.load(expected.keys() | waiting.keys())
    for key in expected | waiting:
        before = known.get(key, NEW)
        state = node.enabled(before.state, tx.now) if node else before.state
        if state != before.state:
            changed[key] = before, replace(before, state=state)
        if state.due is not None:
            # Also where it is as it was: while the rule did not listen there was no timer.
            timers.append((*key, state.due))
            rows.expect(state.due)
    await rows.save(changed)
    await tx.insert(SET_TIMERS, timers)


async def _apart(tx: Tx, automation: str) -> list[WindowKey]:
    """Where the rule keeps windows that belong to none of its triggers."""
    rows = await tx.fetch(
        'SELECT DISTINCT trigger, path FROM "window" WHERE automation = $1 AND path LIKE $2',
        automation,
        f"{APART}%",
    )
    return [WindowKey(automation, trigger, path, "") for trigger, path in rows]


async def _waiting(tx: Tx, place: WindowKey) -> dict[WindowKey, Window]:
    """The windows of one node that wait for time."""
    found = await tx.fetch(
        'SELECT key, newest, content, firing FROM "window"'
        " WHERE automation = $1 AND trigger = $2 AND path = $3 AND content <> ''",
        *place[:3],
    )
    states = {
        place._replace(key=key): Window(WindowState.read(newest, content, ()), firing)
        for key, newest, content, firing in found
    }
    return {key: window for key, window in states.items() if window.state.due is not None}
