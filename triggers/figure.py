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
    """By the number of values on the high side of the limit, the oldest of which go first."""
    count, limit = len(members), bound.limit
    above = bound.side == "above"
    high = count - (bisect_right if above else bisect_left)(known.values, limit)
    before = _is_high(high, count)
    sure = 0
    if before is False:
        if not high:
            return None
        sure = max(0, count - 20 * high - 2)  # while a twentieth of what is left is more than them
    elif before:
        sure = max(0, (20 * high - count - 39) // 19)  # though all that go were among them
    if sure >= LOOK_AHEAD:
        return sure
    values = values_of(members[:LOOK_AHEAD])
    are_high = [value > limit for value in values] if above else [v >= limit for v in values]
    high -= sum(are_high[:sure])
    for gone in range(sure + 1, len(values) + 1):
        high -= are_high[gone - 1]
        if gone == count:
            return None
        side = _is_high(high, count - gone)
        if side is None or side != before:
            return gone
    return len(values)


def _is_high(high: int, count: int) -> bool | None:
    """On which side the p95 of so many values is, of which so many are high; None: it depends."""
    rank, rest = divmod(95 * (count - 1), 100)
    if high >= count - rank:
        return True
    return None if rest and high >= count - rank - 1 else False
