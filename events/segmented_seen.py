"""Deduplication on SQLite: a tail in memory, sealed into segments that are never written again.

Ids from outside are random, and random keys in an index dirty another page with every insert,
which is most of what a commit then writes. So a new key is appended to the table `seen_tail`,
in the order of the log, and looked up in memory:

    take ─▶ tail (memory, and appended to seen_tail)
              │ 16,384 keys
              ▼
            closing ─▶ written to `seen` as one segment, sorted, a slice with each transaction
                          │
                          ▼
                       sealed: asked only where the filter says so

Sorted rows of a new segment are appended to the end of their table too, so nothing is ever
inserted in the middle. After a start the tail is read back; a segment that was half written is
written again under another number, and its keys are remembered twice, which does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from base.time import Micros
from events.id_filter import IdFilter
from events.seen import Earlier, Entry, id_hash
from events.tables import SeenRow, SeenTailRow
from events.tx import InsertSpec, Tx

SEGMENT_KEYS = 16_384
_SLICE = 256
_TAIL = InsertSpec(SeenTailRow, columns=("key", "position", "digest", "at"))
_SEGMENT = InsertSpec(SeenRow, columns=("segment", "key", "position", "digest", "at"))


@dataclass(slots=True)
class _Closing:
    """A full tail on its way into a segment."""

    segment: int
    known: dict[bytes, Entry]
    order: list[bytes]
    last: int
    """The newest position in it: up to there the tail's rows go when all is written."""
    written: int = 0
    """How many are in the segment for certain."""
    pending: int = 0
    """How many will be, if the open transaction is committed."""

    @property
    def done(self) -> bool:
        return self.written == len(self.order)


class SegmentedSeen:
    """Meets `Seen`. One writer, which tells it what became of each transaction."""

    def __init__(self, segments: Sequence[int] = (), tail: Iterable[Entry] = ()) -> None:
        """`segments` are those in the database, `tail` the rows of `seen_tail`."""
        self._filter = IdFilter(segments)
        self._newest = max(segments, default=-1)
        self._tail = {entry.key: entry for entry in tail}
        self._fresh: dict[bytes, Entry] = {}
        self._closing: _Closing | None = None
        self._doubtful = False
        """Nobody knows whether the last transaction was committed: the tail is read again."""

    async def take(self, tx: Tx, entries: Sequence[Entry]) -> dict[int, Earlier]:
        if self._doubtful:
            await self._read_tail(tx)
        duplicates: dict[int, Earlier] = {}
        fresh, rows = self._fresh, []
        recent = (self._tail, fresh, self._closing.known if self._closing else {})
        for index, entry in enumerate(entries):
            key = entry.key
            found = recent[0].get(key) or recent[1].get(key) or recent[2].get(key)
            if found is not None:
                duplicates[index] = Earlier(found.position, found.digest)
            elif (older := self._filter.candidates(key)) and (
                earlier := await _probe(tx, older, key)
            ):
                duplicates[index] = earlier
            else:
                fresh[key] = entry
                rows.append(entry)
        await tx.insert(_TAIL, rows)
        if self._closing is not None or len(self._tail) >= SEGMENT_KEYS:
            await self._seal(tx, max(_SLICE, 2 * len(rows)))
        return duplicates

    def settle(self, committed: bool | None) -> None:
        self._doubtful = self._doubtful or committed is None
        closing = self._closing
        if committed:
            self._tail |= self._fresh
            if closing is not None:
                closing.written += closing.pending
                if closing.done:
                    self._filter.open(closing.segment)
                    self._filter.complete(closing.segment)
                    self._closing = None
        if closing is not None:
            closing.pending = 0
        self._fresh.clear()

    def segments(self, id_: str) -> list[int]:
        return self._filter.candidates(id_hash(id_))

    def to_load(self) -> list[int]:
        """Segments whose keys the filter does not have yet, newest first."""
        return self._filter.incomplete()

    def load(self, segment: int, keys: Sequence[bytes]) -> None:
        """Give the filter some keys of an older segment."""
        self._filter.add(segment, keys)

    def loaded(self, segment: int) -> None:
        """All keys of this segment were given."""
        self._filter.complete(segment)

    async def expire(self, tx: Tx, cutoff: Micros, limit: int) -> int:
        """Remove at most `limit` keys of the oldest segment, if all of it is from before."""
        (oldest,) = (await tx.fetch("SELECT min(segment) FROM seen"))[0]
        if oldest is None or (self._closing and oldest == self._closing.segment):
            return 0
        newest_in_it = await tx.fetch("SELECT max(at) FROM seen WHERE segment = $1", oldest)
        if newest_in_it[0][0] >= cutoff:
            return 0
        removed = await tx.execute(
            'DELETE FROM seen WHERE segment = $1 AND "key" IN '
            '(SELECT "key" FROM seen WHERE segment = $1 LIMIT $2)',
            oldest,
            limit,
        )
        if not await tx.fetch("SELECT 1 FROM seen WHERE segment = $1 LIMIT 1", oldest):
            self._filter.drop(oldest)
        return removed

    async def _read_tail(self, tx: Tx) -> None:
        rows = await tx.fetch('SELECT "key", position, digest, at FROM seen_tail')
        if self._closing is not None:  # written again under another number, as after a start
            self._filter.open(self._closing.segment)
            self._closing = None
        self._tail = {row[0]: Entry(*row) for row in rows}
        self._doubtful = False

    async def _seal(self, tx: Tx, limit: int) -> None:
        """Write the next keys of the closing tail, at the end of which its rows are dropped."""
        closing = self._closing or self._close()
        start = closing.written + closing.pending
        keys = closing.order[start : start + limit]
        closing.pending += len(keys)
        self._filter.add(closing.segment, keys)
        rows = [(closing.segment, *closing.known[key]) for key in keys]
        await tx.insert(_SEGMENT, rows)
        if start + len(keys) == len(closing.order):
            await tx.execute("DELETE FROM seen_tail WHERE position <= $1", closing.last)

    def _close(self) -> _Closing:
        """Begin a new tail; the full one is sorted, to be written."""
        known, self._tail = self._tail, {}
        self._newest += 1
        last = max(entry.position for entry in known.values())
        self._closing = _Closing(self._newest, known, sorted(known), last)
        return self._closing


async def _probe(tx: Tx, segments: Sequence[int], key: bytes) -> Earlier | None:
    for segment in segments:
        rows = await tx.fetch(
            'SELECT position, digest FROM seen WHERE segment = $1 AND "key" = $2', segment, key
        )
        if rows:
            return Earlier(*rows[0])
    return None
