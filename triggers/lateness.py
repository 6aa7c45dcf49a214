"""Which occurrences still count: lateness is measured within the stream, not against a clock.

An occurrence is too late when it is older than the newest one seen in its window by more
than was allowed. A backlog, however old, is therefore never late.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from base.time import Micros, format_duration
from triggers.window import Member, Note, Occurrence, Released, WindowState


class Admitted(NamedTuple):
    """The occurrences that count, the newest time seen, and notes on those that do not."""

    newest: Micros | None
    occurrences: tuple[Occurrence, ...]
    notes: tuple[Note, ...]


def admitted(
    state: WindowState, told: Sequence[Occurrence | Released], allowed: Micros
) -> Admitted:
    """All of one entry of the log are measured against what was seen before it.

    One that holds always counts, and moves nothing: it is there now, since whenever it is.
    """
    before = newest = state.newest
    earliest = None if before is None else before - allowed
    counting = []
    notes: tuple[Note, ...] = ()
    for one in told:
        if isinstance(one, Released):
            continue
        time, holds = one.time, one.holds
        if holds or earliest is None or time >= earliest:
            counting.append(one)
        else:
            notes = (_too_late(one, earliest + allowed, allowed),)
        if not holds and (newest is None or time > newest):
            newest = time
    return Admitted(newest, tuple(counting), notes)


def inserted(members: tuple[Member, ...], member: Member) -> tuple[int, tuple[Member, ...]]:
    """Where a new member stands among the others, and all of them, in order."""
    place = member[:3]
    if not members or members[-1][:3] < place:
        return len(members), (*members, member)
    at = bisect_left(members, place, key=lambda other: other[:3])
    return at, (*members[:at], member, *members[at:])


def not_before(members: tuple[Member, ...], time: Micros) -> tuple[Member, ...]:
    """Those at `time` or later."""
    if not members or members[0].time >= time:
        return members
    return members[bisect_left(members, time, key=lambda member: member.time) :]


def _too_late(one: Occurrence, newest: Micros, allowed: Micros) -> Note:
    behind, most = format_duration(newest - one.time), format_duration(allowed)
    return Note("too_late", one.position, f"{behind} behind the newest, and {most} are allowed")
