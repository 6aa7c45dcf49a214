"""The `all` and `any` triggers: fire when enough different members were seen within a span.

    trigger: {all: [build.passed, review.approved], within: 1d, per: data.commit}
    trigger: {any: [disk.full, memory.low, load.high], at_least: 2, within: 5m, per: subject}

A member that is itself a condition (`absent`, `aggregate`) counts from when it fires until
it is released, whatever the span, and goes on counting when the trigger starts afresh.

Bounded: between two occurrences of one member that lie within a span, a third can decide
nothing, and is let go; so are those too old to meet anything that may still come. For each
member there are at most two in each `within` of `within` and `allowed_lateness`, and one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from base.time import Micros
from triggers.key import Key
from triggers.lateness import admitted, inserted, not_before
from triggers.listening import Listening, Node
from triggers.window import (
    Fired,
    Member,
    Occurrence,
    Released,
    Step,
    Tick,
    Told,
    WindowState,
    taken,
)

Members = tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """The latest occurrence of each member seen in the span takes part."""

    members: tuple[Listening | Node, ...]
    at_least: int
    within: Micros
    per: Key
    lateness: Micros

    @property
    def is_condition(self) -> bool:
        return False

    def normalised(self) -> dict[str, Any]:
        return {
            "kind": "any",
            "members": [member.normalised() for member in self.members],
            "at_least": self.at_least,
            "within": self.within,
            "per": self.per.normalised(),
            "lateness": self.lateness,
        }

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        del now  # windows go by event time
        if isinstance(told, Tick):
            return Step(state)
        coming = admitted(state, told, self.lateness)
        held = _held(state.marks, told)
        members = state.members
        for one in coming.occurrences:
            if not one.holds:
                _, members = inserted(members, one.member())
        if coming.occurrences:
            full = self._full(members, held, coming.occurrences)
            if full:
                time = max(member.time for member in full)
                refs = taken(full)
                fired = Fired(time, coming.occurrences[0].position, refs, len(refs))
                return Step(WindowState(coming.newest, marks=held), fired, notes=coming.notes)
        if coming.newest is not None:
            members = not_before(members, coming.newest - self.lateness - self.within)
        state = WindowState(coming.newest, marks=held, members=self._thinned(members))
        return Step(state, notes=coming.notes)

    def _full(self, members: Members, held: Members, new: tuple[Occurrence, ...]) -> Members:
        """Of the spans that hold enough members and something new, what the latest one holds."""
        ends = sorted({member.time for member in (*members, *held)}, reverse=True)
        for end in ends:
            start = end - self.within
            if not any(one.time <= end and (one.holds or one.time >= start) for one in new):
                continue
            parts = {one.part: one for one in members if start <= one.time <= end}
            parts |= {one.part: one for one in held if one.time <= end}
            if len(parts) >= self.at_least:
                return tuple(parts.values())
        return ()

    def _thinned(self, members: Members) -> Members:
        """Without those that stand between two others of their part within one span."""
        kept: dict[int, list[Member]] = {}
        for member in members:
            line = kept.setdefault(member.part, [])
            while len(line) > 1 and member.time - line[-2].time <= self.within:
                line.pop()
            line.append(member)
        if sum(map(len, kept.values())) == len(members):
            return members
        return tuple(sorted((m for line in kept.values() for m in line), key=lambda m: m[:3]))


def _held(marks: Members, told: Sequence[Occurrence | Released]) -> Members:
    """The conditions that hold, by part, after this was told."""
    held = {mark.part: mark for mark in marks}
    for one in told:
        if isinstance(one, Released):
            held.pop(one.part, None)
        elif one.holds:
            held[one.part] = one.member()
    return tuple(held[part] for part in sorted(held))
