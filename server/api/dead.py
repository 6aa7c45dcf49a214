"""Dead actions: those that were given up, and trying them again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web

from automations import queries
from automations.queries import RecordedAction
from base.database import Database
from base.errors import ConflictError, NotFoundError
from server import parameter
from server.api.automations import shown_action
from server.cursor import seal, unseal
from server.route import Call, Route, reply

_LIST: Final = "dead"

Replay = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Send dead actions again; answers with the ids of those that were dead."""


class DeadApi:
    def __init__(self, database: Database, replay: Replay, *, page: int) -> None:
        self._database = database
        self._replay = replay
        self._paging = (parameter.limit(page), parameter.CURSOR)

    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/api/dead",
                self.browse,
                "Actions that were given up, those of the newest firings first.",
                query=self._paging,
                answer="ActionList",
                errors=(400, 422),
            ),
            Route(
                "POST",
                "/api/dead/{id}/replay",
                self.replay,
                "Try an action again that was given up, from its first attempt.",
                status=202,
                answer="Action",
                errors=(403, 404, 409, 503),
            ),
        ]

    async def browse(self, call: Call) -> web.Response:
        limit, after = call.query.get("limit", 100), None
        if cursor := call.query.get("cursor"):
            (after,) = unseal(_LIST, cursor, (str,))
        async with self._database.reader() as session:
            found = await queries.dead(session, after=after, limit=limit)
        following = seal(_LIST, found[-1].id) if len(found) == limit else None
        return reply({"items": [shown_action(one) for one in found], "next": following})

    async def replay(self, call: Call) -> web.Response:
        id_ = call.values["id"]
        replayed = await self._replay([id_])
        action = await self._action(id_)
        if not replayed:
            raise ConflictError(
                f"this action was not given up: it is {action.status}", code="action_not_dead"
            )
        return reply(shown_action(action), 202)

    async def _action(self, id_: str) -> RecordedAction:
        async with self._database.reader() as session:
            found = await queries.action(session, id_)
        if found is None:
            raise NotFoundError(f"there is no action {id_[:100]!r}", code="action_unknown")
        return found
