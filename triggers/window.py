"""What triggers that remember keep, and what they say: the words all of their kinds share.

A trigger form is a tree of *nodes* (`count`, `sequence`, `all`, `any`, `absent`, `aggregate`;
members may be nodes again). Each node has, for each key, one *window*. Deciding is pure:

    node.advance(state, told, now) -> Step

`told` is what one entry of the log says to this window: the occurrences it brought, the
release of a member that held, or the tick of the window's own timer. Nothing here reads a
clock or the log: events are named by their time and their position, and `now` is given.

A window's state is one small row, its members rows of their own, and `due` its only timer.
`difference` says which of them a batch has changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import orjson

from base.time import Micros

MOST_EVENTS: Final = 1_000
"""Events that a firing passes on: the latest ones, where more took part."""

Value = int | float | bool
_Members = tuple["Member", ...]


class Ref(NamedTuple):
    """An event, by event time and position. Refs sort as events do: by time, then arrival."""

    time: Micros
    position: int


class Member(NamedTuple):
    """What a window remembers of one occurrence. No two have the same time, position and part.

    `part` is which member of a combination, step of a sequence, or role it fills (0 where
    there is one only). `events` are those of the nested trigger that filled it; a plain event
    is its own and is not repeated there.
    """

    time: Micros
    position: int
    part: int = 0
    value: Value | None = None
    events: tuple[Ref, ...] | None = None

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The events it stands for: none for what no event brought."""
        return (Ref(self.time, self.position),) if self.events is None else self.events

    def content(self) -> str:
        """What a row has beside time, position and part; empty for a plain event."""
        if self.value is None and self.events is None:
            return ""
        return orjson.dumps([self.value, self.events], default=tuple).decode()

    @classmethod
    def read(cls, time: Micros, position: int, part: int, content: str) -> Member:
        """From a row."""
        if not content:
            return cls(time, position, part)
        value, events = orjson.loads(content)
        return cls(time, position, part, value, _refs(events))


class Occurrence(NamedTuple):
    """A match for one window: `part` came at `time`.

    `position` is that of the log entry which brought it (for a nested trigger that a timer
    fired, the entry of the tick). `value` is what an aggregate's expression gave: None where
    there is none, anything else that is no number counts as such. `events` and `holds` are
    for occurrences that a nested trigger makes: the events that took part in it, and whether
    it is a condition that counts until it is released.
    """

    time: Micros
    position: int
    part: int = 0
    value: Any = None
    events: tuple[Ref, ...] | None = None
    holds: bool = False

    def member(self, value: Value | None = None) -> Member:
        return Member(self.time, self.position, self.part, value, self.events)


@dataclass(frozen=True, slots=True)
class Released:
    """A nested condition holds no longer."""

    part: int


@dataclass(frozen=True, slots=True)
class Tick:
    """The window's timer came due. Stale, and without effect, unless the window waits for `due`."""

    due: Micros
    position: int


Told = Sequence[Occurrence | Released] | Tick
"""What one log entry says to one window; occurrences of one entry have one position."""


@dataclass(slots=True, unsafe_hash=True)
class WindowState:
    """All that one node remembers for one key. The default is a window that knows nothing.

    Never changed once it is made: it is not frozen because one is made for each event, and
    freezing would make that three times as dear.

    `newest`    the newest event time seen, which lateness is measured against; it stays when
                a trigger that fired starts afresh
    `clock`     how far the window's own time has come (aggregate)
    `holds`     it fired and has not resolved (absent, aggregate)
    `due`       when its timer rings; None is no timer
    `marks`     few members that live in the window's own row
    `members`   one row each, sorted
    `known`     what was worked out of the members, to go on from; not part of the state, and of
                no use unless it is of these very members
    """

    newest: Micros | None = None
    clock: Micros | None = None
    holds: bool = False
    due: Micros | None = None
    marks: tuple[Member, ...] = ()
    members: tuple[Member, ...] = ()
    known: object = field(default=None, compare=False, repr=False)

    def content(self) -> str:
        """What the window's row has beside `newest`; empty for a default.

        Where it is empty, the row's `newest` may lag behind the members (see `read`).
        """
        if self.clock is None and not self.holds and self.due is None and not self.marks:
            ahead = self.newest is not None and self.members and self.members[-1].time > self.newest
            return PRECISE if ahead else ""
        return orjson.dumps([self.clock, self.holds, self.due, self.marks], default=tuple).decode()

    @property
    def is_told_by_members(self) -> bool:
        """Whether the newest member says how new the newest is: then no row need say so."""
        members = self.members
        return bool(members) and members[-1].time == self.newest

    @classmethod
    def read(cls, newest: Micros | None, content: str, members: Sequence[Member]) -> WindowState:
        """From a row and the rows of its members, in any order.

        A member that comes in the ordinary way is told by its own row alone, so a row that has a
        `newest` and no content is as new as its newest member.
        """
        kept = tuple(sorted(members, key=_place))
        if not content:
            if newest is not None and kept and kept[-1].time > newest:
                newest = kept[-1].time
            return cls(newest, members=kept)
        clock, holds, due, marks = orjson.loads(content)
        return cls(newest, clock, holds, due, tuple(map(_mark, marks)), kept)


