"""The timer's event: how time enters the log.

What comes due is an event like any other, so that it has its place in the one order, is taken
once whatever the number of replicas, and is found by a replay where the live service saw it. Its
id is the window and the instant. A time of a clock comes once and never again, even should the
clock be set back. A window may come to wait for the same instant twice, because a late event began
another wait: so its id also says when it rang.
"""

from __future__ import annotations

from typing import Any, Final

from base.time import Micros, to_rfc3339
from events.event import Event
from triggers.windows import WindowKey

DUE: Final = "ensue.timer.due"


def timer_event(
    key: WindowKey, due: Micros, now: Micros, *, late: bool = False, once: bool = False
) -> Event:
    """That the window's timer came due. `late` says that nobody was there when it did.

    With `once` there is one such event for an instant, whenever it rings.
    """
    data: dict[str, Any] = {**key._asdict(), "due": to_rfc3339(due), "micros": due}
    if late:
        data["late"] = True
    place = (key.automation, str(key.trigger), key.path, key.key, str(due))
    return Event(
        id="/".join(place if once else (*place, str(now))),
        source=f"/automations/{key.automation}",
        type=DUE,
        subject=key.automation,
        time=due,
        received=now,
        data=data,
    )


def read_timer(event: Event) -> tuple[WindowKey, Micros, bool] | None:
    """Which window, when it was due, and whether that is told late; None if it says no such thing."""
    match event.data:
        case {
            "automation": str(automation),
            "trigger": int(trigger),
            "path": str(path),
            "key": str(key),
            "micros": int(due),
        }:
            late = event.data.get("late") is True
            return WindowKey(automation, trigger, path, key), due, late
        case _:
            return None
