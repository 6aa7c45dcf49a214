"""The firing: a trigger's yes, and the one cause of what its actions do.

Its id derives from what it is (which rule, which trigger, which key, which event), so that
the same firing can never be recorded twice; and from its id derive the ids of its actions,
of the runs they start and of the events they send. That a condition cleared is the cause of
what `on_resolve` does in the same way, and is one of these too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automations.emit_action import Emission
from automations.rule import Rule
from automations.run_action import Launch
from automations.starting import RunRequest
from automations.steer_action import Steering
from automations.steering import RunCommand
from base.ids import derived_id
from base.time import Micros, to_datetime
from events.event import Event, derive
from events.expression import Activation
from triggers.sink import Fired, Resolved

_OF_RUNS = "ensue.run."

Key = str | int | float | bool | list[Any] | None


@dataclass(frozen=True, slots=True)
class Firing:
    """`events` are those that took part, in event-time order; `event` is the last of them.

    `key` is what `per` made of them, None without one; `count` how many took part; `time`
    when it was decided; `trigger` which of the rule's triggers it was. A clock, or a key that
    never spoke, has no events.
    """

    id: str
    automation: str
    revision: int
    trigger: int
    key: Key
    time: Micros
    count: int
    events: tuple[Event, ...]
    depth: int
    """Of what this firing causes: one more than its deepest event's."""
    instant: Micros
    """What the ids of all this carry: when what completed it came in, or when somebody asked
    for it once more."""
    cause: Event
    """What led to it: the last of its events, or a timer's where there is none."""
    late: bool = False
    """It was due while nobody was there."""

    @classmethod
    def of(cls, fired: Fired, revision: int, time: Micros) -> Firing:
        return cls(
            id=fired.id,
            automation=fired.automation,
            revision=revision,
            trigger=fired.trigger,
            key=fired.key,
            time=time,
            count=fired.size,
            events=tuple(stored.event for stored in fired.events),
            depth=fired.depth,
            instant=fired.instant,
            cause=fired.event or fired.completed_by.event,
            late=fired.late,
        )

    @classmethod
    def resolving(cls, resolved: Resolved, revision: int, time: Micros) -> Firing:
        """What `on_resolve` sees; one for each firing that it clears."""
        cleared_by, cause = resolved.event, resolved.cause.event
        return cls(
            id=derived_id(cause.received, "resolved", resolved.firing),
            automation=resolved.automation,
            revision=revision,
            trigger=resolved.trigger,
            key=resolved.key,
            time=time,
            count=1 if cleared_by else 0,
            events=(cleared_by.event,) if cleared_by else (),
            depth=(cleared_by.event if cleared_by else cause).depth + 1,
            instant=cause.received,
            cause=cleared_by.event if cleared_by else cause,
        )

    @property
    def event(self) -> Event | None:
        return self.events[-1] if self.events else None

    def action_id(self, number: int) -> str:
        """The id of the rule's action of this index, and its idempotency key."""
        return f"{self.id}.{number}"

    def activation(self, rule: Rule, variables: dict[str, Any], now: Micros) -> Activation:
        """What the rule's actions see; made once for all of them."""
        return Activation.of(
            event=self.event,
            events=list(self.events),
            automation=rule.context(),
            firing={
                "id": self.id,
                "key": self.key,
                "time": to_datetime(self.time),
                "count": self.count,
                "trigger": self.trigger,
            },
            vars=variables,
            now=to_datetime(now),
        )

    def run_request(self, number: int, launch: Launch) -> RunRequest:
        """The run that the action of this index asks for."""
        action = self.action_id(number)
        return RunRequest(
            id=derived_id(self.instant, action),
            flow=launch.flow,
            automation=self.automation,
            firing=self.id,
            action=action,
            correlationid=self.cause.correlationid,
            causationid=self.cause.id,
            depth=self.depth,
            parameters=launch.parameters,
            tags=launch.tags,
            delay=launch.delay,
            idempotency_key=launch.idempotency_key,
            pool=launch.pool,
        )

    def command(self, number: int, steering: Steering) -> RunCommand:
        """What the action of this index asks to be done to what is there."""
        told = (
            event
            for event in reversed(self.events)
            if event.subject == steering.name and event.type.startswith(_OF_RUNS)
        )
        known_by = next(told, None) if steering.what == "run" else None
        return RunCommand(
            steering,
            automation=self.automation,
            action=self.action_id(number),
            correlationid=self.cause.correlationid,
            causationid=self.cause.id,
            depth=self.depth,
            last_event=known_by.id if known_by else None,
        )

    def emitted(self, number: int, emission: Emission, now: Micros) -> Event:
        """The event that the action of this index sends. A future time counts as now."""
        event = derive(
            self.cause,
            type=emission.type,
            source=emission.source or f"/automations/{self.automation}",
            at=now,
            subject=emission.subject,
            data=emission.data,
            id=derived_id(self.instant, "emit", self.action_id(number)),
            crossing=True,
        )
        event.depth = self.depth
        if emission.time is not None:
            event.time = min(emission.time, now)
        return event
