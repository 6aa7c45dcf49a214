"""The memory of deduplication: which `(source, id)` were taken, and where they are in the log.

Ids from outside are random, and random keys in one large index erode it: every insert dirties
another page. So on SQLite the index is cut into *segments* of 32,768 keys. New keys go to the
newest segment only, whose few hundred pages stay warm; older segments are never written again,
and expire whole. To find out whether a key is in one of *them*, a filter in memory is asked
first: for each of 2^20 slots a 64-bit mask says which of 64 segments have a key there. A key
has four slots; the AND of their masks names the segments worth a look, nearly always none.
It is a Bloom filter for 64 segments at once, 4 bytes for each key remembered.

PostgreSQL keeps its own cache of pages in order and has one plain table.

A key is 12 bytes of the id's hash, then 8 of the source's: exact enough never to meet by
chance, and all events of one id are neighbours, which is how an event is found by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from mmap import mmap
from typing import NamedTuple, Protocol

from base.time import Micros
from events.event import Event
from events.tables import SeenRow
from events.tx import InsertSpec, Tx

SEGMENT_KEYS = 32_768
GROUP_SEGMENTS = 64
_SLOTS = 1 << 20
_MASK = _SLOTS - 1
_ID_BYTES = 12
_INSERT = InsertSpec(
    SeenRow, columns=("segment", "key", "position", "digest", "at"), conflict="nothing"
)


@lru_cache(maxsize=4096)
def _source_hash(source: str) -> bytes:
    return blake2b(source.encode(), digest_size=8).digest()


def id_hash(id_: str) -> bytes:
    """The first part of the keys of all events with this id."""
    return blake2b(id_.encode(), digest_size=_ID_BYTES).digest()


class Entry(NamedTuple):
    """One event asking to be taken at a position."""

    key: bytes
    position: int
    digest: bytes
    at: Micros

    @classmethod
    def of(cls, event: Event, position: int) -> Entry:
        body = blake2b(event.encoded, digest_size=8, person=event.type.encode()[:16]).digest()
        return cls(id_hash(event.id) + _source_hash(event.source), position, body, event.received)


class Earlier(NamedTuple):
    """The event that had the id first."""

    position: int
    digest: bytes


class Seen(Protocol):
    """What the journal asks of deduplication."""

    async def take(self, tx: Tx, entries: Sequence[Entry]) -> dict[int, Earlier]:
        """Remember the entries in this transaction; the duplicates among them, by index.

        Of two entries with one key the first is taken and the second is a duplicate.
        """
        ...

    def segments(self, id_: str) -> list[int]:
        """Where an event of this id may be remembered."""
        ...


class PlainSeen:
    """One table and one index: for PostgreSQL."""

    async def take(self, tx: Tx, entries: Sequence[Entry]) -> dict[int, Earlier]:
        if await tx.insert(_INSERT, [(0, *entry) for entry in entries]) == len(entries):
            return {}
        return await _duplicates(tx, 0, entries, range(len(entries)))

    def segments(self, id_: str) -> list[int]:  # noqa: ARG002 - the protocol's
        return [0]


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


class SegmentedSeen:
    """Segments and their filter: for SQLite, whose only writer it is told about."""

    def __init__(self, segments: Sequence[tuple[int, int]] = ()) -> None:
        """`segments` are the numbers and sizes of those that exist, oldest first."""
        self._groups: dict[int, _Group] = {}
        for number, _ in segments:
            self._group(number).live |= _bit(number)
        self._current, self._count = segments[-1] if segments else (0, 0)
        # Its keys are not in the filter until they are loaded; a fresh one has none.
        if not self._count:
            self._begin(self._current)

    async def take(self, tx: Tx, entries: Sequence[Entry]) -> dict[int, Earlier]:
        if self._count >= SEGMENT_KEYS:
            self._begin(self._current + 1)
        current, bit = self._current, _bit(self._current)
        group = self._group(current)
        older: dict[int, Earlier] = {}
        rows, kept = [], []
        for index, entry in enumerate(entries):
            candidates = self._older(entry.key)
            if candidates and (earlier := await _probe(tx, candidates, entry.key)):
                older[index] = earlier
                continue
            rows.append((current, *entry))
            kept.append(index)
            group.add(entry.key, bit)
        inserted = await tx.insert(_INSERT, rows)
        self._count += inserted
        if inserted == len(rows):
            return older
        return older | await _duplicates(tx, current, entries, kept)

    def segments(self, id_: str) -> list[int]:
        return [*self._older(id_hash(id_)), self._current]

    def to_load(self) -> list[int]:
        """Segments whose keys the filter does not have yet, newest first."""
        return [
            number * GROUP_SEGMENTS + index
            for number, group in sorted(self._groups.items(), reverse=True)
            for index in reversed(range(GROUP_SEGMENTS))
            if group.live & ~group.ready & (1 << index)
        ]

    def load(self, segment: int, keys: Sequence[bytes]) -> None:
        """Give the filter some keys of an older segment."""
        group, bit = self._group(segment), _bit(segment)
        for key in keys:
            group.add(key, bit)

    def loaded(self, segment: int) -> None:
        """All keys of this segment were given."""
        self._group(segment).ready |= _bit(segment)

    def expired(self, segment: int) -> None:
        """The segment is gone from the database."""
        group = self._group(segment)
        group.live &= ~_bit(segment)
        if not group.live:
            del self._groups[segment // GROUP_SEGMENTS]

    @property
    def current(self) -> int:
        return self._current

    def _older(self, key: bytes) -> list[int]:
        """The segments before the current one that may have this key, newest first."""
        found = []
        for number, group in self._groups.items():
            candidates = group.candidates(key)
            while candidates:
                low = candidates & -candidates
                found.append(number * GROUP_SEGMENTS + low.bit_length() - 1)
                candidates ^= low
        if found:
            found = sorted((s for s in found if s != self._current), reverse=True)
        return found

    def _begin(self, segment: int) -> None:
        self._current, self._count = segment, 0
        group = self._group(segment)
        group.live |= _bit(segment)
        group.ready |= _bit(segment)

    def _group(self, segment: int) -> _Group:
        number = segment // GROUP_SEGMENTS
        if number not in self._groups:
            self._groups[number] = _Group()
        return self._groups[number]


def _bit(segment: int) -> int:
    return 1 << (segment % GROUP_SEGMENTS)


async def _probe(tx: Tx, segments: Sequence[int], key: bytes) -> Earlier | None:
    for segment in segments:
        rows = await tx.fetch(
            "SELECT position, digest FROM seen WHERE segment = $1 AND key = $2", segment, key
        )
        if rows:
            return Earlier(*rows[0])
    return None


async def _duplicates(
    tx: Tx, segment: int, entries: Sequence[Entry], indexes: Sequence[int]
) -> dict[int, Earlier]:
    """Which of the entries are not the ones remembered under their key: told by position."""
    found = {}
    for index in indexes:
        entry = entries[index]
        earlier = await _probe(tx, (segment,), entry.key)
        if earlier and earlier.position != entry.position:
            found[index] = earlier
    return found
