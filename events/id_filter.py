"""A filter over many segments of keys at once: it names those that may hold a key.

For each of 2^19 slots a 64-bit mask says which of 64 segments have a key there. A key has four
slots, and the AND of their masks names the segments worth a look: nearly always none. It is a
Bloom filter for 64 segments at once, four bytes for each key of segments of 16,384.

A group can be written down in parts and read back. Bits are only ever added to a group, so parts
from different moments fit together: a segment is known where every part says that it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from mmap import mmap
from struct import Struct

GROUP = 64
PARTS = 16
"""Of a group, as it is written down: a quarter of a megabyte each."""
_SLOTS = 1 << 19
_PART = 8 * _SLOTS // PARTS
_READY = 8
"""Bytes at the head of a part: which segments are known in it."""
_MASK = _SLOTS - 1
_HEADS = Struct("<II")
_Head = tuple[int, int]
"""The two numbers that a key's slots come of."""


@dataclass(slots=True)
class _Group:
    """The filter over 64 segments."""

    slots: memoryview[int] = field(
        default_factory=lambda: memoryview(mmap(-1, 8 * _SLOTS)).cast("Q")
    )
    """Anonymous memory: a page of it is taken when it is first written."""
    ready: int = 0
    """Segments whose keys are all in the filter; the others always count as candidates."""
    live: int = 0
    """Segments that exist."""

    def add(self, heads: Iterable[_Head], bit: int) -> None:
        slots = self.slots
        for a, b in heads:
            b |= 1  # noqa: PLW2901 - a name of its own costs time
            slots[a & _MASK] |= bit
            slots[(a + b) & _MASK] |= bit
            slots[(a + 2 * b) & _MASK] |= bit
            slots[(a + 3 * b) & _MASK] |= bit

    def candidates(self, heads: Iterable[_Head]) -> Iterator[tuple[int, int]]:
        """Those of the keys that there are any for: which key it is, and the mask."""
        slots, live, unknown = self.slots, self.live, self.live & ~self.ready
        for index, (a, b) in enumerate(heads):
            b |= 1  # noqa: PLW2901 - a name of its own costs time
            found = slots[a & _MASK] & slots[(a + b) & _MASK]
            if found:
                found &= slots[(a + 2 * b) & _MASK] & slots[(a + 3 * b) & _MASK] & live
            if found or unknown:
                yield index, found | unknown


class IdFilter:
    """Grows by a group for each 64 segments, and forgets a group when all of it is gone."""

    def __init__(self, segments: Iterable[int] = ()) -> None:
        """`segments` exist already; until they are `ready` they are candidates for every key."""
        self._groups: dict[int, _Group] = {}
        for segment in segments:
            self.open(segment)

    def open(self, segment: int) -> None:
        """There is such a segment from now on; what was added for it before counts."""
        self._group(segment).live |= _bit(segment)

    def add(self, segment: int, keys: Iterable[bytes]) -> None:
        self._group(segment).add(_heads(keys), _bit(segment))

    def complete(self, segment: int) -> None:
        """All keys of this segment were added."""
        self._group(segment).ready |= _bit(segment)

    def drop(self, segment: int) -> None:
        """The segment is gone. The newest group stays: what is added there may not be open yet."""
        number = segment // GROUP
        group = self._groups[number]
        group.live &= ~_bit(segment)
        group.ready &= ~_bit(segment)
        if not group.live and number != max(self._groups):
            del self._groups[number]

    def candidates(self, keys: Iterable[bytes]) -> dict[int, list[int]]:
        """The segments that may have a key, newest first, by the key's index: of those with any.

        The first 8 bytes of a key are looked at.
        """
        found: dict[int, list[int]] = {}
        if not self._groups:
            return found
        heads = _heads(keys)
        for number, group in sorted(self._groups.items(), reverse=True):
            for index, mask in group.candidates(heads):
                segments = [number * GROUP + bit for bit in _bits(mask)]
                found.setdefault(index, []).extend(segments)
        return found

    def part(self, number: int, part: int) -> bytes | None:
        """One part of a group as it is now; None where there is no such group."""
        group = self._groups.get(number)
        if group is None:
            return None
        start = part * _PART
        return group.ready.to_bytes(_READY, "little") + group.slots.cast("B")[start : start + _PART]

    def restore(self, number: int, parts: Mapping[int, bytes]) -> None:
        """Add what was written down of a group, and know the segments that all its parts know."""
        group = self._groups.get(number)
        if (
            group is None
            or len(parts) != PARTS
            or any(len(p) != _READY + _PART for p in parts.values())
        ):
            return
        ready = ~0
        slots = group.slots.cast("B")
        for part, written in parts.items():
            ready &= int.from_bytes(written[:_READY], "little")
            slots[part * _PART : (part + 1) * _PART] = written[_READY:]
        group.ready = ready & group.live

    def whole(self, number: int) -> bool:
        """Whether all keys of all segments of a group were added."""
        group = self._groups.get(number)
        return group is not None and not group.live & ~group.ready

    def incomplete(self) -> list[int]:
        """Segments whose keys were not all added yet, newest first."""
        return [
            number * GROUP + index
            for number, group in sorted(self._groups.items(), reverse=True)
            for index in reversed(range(GROUP))
            if group.live & ~group.ready & (1 << index)
        ]

    def _group(self, segment: int) -> _Group:
        number = segment // GROUP
        group = self._groups.get(number)
        if group is None:
            group = self._groups[number] = _Group()
        return group


def _heads(keys: Iterable[bytes]) -> list[_Head]:
    return [*_HEADS.iter_unpack(b"".join([key[:8] for key in keys]))]


def _bits(mask: int) -> list[int]:
    """The places of the bits that are set, the highest first."""
    return [n for n in range(mask.bit_length() - 1, -1, -1) if mask >> n & 1]


def _bit(segment: int) -> int:
    return 1 << (segment % GROUP)
