"""Flows: what can be run, and running it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field

from base.database import Database
from base.errors import NotFoundError, UnprocessableError
from base.suggest import hint
from base.time import Micros, parse_duration, to_rfc3339
from engine import queries
from engine.control import Control, Wish
from engine.queries import FlowProblem, KnownFlow
from server import parameter
from server.api.runs import known_run, shown_run
from server.cursor import seal, unseal
from server.route import Call, Form, Route, reply

_FLOWS: Final = "flows"
_LONGEST_DELAY: Final[Micros] = 366 * 86_400 * 1_000_000
_SUGGESTED: Final = 1_000
"""So many names are looked at for the one that was meant."""

_Tag = Annotated[str, Field(min_length=1, max_length=200)]


class RunForm(Form):
    """A run of a flow. The same `idempotency_key` starts one run only, and answers with it."""

    parameters: dict[str, Any] = Field(default_factory=dict)
    tags: list[_Tag] = Field(default_factory=list, max_length=100)
    delay: str | None = None
    """How long to wait before it starts, such as `10m`."""
    idempotency_key: Annotated[str, Field(min_length=1, max_length=255)] | None = None


class FlowsApi:
    def __init__(self, database: Database, control: Control, *, page: int) -> None:
        self._database = database
        self._control = control
        self._paging = (parameter.limit(page), parameter.CURSOR)

    def routes(self) -> list[Route]:
        one = "/api/flows/{name}"
        return [
            Route(
                "GET",
                "/api/flows",
                self.browse,
                "The flows, by name, and what is wrong with their files.",
                query=self._paging,
                answer="FlowList",
                errors=(400, 422),
            ),
            Route(
                "GET",
                one,
                self.show,
                "One flow, spelled with hyphens or underscores.",
                answer="Flow",
                errors=(404,),
            ),
            Route(
                "POST",
                one + "/pause",
                self.pause,
                "Let no further run of a flow start until it is resumed.",
                answer="Flow",
                errors=(403, 404, 503),
            ),
            Route(
                "POST",
                one + "/resume",
                self.resume,
                "Let the runs of a paused flow start again.",
                answer="Flow",
                errors=(403, 404, 503),
            ),
            Route(
                "POST",
                one + "/runs",
                self.run,
                "Run a flow.",
                body=RunForm,
                status=201,
                answer="Run",
                errors=(400, 403, 404, 415, 422, 503),
            ),
        ]

    async def browse(self, call: Call) -> web.Response:
        limit, after = call.query.get("limit", 100), None
        if cursor := call.query.get("cursor"):
            (after,) = unseal(_FLOWS, cursor, (str,))
        async with self._database.reader() as session:
            found = await queries.flows(session, after=after, limit=limit)
            problems = await queries.flow_problems(session)
        following = seal(_FLOWS, found[-1].name) if len(found) == limit else None
        return reply(
            {
                "items": [_shown(one) for one in found],
                "next": following,
                "problems": [_problem(one) for one in problems],
            }
        )

    async def show(self, call: Call) -> web.Response:
        return reply(_shown(await self._flow(call)))

    async def pause(self, call: Call) -> web.Response:
        await self._control.pause_flow((await self._flow(call)).name)
        return reply(_shown(await self._flow(call)))

    async def resume(self, call: Call) -> web.Response:
        await self._control.resume_flow((await self._flow(call)).name)
        return reply(_shown(await self._flow(call)))

    async def run(self, call: Call) -> web.Response:
        form = await call.form(RunForm)
        flow = await self._flow(call)
        wish = Wish(
            flow.name,
            form.parameters,
            tags=tuple(form.tags),
            due_in=_delay(form.delay),
            idempotency_key=form.idempotency_key,
        )
        started = await self._control.start(wish)
        return reply(shown_run(await known_run(self._database, started)), 201)

    async def _flow(self, call: Call) -> KnownFlow:
        name = call.values["name"]
        async with self._database.reader() as session:
            found = await queries.flow(session, name)
            if found:
                return found
            known = [one.name for one in await queries.flows(session, limit=_SUGGESTED)]
        raise NotFoundError(
            f"there is no flow {name[:100]!r}",
            code="flow_unknown",
            hint=hint(name.replace("_", "-"), known),
        )


def _delay(given: str | None) -> Micros:
    if given is None:
        return 0
    try:
        delay = parse_duration(given)
    except ValueError as error:
        raise UnprocessableError(str(error), code="field_invalid", place="$.delay") from None
    if delay > _LONGEST_DELAY:
        raise UnprocessableError(
            "a run can be put off by a year at most", code="field_invalid", place="$.delay"
        )
    return delay


def _shown(one: KnownFlow) -> dict[str, Any]:
    return {
        "name": one.name,
        "description": one.description,
        "status": "broken" if one.problem else "paused" if one.paused else "active",
        "paused": one.paused,
        "problem": one.problem,
        "file": one.file,
        "function": one.function,
        "entrypoint": f"{one.file}:{one.function}",
        "parameters": one.parameters,
        "tags": one.tags,
        "retries": one.retries,
        "timeout": one.timeout,
        "registered": to_rfc3339(one.registered),
        "updated": to_rfc3339(one.updated),
    }


def _problem(one: FlowProblem) -> dict[str, Any]:
    return {
        "file": one.file,
        "line": one.line,
        "message": one.message,
        "at": to_rfc3339(one.at),
    }
