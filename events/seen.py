"""The memory of deduplication: which `(source, id)` were taken, and where they are in the log.

A key is 12 bytes of the id's hash, then 8 of the source's: exact enough never to meet by
chance, and all events of one id are neighbours, which is how an event is found by its id.

PostgreSQL keeps its own cache of pages in order and has one plain table; for SQLite see
`segmented_seen.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.time import Micros
from events import log
from events.event import Event
from events.tables import SeenRow
from events.tx import InsertSpec, Tx

_ID_BYTES = 12
_ID: Final = blake2b(digest_size=_ID_BYTES)
KEY_BYTES = _ID_BYTES + 8
_SEEN: Final = InsertSpec(SeenRow, ("key", "position", "digest", "at"), conflict="nothing")
_REST: Final = log.APPEND.columns[1:]
_APPEND: Final = f"""
WITH taken AS ({_SEEN.postgres} RETURNING position)
INSERT INTO event (position, {", ".join(_REST)})
SELECT * FROM unnest($2::bigint[], {log.APPEND.arrays(_REST, first=5)}) AS e (position)
WHERE e.position IN (SELECT position FROM taken)
"""
"""One way to the server and back instead of two."""


@lru_cache(maxsize=4096)
def _source_hash(source: str) -> bytes:
    return blake2b(source.encode(), digest_size=8).digest()


@lru_cache(maxsize=1024)
def _body_of(type_: str) -> Any:
    """The hash of a body before there is any. To copy one is quicker than to make one."""
    return blake2b(digest_size=8, person=type_.encode()[:16])


def id_hash(id_: str) -> bytes:
    """The first part of the keys of all events with this id."""
    hashed = _ID.copy()
    hashed.update(id_.encode())
    return hashed.digest()


class Entry(NamedTuple):
    """One event asking to be taken at a position."""

    key: bytes
    position: int
    digest: bytes
    at: Micros

    @classmethod
    def of(cls, events: Sequence[Event], first: int) -> list[Entry]:
        """An entry for each, at `first` and the positions behind it."""
        made, new = [], tuple.__new__  # a third of what calling the class takes
        for position, event in enumerate(events, first):
            id_ = _ID.copy()
            id_.update(event.id.encode())
            body = _body_of(event.type).copy()
            body.update(event.encoded)
            key = id_.digest() + _source_hash(event.source)
            made.append(new(cls, (key, position, body.digest(), event.received)))
        return made


class Earlier(NamedTuple):
    """The event that had the id first."""

    position: int
    digest: bytes


class Seen(Protocol):
    """What the journal asks of deduplication."""

    async def append(
        self, tx: Tx, entries: Sequence[Entry], events: Sequence[Event]
    ) -> dict[int, Earlier]:
        """Remember the entries, and write those of their events to the log that are new.

        Both belong to the transaction. Returns the duplicates by their index; of two entries
        with one key the first is new and the second is a duplicate.
        """
        ...

    def settle(self, committed: bool | None) -> None:
        """What became of the transaction in which entries were taken; None: nobody knows."""
        ...

    async def positions(self, session: AsyncSession, id_: str) -> list[int]:
        """Where in the log the events of this id are, whatever their source."""
        ...


class PlainSeen:
    """One table and one index: for PostgreSQL."""

    async def append(
        self, tx: Tx, entries: Sequence[Entry], events: Sequence[Event]
    ) -> dict[int, Earlier]:
        rows = [
            (*entry, *log.row(entry.position, event)[1:])
            for entry, event in zip(entries, events, strict=True)
        ]
        if await tx.execute(_APPEND, *map(list, zip(*rows, strict=True))) == len(entries):
            return {}
        return await self._duplicates(tx, entries)

    async def _duplicates(self, tx: Tx, entries: Sequence[Entry]) -> dict[int, Earlier]:
        found = {}
        rows = await tx.fetch(
            f'SELECT "key", position, digest FROM seen WHERE "key" {tx.any(1, "bytea")}',
            [entry.key for entry in entries],
        )
        known = {bytes(key): Earlier(position, bytes(digest)) for key, position, digest in rows}
        for index, entry in enumerate(entries):
            # Not the one remembered under its key: told by position.
            if (earlier := known[entry.key]).position != entry.position:
                found[index] = earlier
        return found

    def settle(self, committed: bool | None) -> None:
        """Nothing is kept in memory."""

    async def positions(self, session: AsyncSession, id_: str) -> list[int]:
        low = id_hash(id_)
        # All keys that begin with the hash: none of them is above it with ones behind.
        high = low + b"\xff" * (KEY_BYTES - _ID_BYTES)
        key = col(SeenRow.key)
        return list(await session.exec(select(SeenRow.position).where(key >= low, key <= high)))
