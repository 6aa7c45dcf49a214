"""How many runs are under way and how many workers are online: for the metrics."""

from __future__ import annotations

from collections import Counter

from sqlalchemy.exc import SQLAlchemyError

from base.database import Database
from base.logs import logger
from base.metrics import Metrics
from base.services import Service
from engine import queries

log = logger("figures")

_EVERY = 15.0


class RunFigures(Service):
    """Counts in the database every few seconds, since replicas share what they count."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        super().__init__("run figures")
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
        """Bring the gauges up to date; a state or pool that nobody is in any more is left out."""
        async with self._database.reader() as session:
            states = await queries.counts(session)
            workers = await queries.workers(session)
        pools = Counter(worker.pool for worker in workers if worker.state == "online")
        self._metrics.runs_active.clear()
        for state, count in states.items():
            self._metrics.runs_active.labels(state).set(count)
        self._metrics.workers_online.clear()
        for pool, count in pools.items():
            self._metrics.workers_online.labels(pool).set(count)
