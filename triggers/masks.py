"""From a value to the set of slots it could concern: the tables behind the index.

A set of slots is an integer with their bits set: union and intersection of thousands are
one operation each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable
from itertools import accumulate
from operator import xor
from typing import Generic, Literal, TypeVar

from triggers.condition import Numeric

Mask = int
K = TypeVar("K", bound=Hashable)


class Masks(dict[K, Mask], Generic[K]):
    """A mask for each key that has one; empty ones are not kept."""

    def put(self, key: K, bit: Mask) -> None:
        self[key] = self.get(key, 0) | bit

    def drop(self, key: K, bit: Mask) -> None:
        left = self.get(key, 0) & ~bit
        if left:
            self[key] = left
        else:
            self.pop(key, None)


class Affixes:
    """Which texts a value starts (or ends) with: one lookup for each length there is."""

    def __init__(self, end: Literal["starts", "ends"]) -> None:
        self._from_end = end == "ends"
        self._by_length: dict[int, Masks[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_length)

    def put(self, text: str, bit: Mask) -> None:
        self._by_length.setdefault(len(text), Masks()).put(text, bit)

    def drop(self, text: str, bit: Mask) -> None:
        if masks := self._by_length.get(len(text)):
            masks.drop(text, bit)
            if not masks:
                del self._by_length[len(text)]

    def hit(self, value: str) -> Mask:
        hit, size = 0, len(value)
        for length, masks in self._by_length.items():
            if length <= size:
                end = value[size - length :] if self._from_end else value[:length]
                if mask := masks.get(end):
                    hit |= mask
        return hit


class Ranges:
    """Which ranges a number lies in, by bisection.

    The bounds cut the numbers into points and the stretches between them, and each piece
    has its mask. A slot has one range at most. The pieces are laid out anew at the first question after a change.
    """

    def __init__(self) -> None:
        self._masks: Masks[Numeric] = Masks()
        self._bounds: list[float] = []
        self._pieces: list[Mask] | None = None

    def __bool__(self) -> bool:
        return bool(self._masks)

    def put(self, span: Numeric, bit: Mask) -> None:
        self._masks.put(span, bit)
        self._pieces = None

    def drop(self, span: Numeric, bit: Mask) -> None:
        self._masks.drop(span, bit)
        self._pieces = None

    def hit(self, value: float) -> Mask:
        pieces = self._pieces
        if pieces is None:
            pieces = self._pieces = self._lay_out()
        at = bisect_left(self._bounds, value)
        on_bound = at < len(self._bounds) and self._bounds[at] == value
        return pieces[2 * at + on_bound]

    def _lay_out(self) -> list[Mask]:
        """Piece 2i is what lies before bound i, piece 2i + 1 the bound itself."""
        spans = self._masks
        ends = {end for span in spans for end in (span.low, span.high) if end is not None}
        bounds = self._bounds = sorted(ends)
        place = {bound: at for at, bound in enumerate(bounds)}
        changes: list[Mask] = [0] * (2 * len(bounds) + 2)
        for span, mask in spans.items():
            first, after = 0, 2 * len(bounds) + 1
            if span.low is not None:
                first = 2 * place[span.low] + (1 if span.low_inclusive else 2)
            if span.high is not None:
                after = 2 * place[span.high] + (2 if span.high_inclusive else 1)
            changes[first] ^= mask
            changes[after] ^= mask
        return list(accumulate(changes, xor))
