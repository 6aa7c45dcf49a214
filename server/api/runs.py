"""Runs: which there are, what they said and did, and what people do to them."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from base.database import Database
from base.errors import NotFoundError
from base.time import SECOND, Micros, to_rfc3339
from engine import queries
from engine.control import Control
from engine.log_lines import LogLine, attempt_of
from engine.queries import KnownRun, KnownTask, RunFilter
from engine.run import RunState
from server import parameter
from server.cursor import seal, unseal
from server.route import Call, Route, reply

_RUNS: Final = "runs"
_LINES: Final = "lines"
_TASKS: Final = "tasks"
_LAST: Final = (1 << 63) - 1

_AFTER: Final = parameter.integer("after", "Only what came behind this `seq`.", 0, _LAST)
_FILTER: Final = (
    parameter.choice("state", "Only in this state.", *RunState),
    parameter.text("flow", "Only of this flow."),
    parameter.text("automation", "Only those that this rule started."),
)


class RunsApi:
    def __init__(self, database: Database, control: Control, *, page: int) -> None:
        self._database = database
        self._control = control
        self._limit = parameter.limit(page)

    def routes(self) -> list[Route]:
        one = "/api/runs/{id}"
        return [
            Route(
                "GET",
                "/api/runs",
                self.browse,
                "Runs, newest first.",
                query=(*_FILTER, self._limit, parameter.CURSOR),
                answer="RunList",
                errors=(400, 422),
            ),
            Route("GET", one, self.show, "One run.", answer="Run", errors=(404,)),
            Route(
                "GET",
                one + "/logs",
                self.logs,
                "What a run said, in its order. `after` the last `seq` of a page follows it live.",
                query=(_AFTER, self._limit, parameter.CURSOR),
                answer="LogList",
                errors=(400, 404, 422),
            ),
            Route(
                "GET",
                one + "/tasks",
                self.tasks,
                "The tasks of a run, in the order in which they began.",
                query=(self._limit, parameter.CURSOR),
                answer="TaskRunList",
                errors=(400, 404, 422),
            ),
            Route(
                "POST",
                one + "/cancel",
                self.cancel,
                "Cancel a run: what waits ends at once, what runs is asked to, and then made to.",
                answer="Run",
                errors=(403, 404, 409, 503),
            ),
            Route(
                "POST",
                one + "/retry",
                self.retry,
                "Do a run again that has ended: the same run, a new attempt.",
                answer="Run",
                errors=(403, 404, 409, 503),
            ),
        ]

    async def browse(self, call: Call) -> web.Response:
        given = call.query
        limit, after = given.get("limit", 100), None
        if cursor := given.get("cursor"):
            (after,) = unseal(_RUNS, cursor, (str,))
        wanted = RunFilter(
            flow=given.get("flow"),
            states=(given["state"],) if "state" in given else (),
            automation=given.get("automation"),
        )
        async with self._database.reader() as session:
            found = await queries.runs(session, wanted, after=after, limit=limit)
        following = seal(_RUNS, found[-1].id) if len(found) == limit else None
        return reply({"items": [shown_run(one) for one in found], "next": following})

    async def show(self, call: Call) -> web.Response:
        return await self._answer(call)

    async def logs(self, call: Call) -> web.Response:
        limit, after = call.query.get("limit", 100), call.query.get("after", 0)
        if cursor := call.query.get("cursor"):
            (after,) = unseal(_LINES, cursor, (int,))
        run = call.values["id"]
        async with self._database.reader() as session:
            found = await queries.logs(session, run, after=after, limit=limit)
        if not found:
            await known_run(self._database, run)
        following = seal(_LINES, found[-1].seq) if len(found) == limit else None
        return reply({"items": [_line(one) for one in found], "next": following})

    async def tasks(self, call: Call) -> web.Response:
        limit, after = call.query.get("limit", 100), None
        if cursor := call.query.get("cursor"):
            began, id_ = unseal(_TASKS, cursor, (int, str))
            after = (began, id_)
        run = call.values["id"]
        async with self._database.reader() as session:
            found = await queries.tasks(session, run, after=after, limit=limit)
        if not found:
            await known_run(self._database, run)
        following = seal(_TASKS, found[-1].started, found[-1].id) if len(found) == limit else None
        return reply({"items": [_task(one) for one in found], "next": following})

    async def cancel(self, call: Call) -> web.Response:
        await self._control.cancel(call.values["id"])
        return await self._answer(call)

    async def retry(self, call: Call) -> web.Response:
        await self._control.retry(call.values["id"])
        return await self._answer(call)

    async def _answer(self, call: Call) -> web.Response:
        return reply(shown_run(await known_run(self._database, call.values["id"])))


async def known_run(database: Database, id_: str) -> KnownRun:
    """Raises NotFoundError."""
    async with database.reader() as session:
        found = await queries.run(session, id_)
    if found is None:
        raise NotFoundError(f"there is no run {id_[:100]!r}", code="run_unknown")
    return found


def shown_run(one: KnownRun) -> dict[str, Any]:
    return {
        "id": one.id,
        "flow": one.flow,
        "state": one.state,
        "attempt": one.attempt,
        "parameters": one.parameters,
        "tags": one.tags,
        "pool": one.pool,
        "automation": one.automation,
        "created": to_rfc3339(one.scheduled),
        "due": to_rfc3339(one.due),
        "started": _time(one.started),
        "ended": _time(one.ended),
        "duration": one.duration,
        "message": one.message,
        "code": one.code,
        "result": one.result,
        "correlationid": one.correlationid,
    }


def _line(one: LogLine) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "attempt": attempt_of(one.seq),
        "at": to_rfc3339(one.time),
        "level": one.level,
        "logger": one.logger,
        "message": one.message,
        "task_run_id": one.task,
    }


def _task(one: KnownTask) -> dict[str, Any]:
    took = None if one.ended is None else max(one.ended - one.started, 0) / SECOND
    return {
        "id": one.id,
        "name": one.name,
        "key": one.key,
        "state": one.state,
        "attempt": one.attempt,
        "started": to_rfc3339(one.started),
        "ended": _time(one.ended),
        "duration": took,
        "message": one.message,
    }


def _time(at: Micros | None) -> str | None:
    return None if at is None else to_rfc3339(at)
