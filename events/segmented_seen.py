"""Deduplication on SQLite: a tail in memory, sealed into segments that are never written again.

Ids from outside are random, and random keys in an index dirty another page with every insert,
which is most of what a commit then writes. So new keys are appended to the table `seen_tail`,
one row for those of a transaction, and looked up in memory:

    take ─▶ tail (memory, and appended to seen_tail)
              │ 16,384 keys
              ▼
            closing ─▶ written to `seen_block` as one segment, a few blocks with each transaction
                          │
                          ▼
                       sealed: asked only where the filter says so

A segment is 64 blocks, one row each, of the keys that begin with the same six bits; keys are
hashes, so blocks are alike in size. A record is 36 bytes: the key, its position as eight bytes,
big-endian, and eight bytes that tell one body from another. Nothing is ever inserted in the
middle of a table. After a start the tail is read back; a segment that was half written is
written again under another number, and its keys are remembered twice, which does no harm.

A segment that the filter does not know has to be asked for every key. So with every 16 segments
the filter over them is written down, a part with each transaction, and read back at a start;
the few segments since are read by `SeenLoader`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.time import Micros
from events import log
from events.event import Event
from events.fingerprint import KEY_BYTES, id_hash
from events.id_filter import GROUP, PARTS, IdFilter
from events.seen import Earlier, Entry
from events.tables import SeenBlockRow, SeenFilterRow, SeenTailRow
from events.tx import InsertSpec, Tx
from events.type_index import TypeIndex

SEGMENT_KEYS = 16_384
BLOCKS = 64
"""In a segment; block `b` of segment `s` is row `64 s + b`."""
RECORD = KEY_BYTES + 16
_TAIL = InsertSpec(SeenTailRow, columns=("position", "at", "records"))
_BLOCK = InsertSpec(SeenBlockRow, columns=("id", "newest", "records"), conflict="nothing")
_FILTER = InsertSpec(SeenFilterRow, columns=("id", "bits"), conflict="update")
_SAVED_EVERY = 16
_NOTHING: Mapping[int, bytes] = {}


@dataclass(slots=True)
class _Closing:
    """A full tail on its way into a segment."""

    segment: int
    known: dict[bytes, bytes]
    blocks: list[list[bytes]]
    last: int
    """The newest position in it: up to there the tail's rows go when all is written."""
    newest: Micros
    written: int = 0
    """How many blocks are in the segment for certain."""
    pending: int = 0
    """How many will be, if the open transaction is committed."""


