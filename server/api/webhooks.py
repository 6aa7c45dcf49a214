"""Webhooks as the operator sees them: the hooks, and what was delivered to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from base.database import Database
from base.time import to_rfc3339
from events.webhooks import deliveries
from events.webhooks.deliveries import DeliveryRecord
from server import parameter
from server.cursor import seal, unseal
from server.hooks import Hooks
from server.route import Call, Route, reply

_LIST: Final = "deliveries"


class WebhooksApi:
    def __init__(
        self, hooks: Hooks, database: Database, url: Callable[[], str], *, page: int
    ) -> None:
        """`url` is where this server is reached."""
        self._hooks = hooks
        self._database = database
        self._url = url
        self._page = page

    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/api/webhooks",
                self.browse,
                "The hooks of this project, and what is wrong with their definitions.",
                answer="WebhookList",
            ),
            Route(
                "GET",
                "/api/webhooks/{name}/deliveries",
                self.deliveries,
                "What was delivered to a hook, newest first; proofs are taken out.",
                query=(parameter.limit(self._page), parameter.CURSOR),
                answer="DeliveryList",
                errors=(400, 404, 410, 422, 503),
            ),
        ]

    async def browse(self, _: Call) -> web.Response:
        items = []
        async with self._database.reader() as session:
            for name, hook in sorted(self._hooks.hooks.items()):
                counted = await deliveries.figures(session, name)
                items.append(
                    {
                        "name": name,
                        "description": hook.description,
                        "url": f"{self._url()}/hooks/{name}",
                        "scheme": hook.scheme.name,
                        "last_delivery": to_rfc3339(counted.last) if counted.last else None,
                        "accepted": counted.accepted,
                        "duplicate": counted.duplicate,
                        "rejected": counted.rejected,
                    }
                )
        problems = [
            {
                "hook": one.hook,
                "file": one.file,
                "line": one.line,
                "column": one.column,
                "code": one.code,
                "message": one.message,
                "hint": one.hint,
            }
            for one in self._hooks.problems
        ]
        return reply({"items": items, "next": None, "problems": problems})

    async def deliveries(self, call: Call) -> web.Response:
        name = call.values["name"]
        limit = call.query.get("limit", 100)
        before = None
        if cursor := call.query.get("cursor"):
            (before,) = unseal(_LIST, cursor, (str,))
        async with self._database.reader() as session:
            found = await deliveries.find(session, name, before=before, limit=limit)
        if not found and before is None:
            self._hooks.find(name)
        following = seal(_LIST, found[-1].id) if len(found) == limit else None
        return reply({"items": [_shown(one) for one in found], "next": following})


def _shown(one: DeliveryRecord) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": to_rfc3339(one.at),
        "status": one.status,
        "code": one.code,
        "message": one.message,
        "event_id": one.event,
        "remote": one.remote,
        "headers": one.headers,
        "size": one.size,
    }
