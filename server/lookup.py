"""Finding events of the log: one by its id, a chain, or a page of those that match."""

from __future__ import annotations

from base.database import Database
from base.errors import NotFoundError
from events import log
from events.event import Stored
from events.seen import Seen


class Lookup:
    def __init__(self, database: Database, seen: Seen) -> None:
        self._database = database
        self._seen = seen

    async def event(self, id_: str) -> Stored:
        """Raises NotFoundError."""
        async with self._database.reader() as session:
            stored = await log.by_id(session, self._seen, id_) if id_ else None
        if stored is None:
            raise NotFoundError(f"there is no event {id_[:100]!r}", code="event_unknown")
        return stored

    async def page(self, query: log.Query) -> list[Stored]:
        """One page of the log."""
        async with self._database.reader() as session:
            return await log.find(session, query, self._seen)

    async def chain(self, id_: str) -> list[Stored]:
        """The chain that an event belongs to, from its first event, in the order of the log."""
        stored = await self.event(id_)
        async with self._database.reader() as session:
            found = await log.chain(session, self._seen, stored.event.correlationid)
        known = {one.position for one in found}
        return found if stored.position in known else [stored, *found]
