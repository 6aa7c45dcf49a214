"""The figures an aggregate can watch, and how many of its oldest values may go before it turns.

Sums and means are those of exact arithmetic, rounded once. The p95 is exact, interpolated
between its neighbours in order: at rank 0.95 · (n - 1), counted from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
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
    return sum(values) if _are_whole(values) else _float_sum(values)


def _are_whole(values: Sequence[Value]) -> bool:
    return set(map(type, values)) <= {int, bool}


def _float_sum(values: Iterable[float]) -> float:
    numbers = list(values)
    try:
        return fsum(numbers)
    except OverflowError:
        return sum(map(float, numbers))


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


def turns_after(
    function: Function, values: Sequence[Value], bound: Bound, *, beyond: bool
) -> int | None:
    """How many of the oldest values have to go before the figure may be on the other side.

    `beyond` says on which it is. None where it stays there down to the last value. An answer
    may be early, never late: whoever acts on it asks again.
    """
    match function:
        case "min" | "max":
            # One value beyond is enough for the high side of a max; for the low, all must be.
            alone = (function == "max") == (bound.side == "above")
            return _extreme_turn(values, bound, alone=alone) if alone == beyond else None
        case "p95":
            return _p95_turn(values, bound)
        case "sum" | "avg" | "ratio":
            return _sum_turn(values, bound, mean=function != "sum", beyond=beyond)


def _extreme_turn(values: Sequence[Value], bound: Bound, *, alone: bool) -> int | None:
    """It turns with the last value that is decisive by itself."""
    for gone in range(len(values), 0, -1):
        if bound.is_beyond(values[gone - 1]) == alone:
            return gone if gone < len(values) else None
    return None


def _sum_turn(values: Sequence[Value], bound: Bound, *, mean: bool, beyond: bool) -> int | None:
    """Looks at the oldest only; near the limit, where rounding might tell, it does not guess."""
    total, left, limit = _sum(values), len(values) if mean else 1, bound.limit
    margin = 0.0
    if type(limit) is not int or not _are_whole(values):
        margin = 1e-9 * (_float_sum(map(abs, values)) + abs(limit) * left)
    if margin and not abs(total - limit * left) > margin:
        return 1
    above = bound.side == "above"
    for gone, value in enumerate(islice(values, LOOK_AHEAD), 1):
        total -= value
        left -= mean
        gap = total - limit * left
        if (gap > 0 if above else gap < 0) != beyond or (margin and not abs(gap) > margin):
            return gone
    return LOOK_AHEAD if len(values) > LOOK_AHEAD else None


def _p95_turn(values: Sequence[Value], bound: Bound) -> int | None:
    """By the number of values beyond; where that leaves it open, it does not guess."""
    limit = bound.limit
    if bound.side == "above":
        beyond = [value > limit for value in values]
    else:
        beyond = [value < limit for value in values]
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
