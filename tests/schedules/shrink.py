"""Making a schedule small that service and model disagree about: what can go, goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.schedules.schedule import Define, Schedule, Send

Disagree = Callable[[Schedule], bool]
MOST = 400
"""Schedules tried before it is small enough."""


def smallest(schedule: Schedule, disagree: Disagree) -> Schedule:
    """Of what is tried, the smallest that they still disagree about."""
    tried = 0
    again = True
    while again:
        again = False
        for smaller in _smaller(schedule):
            tried += 1
            if tried > MOST:
                return schedule
            if disagree(smaller):
                schedule, again = smaller, True
                break
    return schedule


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    """Without several of its steps, without one, without one of its events, with a plainer rule."""
    steps = schedule.steps
    for fewer in _fewer(steps):
        yield replace(schedule, steps=fewer)
    for n, step in enumerate(steps):
        if isinstance(step, Send) and len(step.events) > 1:
            for events in _fewer(step.events):
                yield _with(schedule, n, replace(step, events=events))
    for name in [name for name in schedule.rule if name != "trigger"]:
        yield _without(schedule, name)
    if schedule.unit == 1 and schedule.end > 1:
        last = max((step.at for step in steps), default=0) + 1
        if last < schedule.end:
            yield replace(schedule, end=last)
    for n, step in enumerate(steps):
        if isinstance(step, Send):
            for k, event in enumerate(step.events):
                for plain in ({"value": 1}, {"key": "k1"}, {"key": None}, {"time": step.at}):
                    plainer = replace(event, **plain)
                    if plainer != event and not (plain == {"key": "k1"} and event.key is None):
                        events = (*step.events[:k], plainer, *step.events[k + 1 :])
                        yield _with(schedule, n, replace(step, events=events))


def _fewer(items: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    size = len(items) // 2
    while size:
        for first in range(0, len(items), size):
            yield (*items[:first], *items[first + size :])
        size //= 2


def _with(schedule: Schedule, n: int, step: Any) -> Schedule:
    return replace(schedule, steps=(*schedule.steps[:n], step, *schedule.steps[n + 1 :]))


def _without(schedule: Schedule, name: str) -> Schedule:
    def plainer(rule: Any) -> Any:
        return {key: value for key, value in rule.items() if key != name}

    steps = tuple(
        replace(step, rule=plainer(step.rule)) if isinstance(step, Define) else step
        for step in schedule.steps
    )
    return replace(schedule, rule=plainer(schedule.rule), steps=steps)


def printed(schedule: Schedule) -> str:
    """As it is pasted into a test."""
    steps = "".join(f"        {step},\n" for step in schedule.steps)
    more = "" if schedule.unit == 1 else f"    unit={schedule.unit},\n"
    return (
        f"Schedule(\n    rule={dict(schedule.rule)},\n    steps=(\n{steps}    ),\n"
        f"{more}    end={schedule.end},\n)"
    )
