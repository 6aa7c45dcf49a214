"""The events by which rules are told of: `ensue.automation.*` and `ensue.action.*`.

Their source is the rule, their subject what they are about. What a firing caused is one deeper
than the firing; what only tells of a rule (that it looped, erred, was paused) is as deep as the
event it came from, so that a rule with a higher `max_depth` can be told of loops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from automations.firing import Firing
from automations.steering import RunCommand
from base.ids import derived_id, new_id
from base.time import Micros
from events.event import Event
from triggers.evaluator import LOOPED
from triggers.sink import Trouble

CREATED: Final = "ensue.automation.created"
UPDATED: Final = "ensue.automation.updated"
DELETED: Final = "ensue.automation.deleted"
FIRED: Final = "ensue.automation.fired"
RESOLVED: Final = "ensue.automation.resolved"
SUPPRESSED: Final = "ensue.automation.suppressed"
ERROR: Final = "ensue.automation.error"
PAUSED: Final = "ensue.automation.paused"
RESUMED: Final = "ensue.automation.resumed"
MANUAL: Final = "ensue.automation.manual"
ACTION: Final = "ensue.action."


def source(automation: str) -> str:
    """The source of all events that tell of a rule."""
    return f"/automations/{automation}"


def changed(type_: str, automation: str, data: dict[str, Any], now: Micros) -> Event:
    """Somebody changed a rule: created, updated, deleted, paused or resumed it."""
    return Event(
        id=new_id(now),
        source=source(automation),
        type=type_,
        subject=automation,
        time=now,
        received=now,
        data={"automation": automation, **data},
    )


def fired(firing: Firing, now: Micros) -> Event:
    data = {
        "automation": firing.automation,
        "revision": firing.revision,
        "firing": firing.id,
        "trigger": firing.trigger,
        "key": firing.key,
        "count": firing.count,
        "events": [event.id for event in firing.events],
    }
    if firing.late:
        data["late"] = True
    return _caused(firing, FIRED, "fired", subject=firing.id, data=data, now=now)


def resolved(firing: Firing, cleared: str, now: Micros) -> Event:
    """The condition of which the firing `cleared` told is over."""
    data = {
        "automation": firing.automation,
        "revision": firing.revision,
        "firing": cleared,
        "trigger": firing.trigger,
        "key": firing.key,
        "events": [event.id for event in firing.events],
    }
    return _caused(firing, RESOLVED, "resolved", subject=cleared, data=data, now=now)


def action_failed(firing: Firing, n: int, failure: dict[str, Any], now: Micros) -> Event:
    """An action that could not be made ready: it will not be tried again."""
    action = firing.action_id(n)
    data = {"automation": firing.automation, "firing": firing.id, "action": action, **failure}
    return _caused(firing, f"{ACTION}failed", "failed", subject=action, data=data, now=now)


def looped(firing: Firing, max_depth: int, now: Micros) -> Event:
    event = firing.cause
    data = {
        "automation": firing.automation,
        "firing": firing.id,
        "trigger": firing.trigger,
        "event": event.id,
        "type": event.type,
        "depth": event.depth,
        "max_depth": max_depth,
        "message": f"{firing.automation} did not act on {event.type}: the event is {event.depth} firings "
        f"away from what came from outside, and the rule's max_depth is {max_depth}",
    }
    return _told(firing.automation, LOOPED, event, data=data, now=now, about=f"looped {firing.id}")


def suppressed(firing: Firing, why: str, now: Micros) -> Event:
    """The rule's throttle held a firing back."""
    data = {
        "automation": firing.automation,
        "firing": firing.id,
        "trigger": firing.trigger,
        "key": firing.key,
        "reason": "throttle",
        "message": f"{firing.automation} did not act: it would have been {why}",
    }
    about = f"suppressed {firing.id}"
    return _told(firing.automation, SUPPRESSED, firing.cause, data=data, now=now, about=about)


def broke(firing: Firing, limit: int, now: Micros) -> Event:
    """The rule fired too often, and is paused."""
    data = {
        "automation": firing.automation,
        "reason": "breaker",
        "firing": firing.id,
        "limit": limit,
        "message": f"{firing.automation} fired more than {limit:,} times in a minute; "
        "it is paused until it is resumed",
    }
    return _told(
        firing.automation, PAUSED, firing.cause, data=data, now=now, about=f"paused {firing.id}"
    )


def steered(cause: RunCommand, automation: str, reason: str, *, paused: bool, now: Micros) -> Event:
    """The action of another rule, or its own, paused or resumed a rule."""
    type_ = PAUSED if paused else RESUMED
    return Event(
        id=derived_id(now, cause.action, type_),
        source=source(automation),
        type=type_,
        subject=automation,
        time=now,
        received=now,
        data={"automation": automation, "reason": reason},
        correlationid=cause.correlationid,
        causationid=cause.causationid,
        depth=cause.depth,
    )


def error(trouble: Trouble, now: Micros) -> Event:
    data = {
        "automation": trouble.automation,
        "trigger": trouble.trigger,
        "event": trouble.event.id,
        "type": trouble.event.type,
        "code": trouble.code,
        "message": trouble.message,
    }
    about = f"error {trouble.automation} {trouble.trigger} {trouble.event.source}"
    return _told(trouble.automation, ERROR, trouble.event, data=data, now=now, about=about)


@dataclass(frozen=True, slots=True)
class Chain:
    """Where in a chain an event stands that is told later, outside the firing."""

    correlationid: str
    causationid: str | None
    depth: int


def action_ended(
    action: str, automation: str, outcome: str, *, chain: Chain, data: dict[str, Any], now: Micros
) -> Event:
    """What became of an action that left the service: `succeeded`, `failed` or `dead`.

    The id derives from the action and the moment: an action that was replayed is told of again.
    """
    return Event(
        id=derived_id(now, action, outcome),
        source=source(automation),
        type=f"{ACTION}{outcome}",
        subject=action,
        time=now,
        received=now,
        data={"automation": automation, "action": action, **data},
        correlationid=chain.correlationid,
        causationid=chain.causationid,
        depth=chain.depth,
    )


def _caused(
    firing: Firing, type_: str, word: str, *, subject: str, data: dict[str, Any], now: Micros
) -> Event:
    event = firing.cause
    return Event(
        id=derived_id(firing.instant, word, subject),
        source=source(firing.automation),
        type=type_,
        subject=subject,
        time=now,
        received=now,
        data=data,
        correlationid=event.correlationid,
        causationid=event.id,
        depth=firing.depth,
    )


def _told(
    automation: str, type_: str, event: Event, *, data: dict[str, Any], now: Micros, about: str
) -> Event:
    return Event(
        id=derived_id(event.received, about, event.id),
        source=source(automation),
        type=type_,
        subject=automation,
        time=now,
        received=now,
        data=data,
        correlationid=event.correlationid,
        causationid=event.id,
        depth=event.depth,
    )
