"""Flow control: what becomes of firings that are too many, or come too close together.

    throttle: {at_most: 1, every: 30m, per: subject}     what is more is suppressed, and recorded
    debounce: {quiet: 30s, max_wait: 5m, per: subject}   waits for quiet, then fires once for all
    batch: {size: 100, within: 1m, per: subject}         fires once for so many, or for what came

`debounce` and `batch` gather: the firing that they let go has the events of all that they took
in. `per` is a path of the firing's event; a firing without one belongs to the rule as a whole.
Deciding is pure, on windows of the kind that triggers have; time is when a firing was decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from base.fields import Complaints, Fields, described
from base.ids import derived_id
from base.time import Micros, format_duration
from events.event import Stored
from triggers.deciding import within_bytes
from triggers.key import NO_KEY, Key, Missing, key_value
from triggers.sink import Fired
from triggers.window import FRESH, MOST_EVENTS, Member, Ref, WindowState
from triggers.windows import WindowKey

THROTTLE: Final = "#throttle"
GATHER: Final = "#gather"
"""The paths of their windows; no node of a trigger has such a one."""

MOST: Final = 10_000
"""Firings that a throttle counts, or a batch holds."""

_TALLY: Final = -1
"""The part of a throttle's member that says how many it held back; it counts for nothing."""

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "throttle": ("at_most", "every", "per"),
    "debounce": ("quiet", "max_wait", "per"),
    "batch": ("size", "within", "per"),
}


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most so many in a span that slides; what it held back does not count."""

    at_most: int
    every: Micros
    per: Key

    def admits(self, state: WindowState, now: Micros, position: int) -> tuple[WindowState, bool]:
        """Whether a firing may pass; a span of exactly `every` is over."""
        recent, suppressed = self.counted(state, now)
        if len(recent) >= self.at_most:
            tally = Member(recent[0].time, 0, _TALLY, suppressed + 1)
            return WindowState(members=(tally, *recent)), False
        same = sum(member[:2] == (now, position) for member in recent)
        passed = Member(now, position, same)
        return WindowState(members=tuple(sorted((*recent, passed), key=_place))), True

    def counted(self, state: WindowState, now: Micros | None) -> tuple[tuple[Member, ...], int]:
        """Of those that passed the ones that count, and how many it held back since the last.

        With None for `now`, all that it still knows of count. What is as far ahead as behind has
        passed before the clock was set back.
        """
        passed = tuple(
            member
            for member in state.members
            if member.part != _TALLY and (now is None or abs(member.time - now) < self.every)
        )
        tallies = (int(member.value or 0) for member in state.members if member.part == _TALLY)
        return passed, next(tallies, 0) if passed else 0

    @property
    def reason(self) -> str:
        return f"more than {self.at_most:,} in {format_duration(self.every)}"


class Group(NamedTuple):
    """What is gathered together, by its first: of when, on which entry, of which trigger."""

    since: Micros
    position: int
    trigger: int

    @classmethod
    def of(cls, state: WindowState) -> Group:
        """That of a window in which something waits."""
        begun, counted = state.marks
        first = begun.refs[0]
        return cls(first.time, first.position, counted.part)

    def firing(self, key: WindowKey) -> str:
        """The id of the firing that it will be, for as long as anything waits for it."""
        place = (key.automation, key.path, key.key, str(self.position), str(self.trigger))
        return derived_id(self.since, *place)


@dataclass(frozen=True, slots=True)
class Release:
    """What was gathered: its events, the latest of `count`, and the last firing's trigger."""

    refs: tuple[Ref, ...]
    count: int
    trigger: int
    group: Group


@dataclass(frozen=True, slots=True)
class Gathering:
    """Holds firings until it is quiet, the first has waited long enough, or there are enough.

    Whatever comes first of those that are asked for.
    """

    quiet: Micros | None
    longest: Micros | None
    size: int | None
    per: Key

    def take(
        self, state: WindowState, fired: Fired, now: Micros
    ) -> tuple[WindowState, Release | None]:
        """The window with this firing, or what it lets go now."""
        first, firings, events = now, 1, fired.size
        group = Group(fired.instant, fired.completed_by.position, fired.trigger)
        if state.marks:
            begun, counted = state.marks
            group = Group.of(state)
            first = min(begun.time, now)
            firings += int(begun.value or 0)
            events += int(counted.value or 0)
        new = {Member(stored.event.time, stored.position) for stored in fired.events}
        members = tuple(sorted({*state.members, *new}, key=_place))[-MOST_EVENTS:]
        begins = (Ref(group.since, group.position),)
        marks = (
            Member(first, 0, fired.trigger, firings, begins),
            Member(now, 0, group.trigger, events),
        )
        full = WindowState(due=self._due(first, now), marks=marks, members=members)
        if self.size is not None and firings >= self.size:
            return FRESH, _released(full)
        return full, None

    def _due(self, first: Micros, now: Micros) -> Micros:
        ends = [
            since + span
            for since, span in ((now, self.quiet), (first, self.longest))
            if span is not None
        ]
        return min(ends)


