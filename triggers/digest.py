"""What is known of many values without looking through them: it follows as they come and go.

Sums are exact. A float is a whole multiple of 2 ** -1074, so floats are added up as whole numbers
of that unit: nothing is lost by taking away what was added before, and what is left is the same
as if it had been added up anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from triggers.window import Value

_BITS: Final = 1074
_UNIT: Final = 1 << _BITS
_FEW: Final = 32
"""So many are taken out of their order one by one; of more, what stays is put in order anew."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Of values and of their sizes, which whole numbers and others have apart."""

    whole: int = 0
    whole_size: int = 0
    broken: int = 0
    broken_size: int = 0
    count: int = 0
    """Of those that are not whole."""

    @classmethod
    def of(cls, values: Sequence[Value]) -> Sums:
        return cls().plus(values)

    def plus(self, values: Sequence[Value]) -> Sums:
        return self._changed(values, 1)

    def minus(self, gone: Sequence[Value], left: Callable[[], Sequence[Value]]) -> Sums:  # noqa: ARG002 - as in `Order`
        """Without the oldest, which are `gone`."""
        return self._changed(gone, -1)

    def _changed(self, values: Sequence[Value], sign: int) -> Sums:
        wholes = [value for value in values if not isinstance(value, float)]
        units = [_units(value) for value in values if isinstance(value, float)]
        return Sums(
            self.whole + sign * sum(wholes),
            self.whole_size + sign * sum(map(abs, wholes)),
            self.broken + sign * sum(units),
            self.broken_size + sign * sum(map(abs, units)),
            self.count + sign * len(units),
        )

    @property
    def are_whole(self) -> bool:
        return not self.count

    def total(self) -> float:
        """The exact sum, rounded once; a whole number where all are. Raises OverflowError."""
        return self.mean(1) if self.count else self.whole

    def size(self) -> float:
        """What `total` is of their sizes."""
        if not self.count:
            return self.whole_size
        return (self.whole_size * _UNIT + self.broken_size) / _UNIT

    def mean(self, count: int) -> float:
        """The exact sum over so many, rounded once. Raises OverflowError."""
        if not self.count:
            return self.whole / count
        return (self.whole * _UNIT + self.broken) / (_UNIT * count)


@dataclass(frozen=True, slots=True)
class Order:
    """The values, the lowest first; of equal ones, the oldest."""

    values: tuple[Value, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Value]) -> Order:
        return cls(tuple(sorted(values)))

    def plus(self, values: Sequence[Value]) -> Order:
        """With these, the newest of all."""
        ordered = self.values
        if len(values) > _FEW:
            return Order(tuple(sorted((*ordered, *values))))
        for value in values:
            at = bisect_right(ordered, value)
            ordered = (*ordered[:at], value, *ordered[at:])
        return Order(ordered)

    def minus(self, gone: Sequence[Value], left: Callable[[], Sequence[Value]]) -> Order:
        """Without the oldest, which are `gone`; `left` gives all others, in the order they came."""
        if len(gone) > _FEW:
            return Order.of(left())
        ordered = self.values
        for value in gone:
            at = bisect_left(ordered, value)
            ordered = (*ordered[:at], *ordered[at + 1 :])
        return Order(ordered)


Digest = Sums | Order


def _units(value: float) -> int:
    """How many units of 2 ** -1074 it is: exact, for the divisor is a power of two."""
    over, under = value.as_integer_ratio()
    return over << (_BITS + 1 - under.bit_length())