PRECISE: Final = "[null,false,null,[]]"
"""The content of a row that has no other, but whose `newest` is older than a member."""

FRESH: Final = WindowState()


@dataclass(frozen=True, slots=True)
class Fired:
    """The window fired.

    `time` is the event time at which it did: that of the latest event, or the `due` of the
    timer. `position` is that of the log entry that made it fire, and sets it apart from all
    other firings of this window. `events` took part, in the order of Refs, the latest
    `MOST_EVENTS` of `count`; empty where no event did. `figure` is an aggregate's.
    """

    time: Micros
    position: int
    events: tuple[Ref, ...]
    count: int
    figure: float | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A condition that held does so no longer; `event` cleared it, None if time did."""

    time: Micros
    position: int
    event: Ref | None
    figure: float | None = None


NoteCode = Literal["too_late", "value_missing", "value_not_a_number"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that did not count, and why; `position` is that of the event."""

    code: NoteCode
    position: int
    message: str


class Step(NamedTuple):
    """What `advance` decided, in this order: resolved, then fired."""

    state: WindowState
    fired: Fired | None = None
    resolved: Resolved | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class TimerChange:
    """The timer rings at `due` from now on, or, with None, no more."""

    due: Micros | None


class Difference(NamedTuple):
    """What to write so that what was stored as one state is stored as another."""

    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    row: bool
    timer: TimerChange | None


def difference(before: WindowState, after: WindowState) -> Difference:
    """Members come and go by their rows; `row` says whether the window's own is to be written."""
    added, removed = _came_and_went(before.members, after.members)
    timer = None if before.due == after.due else TimerChange(after.due)
    return Difference(added, removed, _needs_row(before, after), timer)


def _came_and_went(old: _Members, new: _Members) -> tuple[_Members, _Members]:
    """Mostly some came behind the others, and some went from before them."""
    if old is new:
        return (), ()
    if not old or not new:
        return new, old
    first = 0 if old[0] is new[0] else bisect_left(old, new[0][:3], key=_place)
    stayed = len(old) - first
    if old[first:] == new[:stayed]:
        return new[stayed:], old[:first]
    before, after = set(old), set(new)
    return tuple(m for m in new if m not in before), tuple(m for m in old if m not in after)


def _needs_row(before: WindowState, after: WindowState) -> bool:
    """Not where only members came, the newest of which is the newest there was."""
    content = after.content()
    if before.content() != content:
        return True
    if content:
        return before.newest != after.newest
    if after.is_told_by_members and before.newest is not None and after.newest is not None:
        return after.newest < before.newest
    return before.newest != after.newest or before.is_told_by_members


def taken(members: Sequence[Member]) -> tuple[Ref, ...]:
    """The events that these stand for, each once, in order, the latest `MOST_EVENTS`."""
    return tuple(sorted({ref for member in members for ref in member.refs}))[-MOST_EVENTS:]


def _place(member: Member) -> tuple[Micros, int, int]:
    return member[:3]


def _mark(fields: Sequence[Any]) -> Member:
    time, position, part, value, events = fields
    return Member(time, position, part, value, _refs(events))


def _refs(events: Any) -> tuple[Ref, ...] | None:
    return None if events is None else tuple(Ref(*ref) for ref in events)
