"""The memory of deduplication: which `(source, id)` were taken, and where they are in the log.

An event is known again by the key and the digest of `fingerprint.py`.

PostgreSQL keeps its own cache of pages in order and has one plain table; for SQLite see
`segmented_seen.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.time import Micros
from events import log
from events.event import Event
from events.fingerprint import ID_BYTES, KEY_BYTES, fingerprint, id_hash
from events.tables import SeenRow
from events.tx import BULK, InsertSpec, Tx

_SEEN: Final = InsertSpec(SeenRow, ("key", "position", "digest", "at"), conflict="nothing")
_COLUMNS: Final = log.APPEND.columns
_APPEND: Final = f"""
WITH taken AS ({_SEEN.postgres} RETURNING 1)
INSERT INTO event ({", ".join(_COLUMNS)})
{log.APPEND.unnested(_COLUMNS, first=1 + len(_SEEN.columns))}
WHERE (SELECT count(*) FROM taken) = cardinality($1)
"""
"""Remembers all that are new, and writes the events if all are: one round trip instead of two."""


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
            mark = event.fingerprint or fingerprint(event)
            entry = mark[:KEY_BYTES], position, mark[KEY_BYTES:], event.received
            made.append(new(cls, entry))
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
        numbered = [(e.position, event) for e, event in zip(entries, events, strict=True)]
        if len(entries) >= BULK:
            remembering = asyncio.create_task(tx.insert(_SEEN, entries))
            await asyncio.sleep(0)  # it is under way: meanwhile there is time for the rows
            written = log.rows(numbered)
            if await remembering == len(entries):
                await tx.insert_soon(*written)
                return {}
        elif await self._append_few(tx, entries, numbered):
            return {}
        duplicates = await self._duplicates(tx, entries)
        await log.append(tx, [one for n, one in enumerate(numbered) if n not in duplicates])
        return duplicates

    async def _append_few(
        self, tx: Tx, entries: Sequence[Entry], events: Sequence[tuple[int, Event]]
    ) -> bool:
        rows = [(*entry, *log.row(*one)) for entry, one in zip(entries, events, strict=True)]
        columns = map(list, zip(*rows, strict=True))
        return await tx.execute(_APPEND, *columns, joins=True) == len(entries)

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
        high = low + b"\xff" * (KEY_BYTES - ID_BYTES)
        key = col(SeenRow.key)
        return list(await session.exec(select(SeenRow.position).where(key >= low, key <= high)))
