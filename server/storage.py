"""The journal as a service, and others as they take part in the whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from automations.dispatcher import Dispatcher
from base.services import GRACE, Service
from events.journal import Journal
from events.writer import Writer

_BRIEFLY: Final = timedelta(seconds=4)


class Storage(Service):
    """Ready when the journal's connection is open; a stop commits what waits."""

    def __init__(self, journal: Journal, writer: Writer) -> None:
        super().__init__("journal")
        self._journal = journal
        self._writer = writer

    async def open(self) -> None:
        await self._writer.open()

    async def run(self) -> None:
        await self._journal.run()

    async def stop(self, within: timedelta = GRACE) -> None:
        self._journal.drain()
        await super().stop(within)

    async def close(self) -> None:
        await self._writer.close()


class Outgoing(Dispatcher):
    """The dispatcher, which leaves the rest of the time for stopping to the runs.

    What it was sending then is sent again after the next start.
    """

    async def stop(self, within: timedelta = GRACE) -> None:
        await super().stop(min(within, _BRIEFLY))


class Background(Service):
    """Work that goes on beside everything else and is broken off at a stop without harm."""

    def __init__(self, name: str, *work: Callable[[], Awaitable[None]]) -> None:
        super().__init__(name)
        self._work = work

    async def open(self) -> None:
        for number, work in enumerate(self._work):
            self.spawn(_awaited(work), f"{self.name}-{number}")


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
