"""What triggers that remember mean, by looking at all that ever came each time.

Written from the meaning of rules and not from the code that decides: no state is kept small, no
timer is saved, nothing is cut down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from base.time import SECOND, Micros, parse_duration
from tests.schedules.model_node import Came, Node, Notes, Said, fired, when

MINUTE = 60 * SECOND


class Count(Node):
    """So many within a span, the latest such span; then afresh."""

    def decide(self, coming: list[Came], over: list[int], now: Micros) -> list[Said]:
        self.kept += coming
        for last in sorted(self.kept, key=when, reverse=True):
            span = [
                one
                for one in sorted(self.kept, key=when)
                if last.time - self.span_of("within") <= one.time and when(one) <= when(last)
            ]
            if len(span) >= self.form["at_least"]:
                self.kept = []
                return fired(span[-self.form["at_least"] :], self.form["at_least"])
        return []


class Chain(Node):
    """One after another within a span: of all such chains the latest; then afresh."""

    def decide(self, coming: list[Came], over: list[int], now: Micros) -> list[Said]:
        if coming:  # what one event brings happens at once
            time = max(one.time for one in coming)
            self.kept += [one._replace(time=time) for one in coming]
        for last in sorted(self.kept, key=when, reverse=True):
            chain = self.chain_to(last)
            if chain and last.time - chain[0].time <= self.span_of("within"):
                self.kept = []
                return fired(chain)
        return []

    def chain_to(self, last: Came) -> list[Came]:
        if last.part != len(self.members) - 1:
            return []
        chain = [last]
        while chain[0].part:
            before = [
                one
                for one in self.kept
                if one.part == chain[0].part - 1 and when(one) < when(chain[0])
            ]
            if not before:
                return []
            chain.insert(0, max(before, key=when))
        return chain


class Combination(Node):
    """So many different members within a span; one that is a condition counts while it holds."""

    held: dict[int, Came]

    def decide(self, coming: list[Came], over: list[int], now: Micros) -> list[Said]:
        held = self.__dict__.setdefault("held", {})
        for part in over:
            held.pop(part, None)
        held |= {one.part: one for one in coming if one.holds}
        self.kept += [one for one in coming if not one.holds]
        ends = sorted({one.time for one in (*self.kept, *held.values())}, reverse=True)
        full = []
        for end in ends:
            start = end - self.within
            span = [one for one in sorted(self.kept, key=when) if start <= one.time <= end]
            span += [one for one in held.values() if one.time <= end]
            new = any(one.time <= end and (one.holds or one.time >= start) for one in coming)
            if new and len({one.part for one in span}) >= self.at_least:
                full.append(span)
        if not full:
            return []
        self.kept = []
        chosen = {one.part: one for one in full[0]}
        spans = tuple(tuple(ref for one in span for ref in one.events) for span in full)
        return [fired(list(chosen.values()))[0]._replace(spans=spans)]

    @property
    def at_least(self) -> int:
        return len(self.members) if "all" in self.form else self.form.get("at_least", 1)

    @property
    def within(self) -> Micros:
        return 0 if is_enough_alone(self.form) else self.span_of("within")


def is_enough_alone(form: Mapping[str, Any]) -> bool:
    """Where one member is enough no other has to be near it."""
    return "any" in form and form.get("at_least", 1) == 1


class Absence(Node):
    """Nothing for so long since the last match, or since `after`; once for each silence."""

    is_condition = True
    silent = False
    wait: Came | None = None

    @property
    def span(self) -> Micros:
        return self.span_of("for")

    def begins(self, now: Micros, *, expected: bool) -> None:
        super().begins(now, expected=expected)
        if len(self.members) == 1 and not self.silent and (expected or self.due is not None):
            self.wait, self.due = Came(now, 0, 0, None, ()), now + self.span

    def decide(self, coming: list[Came], over: list[int], now: Micros) -> list[Said]:
        said: list[Said] = []
        for one in sorted(coming, key=lambda one: one.part):
            if one.part:
                self.after(one)
            elif len(self.members) == 1:
                said += self.watched(one, now)
            else:
                said += self.answered(one, now)
        return said

    def watched(self, one: Came, now: Micros) -> list[Said]:
        if self.wait and when(one) < when(self.wait):
            return []
        if self.silent and one.time + self.span < now:
            return []
        was, self.silent = self.silent, False
        self.wait, self.due = one, one.time + self.span
        return [Said(one.time, None)] if was else []

    def answered(self, one: Came, now: Micros) -> list[Said]:
        self.kept.append(one)
        if self.wait is None or when(one) < when(self.wait):
            return []
        self.due = None
        if self.silent and one.time + self.span < now:
            return []
        was, self.silent, self.wait = self.silent, False, None
        return [Said(one.time, None)] if was else []

    def after(self, one: Came) -> None:
        if self.due is None and not any(when(other) > when(one) for other in self.kept):
            self.wait, self.due = one, one.time + self.span

    def elapsed(self, due: Micros, now: Micros) -> list[Said]:
        assert self.wait
        self.silent, self.due = True, None
        return [Said(due, self.wait.events, len(self.wait.events))]


class Aggregate(Node):
    """A figure over the last span, judged whenever a value comes or leaves."""

    is_condition = True
    holds = False
    end: float = -math.inf

    @property
    def span(self) -> Micros:
        return self.span_of("over")

    def decide(self, coming: list[Came], over: list[int], now: Micros) -> list[Said]:
        for one in coming:
            right = bool if self.form["function"] == "ratio" else (int, float)
            if type(one.value) in (right if isinstance(right, tuple) else (right,)):
                self.kept.append(one)
            else:
                self.notes.left_out += 1
            self.end = max(self.end, self.newest or 0)
            said = self.turned(self.at(self.end), one.time)
            self.due = self.next_turn()
            return said
        return []

    def at(self, end: float) -> list[Came]:
        """What lies in the span that ends there."""
        return sorted((one for one in self.kept if one.time >= end - self.span), key=when)

    def elapsed(self, due: Micros, now: Micros) -> list[Said]:
        self.end = max(self.end, due + 1)
        # It is so from this moment on, whenever its values were.
        said = [one._replace(time=due) for one in self.turned(self.at(due + 1), due)]
        self.due = self.next_turn()
        return said

    def next_turn(self) -> Micros | None:
        """When, with no more values, the verdict is another."""
        leave = sorted({one.time + self.span for one in self.at(self.end)})
        return next((d for d in leave if self.beyond(self.at(d + 1)) != self.holds), None)

    def turned(self, values: list[Came], time: Micros) -> list[Said]:
        if self.beyond(values) == self.holds:
            return []
        self.holds = not self.holds
        return fired(values, len(values)) if self.holds else [Said(time, None)]

    def beyond(self, values: list[Came]) -> bool:
        if len(values) < self.form.get("at_least", 1):
            return False
        number = figure(self.form["function"], [one.value for one in values])
        return number > self.form["above"] if "above" in self.form else number < self.form["below"]


def figure(function: str, values: list[Any]) -> Fraction:
    exact = sorted(map(Fraction, values))
    match function:
        case "sum":
            return sum(exact, Fraction())
        case "min":
            return exact[0]
        case "max":
            return exact[-1]
        case "p95":
            rank = Fraction(95, 100) * (len(exact) - 1)
            low = exact[math.floor(rank)]
            return low + (exact[math.ceil(rank)] - low) * (rank - math.floor(rank))
        case _:  # avg, and the ratio of what is true
            return sum(exact, Fraction()) / len(exact)


KINDS: Mapping[str, type[Node]] = {
    "count": Count,
    "sequence": Chain,
    "all": Combination,
    "any": Combination,
    "absent": Absence,
    "aggregate": Aggregate,
}


def node(form: Mapping[str, Any], notes: Notes, lateness: Micros = MINUTE) -> Node:
    """The window of this trigger for one key, that knows nothing yet."""
    kind = next(name for name in KINDS if name in form)
    lateness = parse_duration(form["allowed_lateness"]) if "allowed_lateness" in form else lateness
    told = form[kind] if isinstance(form[kind], list) else [form[kind]]
    told = [*told, form["after"]] if "after" in form else told
    members = [one if isinstance(one, str) else node(one, notes, lateness) for one in told]
    return KINDS[kind](form, members, lateness, notes)
