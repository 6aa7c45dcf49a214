"""Automations: which rules there are, how they fare, and what people do to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from automations import queries
from automations.occasions import Occasions
from automations.queries import Automation, RecordedAction, RecordedFiring
from automations.rulebook import Rulebook
from base.database import Database
from base.errors import NotFoundError, UnprocessableError
from base.time import Micros, to_rfc3339
from events.event import Stored
from server import parameter
from server.cursor import seal, unseal
from server.lookup import Lookup
from server.route import Call, Form, Route, reply

_RULES: Final = "automations"
_FIRINGS: Final = "firings"


class FireForm(Form):
    """On which event: the id of one in the log, or `{"data": …}` for one made for it."""

    event: str | dict[str, Any] | None = None


class ReplayForm(Form):
    automation: str | None = None
    """Only by this rule."""


class AutomationsApi:
    def __init__(
        self,
        database: Database,
        rulebook: Rulebook,
        occasions: Occasions,
        lookup: Lookup,
        *,
        page: int,
    ) -> None:
        self._database = database
        self._rulebook = rulebook
        self._occasions = occasions
        self._lookup = lookup
        self._paging = (parameter.limit(page), parameter.CURSOR)

    def routes(self) -> list[Route]:
        one = "/api/automations/{name}"
        return [
            Route(
                "GET",
                "/api/automations",
                self.browse,
                "The rules, by name, and how they fare.",
                query=self._paging,
                answer="AutomationList",
                errors=(400, 422),
            ),
            Route("GET", one, self.show, "One rule.", answer="AutomationDetail", errors=(404,)),
            Route(
                "GET",
                one + "/firings",
                self.firings,
                "When a rule fired, newest first, and what its actions did.",
                query=self._paging,
                answer="FiringList",
                errors=(400, 404, 422),
            ),
            Route(
                "POST",
                one + "/pause",
                self.pause,
                "Keep a rule from firing until it is resumed.",
                answer="Automation",
                errors=(403, 404, 503),
            ),
            Route(
                "POST",
                one + "/resume",
                self.resume,
                "Let a paused rule fire again.",
                answer="Automation",
                errors=(403, 404, 503),
            ),
            Route(
                "POST",
                one + "/fire",
                self.fire,
                "Fire a rule now, whatever its trigger says.",
                body=FireForm,
                status=202,
                answer="Fired",
                errors=(400, 403, 404, 415, 422, 503),
            ),
            Route(
                "POST",
                "/api/events/{id}/replay",
                self.replay,
                "Evaluate an event of the log again, by the rules of now.",
                body=ReplayForm,
                status=202,
                answer="Replayed",
                errors=(400, 403, 404, 409, 415, 422, 503),
            ),
        ]

    async def browse(self, call: Call) -> web.Response:
        limit, after = call.query.get("limit", 100), None
        if cursor := call.query.get("cursor"):
            (after,) = unseal(_RULES, cursor, (str,))
        async with self._database.reader() as session:
            found = await queries.automations(session, after=after, limit=limit)
        following = seal(_RULES, found[-1].name) if len(found) == limit else None
        return reply({"items": [_shown(one) for one in found], "next": following})

    async def show(self, call: Call) -> web.Response:
        found = await self._automation(call.values["name"])
        return reply({**_shown(found), "definition": found.definition})

    async def firings(self, call: Call) -> web.Response:
        name = call.values["name"]
        limit, after = call.query.get("limit", 100), None
        if cursor := call.query.get("cursor"):
            (after,) = unseal(_FIRINGS, cursor, (str,))
        async with self._database.reader() as session:
            found = await queries.firings(session, name, after=after, limit=limit)
        if not found and after is None:
            await self._automation(name)
        following = seal(_FIRINGS, found[-1].id) if len(found) == limit else None
        return reply({"items": [shown_firing(one) for one in found], "next": following})

    async def pause(self, call: Call) -> web.Response:
        await self._rulebook.pause(call.values["name"])
        return reply(_shown(await self._automation(call.values["name"])))

    async def resume(self, call: Call) -> web.Response:
        await self._rulebook.resume(call.values["name"])
        return reply(_shown(await self._automation(call.values["name"])))

    async def fire(self, call: Call) -> web.Response:
        form = await call.form(FireForm)
        name = call.values["name"]
        stored: Stored | None = None
        if isinstance(form.event, str):
            stored = await self._lookup.event(form.event)
        asked = await self._occasions.fire(name, stored, data=_data(form.event))
        async with self._database.reader() as session:
            found = await queries.firings_of(session, asked.firings)
        return reply({"firing": asked.firings[0], **_came_of(found)}, 202)

    async def replay(self, call: Call) -> web.Response:
        form = await call.form(ReplayForm)
        stored = await self._lookup.event(call.values["id"])
        asked = await self._occasions.replay(stored, form.automation)
        firings = list(asked.firings)
        answer = {"id": asked.id, "firings": len(firings), "firing_ids": firings}
        return reply({**answer, "untold": list(asked.untold)}, 202)

    async def _automation(self, name: str) -> Automation:
        async with self._database.reader() as session:
            found = await queries.automation(session, name)
        if found is None:
            raise NotFoundError(f"there is no automation {name[:100]!r}", code="automation_unknown")
        return found


def _came_of(firings: Sequence[RecordedFiring]) -> dict[str, Any]:
    """The runs that these firings set off, and all their actions."""
    actions = [action for firing in firings for action in firing.actions]
    started = [action.result for action in actions if action.kind == "run" and action.result]
    return {
        "runs": [result["run"] for result in started],
        "actions": [shown_action(action) for action in actions],
    }


def _data(event: str | dict[str, Any] | None) -> Any:
    """The data of an event that is made for the firing."""
    if not isinstance(event, dict):
        return None
    if other := event.keys() - {"data"}:
        raise UnprocessableError(
            f"an event made for a firing has `data` only, not {', '.join(sorted(other))[:100]}",
            place="$.event",
            hint="to fire on an event as it is, send it, and name its id here",
        )
    return event.get("data")


def _shown(one: Automation) -> dict[str, Any]:
    definition = one.definition or {}
    shown = {
        "name": one.name,
        "description": definition.get("description"),
        "status": one.status,
        "enabled": bool(definition.get("enabled", one.definition is not None)),
        "paused": one.status == "paused",
        "pause_reason": one.pause_reason,
        "shadow": one.shadow,
        "origin": one.origin,
        "file": one.file,
        "line": one.line,
        "revision": one.revision,
        "created": to_rfc3339(one.created),
        "updated": to_rfc3339(one.updated),
        "firings": one.firings,
        "last_fired": _time(one.last_fired),
        "errors": one.errors,
        "errors_in_a_row": one.errors_in_a_row,
        "last_error": one.last_error["message"] if one.last_error else None,
        "last_error_at": one.last_error["at"] if one.last_error else None,
    }
    if one.problems:
        shown["problem"] = _problem(one.problems[0])
        shown["problems"] = [_problem(problem) for problem in one.problems]
    return shown


def _problem(problem: Any) -> dict[str, Any]:
    place = f"{problem['file']}:{problem['line']}:{problem['column']}"
    return {**problem, "place": place}


def shown_firing(one: RecordedFiring) -> dict[str, Any]:
    return {
        "id": one.id,
        "automation": one.automation,
        "revision": one.revision,
        "trigger": one.trigger,
        "key": one.key,
        "at": to_rfc3339(one.at),
        "count": one.count,
        "events": one.events,
        "outcome": one.outcome,
        "reason": one.reason,
        "occasion": one.occasion,
        "actions": [shown_action(action) for action in one.actions],
    }


def shown_action(one: RecordedAction) -> dict[str, Any]:
    return {
        "id": one.id,
        "firing": one.firing,
        "automation": one.automation,
        "kind": one.kind,
        "status": one.status,
        "attempts": one.attempts,
        "at": to_rfc3339(one.at),
        "due": _time(one.due),
        "request": one.request,
        "result": one.result,
        "code": one.code,
        "error": one.message,
    }


def _time(at: Micros | None) -> str | None:
    return None if at is None else to_rfc3339(at)
