"""The figures an aggregate can watch, and how many of its oldest values may go before it turns.

Sums and means are those of exact arithmetic, rounded once. The p95 is exact, interpolated
between its neighbours in order: at rank 0.95 · (n - 1), counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from sys import float_info
from typing import Final, Literal

from triggers.window import Value

Function = Literal["sum", "avg", "min", "max", "p95", "ratio"]
FUNCTIONS: Final[tuple[Function, ...]] = ("sum", "avg", "min", "max", "p95", "ratio")

LOOK_AHEAD: Final = 1_000
"""Values looked ahead for the moment when a sum or a mean turns; then it is asked again."""


def figure(function: Function, values: Sequence[Value]) -> float:
    """Of at least one value; for `ratio` they are true or false. Always finite."""
    match function:
        case "sum":
            return _bounded(_sum(values))
        case "avg":
            return _bounded(_sum(values) / len(values))
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "ratio":
            return sum(values) / len(values)
        case "p95":
            return _bounded(_p95(values))


def _sum(values: Sequence[Value]) -> float:
    if all(type(value) is int for value in values):
        return sum(values)
    try:
        return fsum(values)
    except OverflowError:
        return sum(map(float, values))


def _p95(values: Sequence[Value]) -> float:
    ordered = sorted(values)
    rank, rest = divmod(95 * (len(ordered) - 1), 100)
    low = ordered[rank]
    return low + (ordered[rank + 1] - low) * (rest / 100) if rest else low


def _bounded(number: float) -> float:
    """What JSON can carry: an integer of 64 bits or a finite float."""
    if isinstance(number, int):
        return number if abs(number) < 2**63 else float(number)
    return max(-float_info.max, min(float_info.max, number))


@dataclass(frozen=True, slots=True)
class Bound:
    """The side of a limit that is too far; the limit itself is not."""

    side: Literal["above", "below"]
    limit: float

    def is_beyond(self, number: float) -> bool:
        return number > self.limit if self.side == "above" else number < self.limit


def turns_after(function: Function, values: Sequence[Value], bound: Bound) -> int | None:
    """How many of the oldest values have to go before the figure may be on the other side.

    None where it stays on its side down to the last value. An answer may be early, never
    late: whoever acts on it asks again.
    """
    match function:
        case "min" | "max":
            return _extreme_turn(function, values, bound)
        case "p95":
            return _p95_turn(values, bound)
        case "sum":
            return _sum_turn(values, bound)
        case "avg" | "ratio":
            level = [value - bound.limit for value in values]
            return _sum_turn(level, Bound(bound.side, 0))


def _extreme_turn(
    function: Literal["min", "max"], values: Sequence[Value], bound: Bound
) -> int | None:
    """One value beyond is enough for the high side of a `max`; for the low side all must be."""
    one_is_enough = (function == "max") == (bound.side == "above")
    for gone in range(len(values), 0, -1):
        if bound.is_beyond(values[gone - 1]) == one_is_enough:
            return gone if gone < len(values) else None
    return None


def _sum_turn(values: Sequence[float], bound: Bound) -> int | None:
    """Looks at the oldest only; near the limit, where rounding might tell, it does not guess."""
    total = _sum(values)
    whole = all(type(value) is int for value in (*values, bound.limit))
    margin = 0 if whole else 1e-9 * (_sum([abs(value) for value in values]) + abs(bound.limit))
    beyond = bound.is_beyond(total)
    for gone, value in enumerate(values[:LOOK_AHEAD], 1):
        total -= value
        near = margin and not abs(total - bound.limit) > margin
        if near or bound.is_beyond(total) != beyond:
            return gone
    return LOOK_AHEAD if len(values) > LOOK_AHEAD else None


def _p95_turn(values: Sequence[Value], bound: Bound) -> int | None:
    """By the number of values beyond; where that leaves it open, it does not guess."""
    beyond = [bound.is_beyond(value) for value in values]
    many, before = sum(beyond), _p95_side(sum(beyond), len(values), bound)
    for gone, one in enumerate(beyond[:LOOK_AHEAD], 1):
        many -= one
        left = len(values) - gone
        if not left:
            return None
        side = _p95_side(many, left, bound)
        if side is None or side != before:
            return gone
    return LOOK_AHEAD


def _p95_side(many: int, count: int, bound: Bound) -> bool | None:
    """Whether a p95 is beyond, of so many values of which so many are; None: it depends."""
    rank, rest = divmod(95 * (count - 1), 100)
    upper = rank + bool(rest)
    if bound.side == "above":
        return True if many >= count - rank else None if many >= count - upper else False
    return True if many > upper else None if many > rank else False
