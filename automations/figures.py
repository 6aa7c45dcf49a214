"""How many rules there are of each status, and how many actions wait: for the metrics."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from automations import queries
from base.database import Database
from base.logs import logger
from base.metrics import Metrics
from base.services import Service

log = logger("figures")

_EVERY = 15.0


class Figures(Service):
    """Counts in the database every few seconds, since replicas share what they count."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        super().__init__("figures")
        self._database = database
        self._metrics = metrics

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                await self.count()
            except (SQLAlchemyError, OSError) as error:
                log.warning("figures_not_counted", reason=str(error))
            await self.pause(_EVERY)

    async def count(self) -> None:
        """Bring the gauges up to date."""
        async with self._database.reader() as session:
            statuses = await queries.statuses(session)
            outbox = await queries.outbox(session)
        for status, count in statuses.items():
            self._metrics.rules.labels(status).set(count)
        self._metrics.outbox_waiting.set(outbox.waiting)
        self._metrics.outbox_dead.set(outbox.dead)