@dataclass(frozen=True, slots=True)
class FlowControl:
    """What a rule says of it."""

    throttle: Throttle | None = None
    gathering: Gathering | None = None

    @classmethod
    def parse(cls, fields: Fields, complaints: Complaints) -> FlowControl:
        if fields.has("debounce") and fields.has("batch"):
            fields.complain("batch", "does not go with `debounce`: a rule gathers in one way")
        gathering = _debounce(fields, complaints) or _batch(fields, complaints)
        return cls(_throttle(fields, complaints), gathering)


def merged(key: WindowKey, release: Release, events: Iterable[Stored], cause: Stored) -> Fired:
    """The one firing for all that was gathered; `cause` completed it."""
    there = {stored.position: stored for stored in events}
    taken = [there[ref.position] for ref in release.refs if ref.position in there]
    return Fired(
        key.automation,
        release.trigger,
        key_value(key.key),
        within_bytes(taken),
        cause=cause,
        count=release.count,
        known_as=release.group.firing(key),
        since=release.group.since,
    )


def rung(state: WindowState, due: Micros) -> Release | None:
    """What is let go because its time has come; None for a timer that is stale."""
    return _released(state) if state.due == due and state.marks else None


def key_of(per: Key, path: str, fired: Fired) -> WindowKey:
    """The window that a firing belongs to."""
    key = per.of(fired.event.root()) if fired.event else NO_KEY
    return WindowKey(fired.automation, 0, path, NO_KEY if isinstance(key, Missing) else key)


def _released(state: WindowState) -> Release:
    begun, counted = state.marks
    refs = tuple(Ref(member.time, member.position) for member in state.members)
    return Release(refs, int(counted.value or 0), begun.part, Group.of(state))


def _throttle(fields: Fields, complaints: Complaints) -> Throttle | None:
    inner = _inner("throttle", fields, complaints)
    if inner is None:
        return None
    at_most = inner.integer("at_most", 1, at_least=1, at_most=MOST)
    return Throttle(at_most, _span(inner, "every"), _per(inner, complaints))


def _debounce(fields: Fields, complaints: Complaints) -> Gathering | None:
    inner = _inner("debounce", fields, complaints)
    if inner is None:
        return None
    longest = _span(inner, "max_wait") if inner.has("max_wait") else None
    return Gathering(_span(inner, "quiet"), longest, None, _per(inner, complaints))


def _batch(fields: Fields, complaints: Complaints) -> Gathering | None:
    inner = _inner("batch", fields, complaints)
    if inner is None:
        return None
    if not inner.has("size"):
        inner.complain("size", "is missing", "size: 100")
    size = inner.integer("size", 1, at_least=1, at_most=MOST)
    return Gathering(None, _span(inner, "within"), size, _per(inner, complaints))


def _inner(name: str, fields: Fields, complaints: Complaints) -> Fields | None:
    if not fields.has(name):
        return None
    form: Any = fields.raw(name)
    if not isinstance(form, dict):
        example = ", ".join(FIELDS[name])
        fields.complain(name, f"must be a map, not {described(form)}", f"it has {example}")
        return None
    return Fields(form, fields.at(name), complaints, FIELDS[name])


def _span(fields: Fields, name: str) -> Micros:
    if not fields.has(name):
        fields.complain(name, "is missing", f"{name}: 1m")
        return 1
    return fields.duration(name, 1, at_least=1_000)


def _per(fields: Fields, complaints: Complaints) -> Key:
    if fields.has("per"):
        with complaints.kept():
            return Key.parse(fields.raw("per"), fields.at("per"))
    return Key()


def _place(member: Member) -> tuple[Micros, int, int]:
    return member[:3]
