"""Workers: the processes that run flows, and what they are doing."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from base.database import Database
from base.time import to_rfc3339
from engine import queries
from engine.queries import KnownWorker
from server.route import Call, Route, reply


class WorkersApi:
    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/api/workers",
                self.browse,
                "The workers, those online first, and how many runs each has.",
                answer="WorkerList",
            )
        ]

    async def browse(self, _: Call) -> web.Response:
        async with self._database.reader() as session:
            found = await queries.workers(session)
        return reply({"items": [_shown(one) for one in found], "next": None})


def _shown(one: KnownWorker) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state,
        "host": one.host,
        "pid": one.pid,
        "pool": one.pool,
        "slots": one.slots,
        "active": one.active,
        "started": to_rfc3339(one.started),
        "seen": to_rfc3339(one.seen),
    }
