"""The figures an aggregate can watch, and how many of its oldest values may go before it turns.

Sums and means are those of exact arithmetic, rounded once. The p95 is exact, interpolated
between its neighbours in order: at rank 0.95 · (n - 1), counted from 0.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sys import float_info
from typing import Final, Literal

from triggers.digest import Digest, Order, Sums
from triggers.window import Member, Value

Function = Literal["sum", "avg", "min", "max", "p95", "ratio"]
FUNCTIONS: Final[tuple[Function, ...]] = ("sum", "avg", "min", "max", "p95", "ratio")

LOOK_AHEAD: Final = 1_000
"""Values looked ahead for the moment when a sum or a mean turns; then it is asked again."""


def digest(function: Function, values: Sequence[Value]) -> Digest:
    """What the function's figure follows from."""
    return Order.of(values) if function in {"min", "max", "p95"} else Sums.of(values)


def figure(function: Function, values: Sequence[Value]) -> float:
    """Of at least one value; for `ratio` they are true or false. Always finite."""
    return figure_of(function, digest(function, values), len(values))


def figure_of(function: Function, known: Digest, count: int) -> float:
    """The figure of so many values, of which this is known."""
    match known:
        case Sums():
            try:
                return _bounded(known.total() if function == "sum" else known.mean(count))
            except OverflowError:
                return (
                    float_info.max if known.whole * 2**1074 + known.broken > 0 else -float_info.max
                )
        case Order(values=ordered):
            if function == "p95":
                return _bounded(_p95(ordered))
            return ordered[-1 if function == "max" else 0]


def _p95(ordered: Sequence[Value]) -> float:
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


def values_of(members: Iterable[Member]) -> list[Value]:
    return [member.value for member in members if member.value is not None]


def turns_after(
    function: Function, members: Sequence[Member], known: Digest, bound: Bound, *, beyond: bool
) -> int | None:
    """How many of the oldest values have to go before the figure may be on the other side.

    All of these members have values, of which this is known. `beyond` says on which it is. None where it stays there down to the last value. An answer
    may be early, never late: whoever acts on it asks again.
    """
    match known:
        case Sums():
            return _sum_turn(members, known, bound, mean=function != "sum", beyond=beyond)
        case Order() if function == "p95":
            return _p95_turn(members, known, bound)
        case Order():
            # One value beyond is enough for the high side of a max; for the low, all must be.
            alone = (function == "max") == (bound.side == "above")
            return _extreme_turn(members, bound, alone=alone) if alone == beyond else None


def _extreme_turn(members: Sequence[Member], bound: Bound, *, alone: bool) -> int | None:
    """It turns with the last value that is decisive by itself."""
    for back, member in enumerate(reversed(members)):
        if member.value is not None and bound.is_beyond(member.value) == alone:
            return len(members) - back if back else None
    return None


def _sum_turn(
    members: Sequence[Member], known: Sums, bound: Bound, *, mean: bool, beyond: bool
) -> int | None:
    """Looks at the oldest only; near the limit, where rounding might tell, it does not guess."""
    left, limit = len(members) if mean else 1, bound.limit
    try:
        total, margin = known.total(), 0.0
        if type(limit) is not int or not known.are_whole:
            margin = 1e-9 * (known.size() + abs(limit) * left)
    except OverflowError:
        return 1
    if margin and not abs(total - limit * left) > margin:
        return 1
    above = bound.side == "above"
    for gone, value in enumerate(values_of(members[:LOOK_AHEAD]), 1):
        total -= value
        left -= mean
        gap = total - limit * left
        if (gap > 0 if above else gap < 0) != beyond or (margin and not abs(gap) > margin):
            return gone
    return LOOK_AHEAD if len(members) > LOOK_AHEAD else None


def _p95_turn(members: Sequence[Member], known: Order, bound: Bound) -> int | None:
    """By the number of values beyond; where that leaves it open, it does not guess."""
    many = _many_beyond(known.values, bound)
    before = _p95_side(many, len(members), bound)
    for gone, value in enumerate(values_of(members[:LOOK_AHEAD]), 1):
        many -= bound.is_beyond(value)
        left = len(members) - gone
        if not left:
            return None
        side = _p95_side(many, left, bound)
        if side is None or side != before:
            return gone
    return LOOK_AHEAD


def _many_beyond(ordered: Sequence[Value], bound: Bound) -> int:
    if bound.side == "above":
        return len(ordered) - bisect_right(ordered, bound.limit)
    return bisect_left(ordered, bound.limit)


def _p95_side(many: int, count: int, bound: Bound) -> bool | None:
    """Whether a p95 is beyond, of so many values of which so many are; None: it depends."""
    rank, rest = divmod(95 * (count - 1), 100)
    upper = rank + bool(rest)
    if bound.side == "above":
        return True if many >= count - rank else None if many >= count - upper else False
    return True if many > upper else None if many > rank else False
