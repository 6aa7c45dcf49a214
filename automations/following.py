"""Rules that another server changed come into force here too, also while nothing happens here.

A server that writes takes them over with its next transaction, before it evaluates anything (see
`events.epoch`). One that has nothing to write asks every second whether there is news, and then
writes nothing: that is a transaction too. So its timers are those of the rules as they are, should
the server that changed them be gone.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from base.database import Database
from base.errors import UnavailableError
from base.logs import logger
from base.services import Service
from events import epoch
from events.change import Change, Lane
from events.journal import Journal
from triggers.evaluator import TriggerEvaluator

log = logger("following")

_LOOK_EVERY: Final = 1.0


class RuleFollowing(Service):
    """For servers that share a database. Start it after the journal."""

    def __init__(self, database: Database, journal: Journal, evaluator: TriggerEvaluator) -> None:
        super().__init__("following")
        self._database = database
        self._journal = journal
        self._evaluator = evaluator

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                await self.look()
            except (UnavailableError, SQLAlchemyError, OSError) as error:
                log.warning("rules_not_looked_at", reason=str(error))
            await self.pause(_LOOK_EVERY)

    async def look(self) -> None:
        """Take over what is new."""
        async with self._database.reader() as session:
            newest = await epoch.current(session)
        if newest != self._evaluator.followed:
            await self._journal.submit(Change(lane=Lane.SERVICE))
