"""How many rules there are of each status, and how many actions wait: for the metrics."""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from automations import queries
from base.figures import Count
from base.metrics import Metrics


def count_rules(metrics: Metrics) -> Count:
    """Sets the gauges of rules and of the outbox."""

    async def count(session: AsyncSession) -> None:
        for status, rules in (await queries.statuses(session)).items():
            metrics.rules.labels(status).set(rules)
        outbox = await queries.outbox(session)
        metrics.outbox_waiting.set(outbox.waiting)
        metrics.outbox_dead.set(outbox.dead)

    return count
