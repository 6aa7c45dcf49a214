"""How many runs are under way and how many workers are online: for the metrics."""

from __future__ import annotations

from collections import Counter

from sqlmodel.ext.asyncio.session import AsyncSession

from base.figures import Count
from base.metrics import Metrics
from engine import queries


def count_runs(metrics: Metrics) -> Count:
    """Sets the gauges of runs and workers; a state or pool that nobody is in is left out."""

    async def count(session: AsyncSession) -> None:
        states = await queries.counts(session)
        workers = await queries.workers(session)
        pools = Counter(worker.pool for worker in workers if worker.state == "online")
        metrics.runs_active.clear()
        for state, runs in states.items():
            metrics.runs_active.labels(state).set(runs)
        metrics.workers_online.clear()
        for pool, online in pools.items():
            metrics.workers_online.labels(pool).set(online)

    return count
