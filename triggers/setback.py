"""A clock that was set back: what waits for a time does not wait for longer than it would have.

A timer is set for an instant. When the clock is set back by an hour, that instant is an hour
farther away than it was meant to be. So an absence waits from now on for as long as it is told to
wait, at most; a schedule goes on with its next time, and the times that were taken before are not
taken again, for their events are known; and what a rule gathers is let go when its span is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from base.time import Micros
from events.tx import Tx
from triggers.listener import Node
from triggers.window import WindowState
from triggers.windows import APART, WindowKey, Windows


async def put_right(tx: Tx, windows: Windows, node: Callable[[WindowKey], Node | None]) -> None:
    """Move the timers of these windows that are farther away than they can be."""
    places = await tx.fetch(
        "SELECT DISTINCT automation, trigger, path FROM timer WHERE due > $1", tx.now
    )
    for automation, trigger, path in places:
        place = WindowKey(automation, trigger, path, "")
        if path.startswith(APART):
            await _move(tx, windows, place, 0, _apart)
        elif (found := node(place)) is not None:
            await _move(tx, windows, place, found.span, found.set_back)


async def _move(
    tx: Tx,
    windows: Windows,
    place: WindowKey,
    span: Micros,
    set_back: Callable[[WindowState, Micros], WindowState],
) -> None:
    keys = await tx.fetch(
        "SELECT key FROM timer WHERE automation = $1 AND trigger = $2 AND path = $3 AND due > $4",
        *place[:3],
        tx.now + span,
    )
    rows = windows.within(tx)
    known = await rows.load([place._replace(key=key) for (key,) in keys])
    changed = {}
    for key, window in known.items():
        state = set_back(window.state, tx.now)
        if state is not window.state:
            changed[key] = window, replace(window, state=state)
    await rows.save(changed)


def _apart(state: WindowState, now: Micros) -> WindowState:
    """A window that the rule keeps apart waits from its last mark."""
    last = max((mark.time for mark in state.marks), default=0)
    if state.due is None or last <= now:
        return state
    marks = tuple(mark._replace(time=min(mark.time, now)) for mark in state.marks)
    return replace(state, due=now + state.due - last, marks=marks)
