"""Many schedules at once: what to do with the service, one transaction after another.

Schedules that share a database share its clock, its restarts and its stalls; all else is their
own. At each instant first come edits and events, then, just after it, the timers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal

from base.time import Micros
from tests.schedules.schedule import (
    Define,
    Pause,
    Restart,
    Schedule,
    Send,
    Sent,
    Stall,
    Step,
    cloudevent,
    definition,
)

Kind = Literal["start", "define", "send", "pause", "resume", "ring"]
LAST = (1, 2, 3, 5, 8, 13, 21, 60)
"""After the last step, when timers are looked for once more."""


@dataclass(frozen=True)
class Move:
    """One thing to do, at this time; by schedule what there is to it."""

    kind: Kind
    now: Micros
    what: Mapping[str, Any] = field(default_factory=dict)


def moves(schedules: Mapping[str, Schedule], *, then: Sequence[int] = LAST) -> list[Move]:
    """All of it, in order. The schedules have one unit, and the same restarts and stalls."""
    one = next(iter(schedules.values()))
    start = one.clock(0)
    made = [
        Move("start", start),
        Move("define", start, {name: s.rule for name, s in schedules.items()}),
    ]
    held = 0
    last = max((_back(step) for s in schedules.values() for step in s.steps), default=0)
    for at in [*range(max(last, one.end) + 1), *(max(last, one.end) + more for more in then)]:
        own = [[(name, step) for step in _own(s, at)] for name, s in schedules.items()]
        for together in zip_longest(*own):
            made += _told([both for both in together if both], one.clock(at))
        for step in one.steps:
            if isinstance(step, Restart | Stall) and step.at == at:
                held = max(held, _back(step))
                if isinstance(step, Restart):
                    made.append(Move("start", one.clock(held)))
        if at >= held:
            made.append(Move("ring", one.clock(at) + 1))
    return made


def _own(schedule: Schedule, at: int) -> list[Step]:
    return [s for s in schedule.steps if not isinstance(s, Restart | Stall) and s.at == at]


def _back(step: Step) -> int:
    """When a step is over."""
    match step:
        case Restart(at, more) | Stall(at, more):
            return at + more
        case _:
            return step.at


def _told(steps: Sequence[tuple[str, Step]], now: Micros) -> list[Move]:
    defined = {name: step.rule for name, step in steps if isinstance(step, Define)}
    sent = {name: step.events for name, step in steps if isinstance(step, Send)}
    made = [Move("define", now, defined)] if defined else []
    made += [Move("send", now, sent)] if sent else []
    for name, step in steps:
        if isinstance(step, Pause):
            made.append(Move("pause" if step.paused else "resume", now, {name: None}))
    return made


def rules(move: Move) -> list[dict[str, Any]]:
    return [definition(name, rule) for name, rule in move.what.items()]


def events(move: Move, schedules: Mapping[str, Schedule]) -> list[list[dict[str, Any]]]:
    """By schedule, what arrives together."""
    sent: Mapping[str, tuple[Sent, ...]] = move.what
    return [[cloudevent(name, schedules[name], one) for one in own] for name, own in sent.items()]
