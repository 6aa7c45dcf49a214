"""A schedule: one rule, and what happens to it and around it, at instants of a virtual clock.

Instants are whole numbers of `unit` seconds. What a schedule looks like when it is printed is what
it is made of in a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from base.time import SECOND, Micros, parse_rfc3339

ORIGIN = parse_rfc3339("2030-01-01T12:00:00Z")


@dataclass(frozen=True)
class Sent:
    """An event as its sender sends it. Sent again with the same `n` it is a duplicate.

    `key` is `data.k`, and the subject where it is a text.
    """

    n: int
    type: str
    time: int
    key: Any = None
    value: Any = None


@dataclass(frozen=True)
class Send:
    """These arrive together."""

    at: int
    events: tuple[Sent, ...]


@dataclass(frozen=True)
class Define:
    """The rule is applied as this from now on: by an edit of its file, say."""

    at: int
    rule: Mapping[str, Any]


@dataclass(frozen=True)
class Pause:
    at: int
    paused: bool = True


@dataclass(frozen=True)
class Restart:
    """The service is gone for so long, and back with nothing but its database."""

    at: int
    down: int = 0


@dataclass(frozen=True)
class Stall:
    """Events are taken, and for so long no timer rings."""

    at: int
    span: int


Step = Send | Define | Pause | Restart | Stall


@dataclass(frozen=True)
class Schedule:
    """`rule` holds from the beginning; steps are in the order of their instants."""

    rule: Mapping[str, Any]
    steps: tuple[Step, ...]
    unit: int = 1
    end: int = 40

    def clock(self, at: int) -> Micros:
        return ORIGIN + at * self.unit * SECOND


_OF_ONE = ("count", "absent", "aggregate", "event", "after")
_OF_MANY = ("sequence", "all", "any")


def prefixed(form: Any, prefix: str) -> Any:
    """A trigger whose types are this schedule's own, so that many share one database."""
    if isinstance(form, list):
        return [prefixed(one, prefix) for one in form]
    whole = dict(form)
    for name in _OF_ONE:
        if name in form:
            whole[name] = _typed(form[name], prefix)
    for name in _OF_MANY:
        if name in form:
            whole[name] = [_typed(one, prefix) for one in form[name]]
    return whole


def _typed(member: Any, prefix: str) -> Any:
    return prefix + member if isinstance(member, str) else prefixed(member, prefix)


def definition(name: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """The whole rule, whose actions tell of what it does."""
    whole = {
        "name": name,
        "actions": [{"emit": f"{name}.acted"}],
        "breaker": 1_000_000,
        **rule,
        "trigger": prefixed(rule["trigger"], f"{name}."),
    }
    triggers = rule["trigger"] if isinstance(rule["trigger"], list) else [rule["trigger"]]
    if any("absent" in one or "aggregate" in one for one in triggers):
        whole["on_resolve"] = [{"emit": f"{name}.cleared"}]
    return whole


def cloudevent(name: str, schedule: Schedule, sent: Sent) -> dict[str, Any]:
    from base.time import to_rfc3339

    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{name}-{sent.n}",
        "source": "/schedules",
        "type": f"{name}.{sent.type}",
        "time": to_rfc3339(schedule.clock(sent.time)),
        "data": {"k": sent.key} if sent.value is None else {"k": sent.key, "v": sent.value},
    }
    return event | {"subject": sent.key} if isinstance(sent.key, str) else event