class SegmentedSeen:
    """Meets `Seen`. One writer, which tells it what became of each transaction."""

    def __init__(
        self,
        segments: Sequence[int] = (),
        tail: Iterable[tuple[int, Micros, bytes]] = (),
        parts: Mapping[int, bytes] = _NOTHING,
    ) -> None:
        """`segments` are those in the database, `tail` and `parts` what is in the other tables."""
        self._filter = IdFilter(segments)
        for group in {part // PARTS for part in parts}:
            first = group * PARTS
            known = {n: parts[first + n] for n in range(PARTS) if first + n in parts}
            self._filter.restore(group, known)
        self._unsaved: dict[int, None] = {}
        """Parts of the filter to be written down, in their order."""
        self._saving: int | None = None
        self._next = max(segments, default=-1) + 1
        self._tail: dict[bytes, bytes] = {}
        self._newest: Micros = 0
        self._fresh: dict[bytes, bytes] = {}
        self._closing: _Closing | None = None
        self._types = TypeIndex()
        self._doubtful = False
        """Nobody knows whether the last transaction was committed: the tail is read again."""
        self._read(tail)

    async def append(
        self, tx: Tx, entries: Sequence[Entry], events: Sequence[Event]
    ) -> dict[int, Earlier]:
        if self._doubtful:
            await self._read_again(tx)
        records = {
            key: key + position.to_bytes(8, "big") + digest for key, position, digest, _ in entries
        }
        known = await self._known(tx, records)
        duplicates: dict[int, Earlier] = {}
        placed = [(entry.position, event) for entry, event in zip(entries, events, strict=True)]
        if known or len(records) < len(entries):
            duplicates, records = _parted(entries, known)
            placed = [one for n, one in enumerate(placed) if n not in duplicates]
        if placed:
            # Of the last that is new: the place of a duplicate behind it is given out again.
            position, last = placed[-1]
            await tx.insert(_TAIL, [(position, last.received, b"".join(records.values()))])
        self._fresh |= records
        if self._closing is not None or len(self._tail) >= SEGMENT_KEYS:
            await self._seal(tx, 1 + len(records) * 2 * BLOCKS // SEGMENT_KEYS)
        elif self._unsaved:
            await self._save(tx)
        self._newest = max(self._newest, entries[-1].at)
        await self._types.append(tx, placed)
        await log.append(tx, placed)
        return duplicates

    async def _known(self, tx: Tx, keys: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """The records of those of the keys that were taken before."""
        found: dict[bytes, bytes] = {}
        for taken in (self._tail, self._fresh, self._closing.known if self._closing else {}):
            if not taken.keys().isdisjoint(keys):
                found |= {key: taken[key] for key in keys if key in taken}
        if older := self._filter.candidates(keys):
            names = [*keys]
            for index, segments in older.items():
                key = names[index]
                if key not in found and (record := await _probe(tx, segments, key)):
                    found[key] = record
        return found

    def settle(self, committed: bool | None) -> None:
        self._types.settle(committed)
        self._doubtful = self._doubtful or committed is None
        closing = self._closing
        if committed and self._saving is not None:
            self._unsaved.pop(self._saving, None)
        self._saving = None
        if committed:
            self._tail |= self._fresh
            if closing is not None:
                closing.written += closing.pending
                if closing.written == BLOCKS:
                    self._open(closing)
        if closing is not None:
            closing.pending = 0
        self._fresh.clear()

    async def positions(self, session: AsyncSession, id_: str) -> list[int]:
        start = id_hash(id_)
        closing = self._closing.known if self._closing else {}
        found = [r for known in (self._tail, closing) for k, r in known.items() if k[:12] == start]
        older = self._filter.candidates([start]).get(0, [])
        rows = [_row(segment, start) for segment in older]
        statement = select(SeenBlockRow.records).where(col(SeenBlockRow.id).in_(rows))
        for records in (await session.exec(statement)) if rows else ():
            found += [r for r in split(records) if r.startswith(start)]
        return [_earlier(record).position for record in found]

    def to_load(self) -> list[int]:
        """Segments whose keys the filter does not have yet, newest first."""
        return self._filter.incomplete()

    def load(self, segment: int, records: bytes) -> None:
        """Give the filter one block of an older segment."""
        self._filter.add(segment, split(records))

    def loaded(self, segment: int) -> None:
        """All blocks of this segment were given."""
        self._filter.complete(segment)
        if self._filter.whole(segment // GROUP):
            self._to_save(segment // GROUP)

    async def expire(self, tx: Tx, cutoff: Micros, limit: int) -> int:  # noqa: ARG002 - a segment is few rows
        """Remove the oldest segment if all of it is from before; how many rows that were."""
        oldest = await tx.fetch("SELECT id, newest FROM seen_block ORDER BY id LIMIT 1")
        if not oldest or oldest[0][1] >= cutoff:
            return 0
        segment = oldest[0][0] // BLOCKS
        if self._closing and segment == self._closing.segment:
            return 0
        removed = await tx.execute("DELETE FROM seen_block WHERE id < $1", (segment + 1) * BLOCKS)
        self._filter.drop(segment)
        # Numbers begin anew where nothing is left: what was known of the old ones must go first.
        left = await tx.fetch("SELECT min(id) FROM seen_block")
        kept = left[0][0] // BLOCKS // GROUP if left[0][0] is not None else segment // GROUP + 1
        await tx.execute("DELETE FROM seen_filter WHERE id < $1", kept * PARTS)
        return removed

    async def _seal(self, tx: Tx, count: int) -> None:
        """Write the next blocks of the closing tail; with the last its rows are dropped."""
        closing = self._closing or self._close()
        start = closing.written + closing.pending
        end = min(start + count, BLOCKS)
        first = closing.segment * BLOCKS
        blocks = closing.blocks[start:end]
        rows = [
            (first + start + n, closing.newest, b"".join(block)) for n, block in enumerate(blocks)
        ]
        await tx.insert(_BLOCK, rows)
        for block in blocks:
            self._filter.add(closing.segment, block)
        closing.pending += len(blocks)
        if end == BLOCKS and blocks:
            await tx.execute("DELETE FROM seen_tail WHERE position <= $1", closing.last)

    def _close(self) -> _Closing:
        """Begin a new tail; the full one is parted into blocks, to be written."""
        known, self._tail = self._tail, {}
        blocks: list[list[bytes]] = [[] for _ in range(BLOCKS)]
        for record in known.values():
            blocks[record[0] >> 2].append(record)
        last = _earlier(record).position  # they are in the order of the log
        self._closing = _Closing(self._next, known, blocks, last, self._newest)
        self._next += 1
        return self._closing

    def _open(self, closing: _Closing) -> None:
        """All of it is in the table: from now on it is found there."""
        self._filter.open(closing.segment)
        self._filter.complete(closing.segment)
        self._closing = None
        if closing.segment % _SAVED_EVERY == _SAVED_EVERY - 1:
            self._to_save(closing.segment // GROUP)

    def _to_save(self, group: int) -> None:
        self._unsaved |= dict.fromkeys(range(group * PARTS, (group + 1) * PARTS))

    async def _save(self, tx: Tx) -> None:
        """Write down the next part of the filter."""
        row = next(iter(self._unsaved))
        bits = self._filter.part(*divmod(row, PARTS))
        if bits is None:
            del self._unsaved[row]
            return
        await tx.insert(_FILTER, [(row, bits)])
        self._saving = row

    async def _read_again(self, tx: Tx) -> None:
        rows = await tx.fetch("SELECT position, at, records FROM seen_tail")
        if self._closing is not None:  # written again under another number, as after a start
            self._filter.open(self._closing.segment)
            self._closing = None
        self._tail = {}
        self._read(rows)
        self._doubtful = False

    def _read(self, rows: Iterable[tuple[int, Micros, bytes]]) -> None:
        for _, at, records in rows:
            self._tail |= {record[:KEY_BYTES]: record for record in split(records)}
            self._newest = max(self._newest, at)


def _parted(
    entries: Sequence[Entry], known: Mapping[bytes, bytes]
) -> tuple[dict[int, Earlier], dict[bytes, bytes]]:
    """The duplicates among the entries, by index; and the records of the others, by key."""
    duplicates: dict[int, Earlier] = {}
    records: dict[bytes, bytes] = {}
    for index, (key, position, digest, _) in enumerate(entries):
        if (found := known.get(key) or records.get(key)) is not None:
            duplicates[index] = _earlier(found)
        else:
            records[key] = key + position.to_bytes(8, "big") + digest
    return duplicates, records


def split(records: bytes) -> Iterator[bytes]:
    """The records of a row, one by one."""
    return (records[n : n + RECORD] for n in range(0, len(records), RECORD))


def _row(segment: int, key: bytes) -> int:
    return segment * BLOCKS + (key[0] >> 2)


def _earlier(record: bytes) -> Earlier:
    position = int.from_bytes(record[KEY_BYTES : KEY_BYTES + 8], "big")
    return Earlier(position, record[KEY_BYTES + 8 :])


async def _probe(tx: Tx, segments: Sequence[int], key: bytes) -> bytes | None:
    """The record of a key, if one of these segments has it."""
    for segment in segments:
        rows = await tx.fetch("SELECT records FROM seen_block WHERE id = $1", _row(segment, key))
        for (records,) in rows:
            start = records.find(key)
            while start >= 0:
                if start % RECORD == 0:
                    return bytes(records[start : start + RECORD])
                start = records.find(key, start + 1)
    return None
