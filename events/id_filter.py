"""A filter over many segments of keys at once: it names those that may hold a key.

For each of 2^19 slots a 64-bit mask says which of 64 segments have a key there. A key has four
slots, and the AND of their masks names the segments worth a look: nearly always none. It is a
Bloom filter for 64 segments at once, four bytes for each key of segments of 16,384.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from mmap import mmap

GROUP = 64
_SLOTS = 1 << 19
_MASK = _SLOTS - 1


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

    def add(self, key: bytes, bit: int) -> None:
        slots = self.slots
        a = int.from_bytes(key[:4], "little")
        b = int.from_bytes(key[4:8], "little") | 1
        slots[a & _MASK] |= bit
        slots[(a + b) & _MASK] |= bit
        slots[(a + 2 * b) & _MASK] |= bit
        slots[(a + 3 * b) & _MASK] |= bit

    def candidates(self, key: bytes) -> int:
        slots = self.slots
        a = int.from_bytes(key[:4], "little")
        b = int.from_bytes(key[4:8], "little") | 1
        found = slots[a & _MASK] & slots[(a + b) & _MASK]
        if found:
            found &= slots[(a + 2 * b) & _MASK] & slots[(a + 3 * b) & _MASK]
        return (found | ~self.ready) & self.live


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
        group, bit = self._group(segment), _bit(segment)
        for key in keys:
            group.add(key, bit)

    def complete(self, segment: int) -> None:
        """All keys of this segment were added."""
        self._group(segment).ready |= _bit(segment)

    def drop(self, segment: int) -> None:
        """The segment is gone. The newest group stays: what is added there may not be open yet."""
        number = segment // GROUP
        group = self._groups[number]
        group.live &= ~_bit(segment)
        if not group.live and number != max(self._groups):
            del self._groups[number]

    def candidates(self, key: bytes) -> list[int]:
        """The segments that may have this key, newest first; the first 8 bytes are looked at."""
        found = []
        for number, group in self._groups.items():
            candidates = group.candidates(key)
            while candidates:
                low = candidates & -candidates
                found.append(number * GROUP + low.bit_length() - 1)
                candidates ^= low
        return sorted(found, reverse=True) if found else found

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


def _bit(segment: int) -> int:
    return 1 << (segment % GROUP)
