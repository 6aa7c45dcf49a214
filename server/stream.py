"""The live stream: everyone who follows reads one shared tail of the log.

The tail keeps the newest events in memory, bounded by their number and size. A reader is a
position and nothing more: one that is within the tail is served from it, one that is further
behind (it has just come back, or it reads slowly) is served from the log until it has caught
up. So no reader has a queue that could grow, and the hand-over has no gap, because both sides
go by position.

On SQLite every commit is this process's own, so the tail is fed by the journal. On PostgreSQL
other replicas commit too: a commit of our own only wakes, and the tail is read from the log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import takewhile
from typing import Final

from base.database import Database
from base.services import Service
from events.event import Stored
from events.journal import Journal
from events.log import Query, find, last_position

TAIL_EVENTS: Final = 4_096
TAIL_BYTES: Final = 16 << 20
_POLL: Final = 0.5
_PAGE: Final = 100


class LiveStream(Service):
    """Ready when it knows where the log ends."""

    def __init__(self, journal: Journal, database: Database) -> None:
        super().__init__("stream")
        self._database = database
        self._journal = journal
        self._alone = database.address.dialect == "sqlite"
        self._unsubscribe: Callable[[], None] | None = None
        self._tail: deque[Stored] = deque()
        self._bytes = 0
        self._floor = 0
        """The tail has all events behind this position, up to `_last`."""
        self._last = 0
        self._changed = asyncio.Event()
        self.readers = 0

    async def open(self) -> None:
        self._unsubscribe = self._journal.subscribe(self._committed)
        async with self._database.reader() as session:
            position = await last_position(session)
        self._last = max(self._last, position)
        self._floor = max(self._floor, position)

    async def run(self) -> None:
        while not self.stopping.is_set():
            await self.pause(_POLL)
            if not self._alone and self.readers and not self.stopping.is_set():
                await self._follow()

    async def close(self) -> None:
        if self._unsubscribe:
            self._unsubscribe()
        self.end()

    def end(self) -> None:
        """Readers are told that nothing more comes."""
        self.stopping.set()
        self._changed.set()

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[int]:
        """Follow: within this block the tail is kept. Gives the position of the newest event."""
        if not self._alone and not self.readers:
            async with self._database.reader() as session:
                self._skip(await last_position(session))
        self.readers += 1
        try:
            yield self._last
        finally:
            self.readers -= 1

    async def after(self, query: Query, position: int) -> tuple[list[Stored], int]:
        """What follows a position, and the position from which to go on: at once, maybe nothing.

        What comes out of the tail is not filtered; what comes out of the log matches `query`.
        """
        if position >= self._floor:
            page = self._behind(position)[:_PAGE]
            return page, page[-1].position if page else position
        async with self._database.reader() as session:
            end = await last_position(session)
            paged = replace(query, after=position, order="asc", limit=_PAGE)
            found = await find(session, paged)
        # What was committed between the two reads is in `found`, and must not come again.
        reached = found[-1].position if found else position
        return found, reached if len(found) == _PAGE else max(end, reached)

    async def wait(self, seconds: float) -> bool:
        """Until something happened, or this long. False once the stream has ended."""
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            pass
        return not self.stopping.is_set()

    def _behind(self, position: int) -> list[Stored]:
        """What the tail has behind this position, found from its new end."""
        behind = list(takewhile(lambda one: one.position > position, reversed(self._tail)))
        behind.reverse()
        return behind

    def _committed(self, stored: Sequence[Stored]) -> None:
        if not self._alone:
            self.wake()
        elif self.readers:
            self._feed(stored)
        else:
            self._skip(stored[-1].position)

    def _feed(self, stored: Sequence[Stored]) -> None:
        self._tail.extend(stored)
        self._bytes += sum(one.event.size for one in stored)
        self._last = stored[-1].position
        while len(self._tail) > TAIL_EVENTS or (self._bytes > TAIL_BYTES and self._tail):
            oldest = self._tail.popleft()
            self._bytes -= oldest.event.size
            self._floor = oldest.position
        self._notify()

    def _skip(self, position: int) -> None:
        """Nobody follows: nothing is kept."""
        self._tail.clear()
        self._bytes = 0
        self._floor = self._last = position

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _follow(self) -> None:
        """Read what all replicas wrote since."""
        while self.readers:
            async with self._database.reader() as session:
                page = await find(session, Query(order="asc", after=self._last, limit=_PAGE))
            if page:
                self._feed(page)
            if len(page) < _PAGE:
                return
