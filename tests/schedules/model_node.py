"""What is true of all triggers that remember: what they listen to, and what comes too late.

One window of a trigger for one key is a tree of nodes. `model_windows` has the kinds of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from base.time import Micros, parse_duration

Ref = tuple[Micros, int]


class Came(NamedTuple):
    """Something that fills a part: an event, or what a member that is a trigger said."""

    time: Micros
    position: int
    part: int
    value: Any
    events: tuple[Ref, ...]
    holds: bool = False


class Said(NamedTuple):
    """That the trigger fired on these events, or with `events` None that it holds no longer."""

    time: Micros
    events: tuple[Ref, ...] | None
    count: int = 0
    spans: tuple[tuple[Ref, ...], ...] = ()
    """Where the events may be others: of which spans."""


@dataclass
class Heard:
    """One event, as it stands in the log."""

    n: int
    type: str
    key: Any
    time: Micros
    value: Any
    position: int = 0


def key_of(per: str | None, event: Heard) -> Any:
    """What `per` makes of it: scalars, and None for what has no key."""
    if per == "subject":
        return event.key if isinstance(event.key, str) else None
    return None if isinstance(event.key, list) else event.key


@dataclass
class Notes:
    """How often something did not count."""

    left_out: int = 0


def fired(chosen: Sequence[Came], count: int | None = None) -> list[Said]:
    events = tuple(sorted({event for one in chosen for event in one.events}))
    return [Said(max(one.time for one in chosen), events, len(events) if count is None else count)]


def when(one: Came) -> Ref:
    return one.time, one.position


@dataclass
class Node:
    """Of one trigger, what is true of all kinds: what it listens to, and what comes too late."""

    form: Mapping[str, Any]
    members: list[str | Node]
    lateness: Micros
    notes: Notes
    newest: Micros | None = None
    kept: list[Came] = field(default_factory=list)
    due: Micros | None = None
    is_condition = False
    span = 0

    def span_of(self, name: str) -> Micros:
        return parse_duration(self.form[name])

    def hears(self, type_: str) -> bool:
        return any(m == type_ if isinstance(m, str) else m.hears(type_) for m in self.members)

    def hear(self, event: Heard, now: Micros) -> list[Said]:
        """An event came."""
        brought: list[Came | int] = []
        for part, member in enumerate(self.members):
            if isinstance(member, Node):
                brought += _told(part, member, member.hear(event, now), event.position)
            elif member == event.type:
                place = (event.time, event.position)
                brought.append(Came(*place, part, event.value, (place,)))
        return self.told(brought, now)

    def told(self, brought: Sequence[Came | int], now: Micros) -> list[Said]:
        """Parts are filled, or let go of again; what is too late for its key does not count."""
        if not brought:
            return []
        counting, before = [], self.newest
        came = [one for one in brought if isinstance(one, Came)]
        for one in came:
            if one.holds or before is None or one.time >= before - self.lateness:
                counting.append(one)
            if not one.holds:
                self.newest = max(one.time, self.newest or one.time)
        self.notes.left_out += len(counting) < len(came)
        return self.decide(counting, [one for one in brought if isinstance(one, int)], now)

    def timers(self, path: str = "") -> Iterator[tuple[Micros, str, Node]]:
        for part, member in enumerate(self.members):
            if isinstance(member, Node):
                yield from member.timers(f"{path}.{part}" if path else str(part))
        if self.due is not None:
            yield self.due, path, self

    def ring(self, path: str, due: Micros, now: Micros, position: int) -> list[Said]:
        if not path:
            return self.elapsed(due, now) if self.due == due else []
        part, _, rest = path.partition(".")
        member = self.members[int(part)]
        said = member.ring(rest, due, now, position)
        return self.told(_told(int(part), member, said, position), now)

    def begins(self, now: Micros, *, expected: bool) -> None:
        """The rule listens from now on."""
        for member in self.members:
            if isinstance(member, Node):
                member.begins(now, expected=expected)

    def decide(self, coming: list[Came], over: list[int], now: Micros) -> list[Said]:
        raise NotImplementedError

    def elapsed(self, due: Micros, now: Micros) -> list[Said]:
        raise NotImplementedError


def _told(part: int, member: Node, said: list[Said], position: int) -> list[Came | int]:
    return [
        part
        if one.events is None
        else Came(one.time, position, part, None, one.events, member.is_condition)
        for one in said
    ]
