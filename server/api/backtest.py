"""What draft rules would have done over the stored events, told as it is found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from automations.backtest import Backtest, Occurred, Progress
from automations.comparison import Deed
from automations.reader import Loaded
from automations.ruleset import Ruleset
from base.database import Database
from base.time import Micros, now, to_rfc3339
from events.event import Event
from events.history import stretch
from server.drafts import MAX_BYTES, Laboratory, instant, shown_problem, shown_tally
from server.ndjson import NDJSON, answered, progress
from server.route import Call, Form, Route

MAX_FIRINGS: Final = 100_000


class BacktestForm(Form):
    files: dict[str, str]
    """Rule files: their text, by their names."""
    since: str = "7d"
    """From then on, by when events came in: RFC 3339, or how long ago."""
    until: str | None = None
    limit: int = Field(1_000, ge=0, le=MAX_FIRINGS)
    """How many firings are told; all are counted."""


class BacktestApi:
    def __init__(
        self,
        database: Database,
        rules: Ruleset,
        laboratory: Laboratory,
        *,
        variables: Mapping[str, Any],
    ) -> None:
        self._database = database
        self._rules = rules
        self._laboratory = laboratory
        self._variables = variables

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/api/backtest",
                self.backtest,
                "What draft rules would have done over the stored events. Answers with lines of "
                "JSON as it goes: `problem`, `progress`, `firing`, at the end `summary` or `error`.",
                body=BacktestForm,
                answer=NDJSON,
                errors=(400, 403, 413, 415, 422, 503),
            )
        ]

    async def backtest(self, call: Call) -> web.StreamResponse:
        form = await call.form(BacktestForm, limit=MAX_BYTES)
        since = instant("since", form.since)
        until = now() if form.until is None else instant("until", form.until)
        async with self._laboratory.place():
            loaded = await self._laboratory.read(form.files)
            part = await stretch(self._database, since, until)
            rules = [found.rule for found in loaded.rules]
            test = Backtest(
                self._database,
                part,
                rules,
                until=until,
                bounds=self._rules,
                variables=self._variables,
            )
            return await answered(call, _told(test, loaded, form.limit, since, until))


async def _told(
    test: Backtest, loaded: Loaded, limit: int, since: Micros, until: Micros
) -> AsyncIterator[dict[str, Any]]:
    for problem in loaded.problems:
        yield {"kind": "problem", **shown_problem(problem)}
    done = 0
    async for item in test.run(limit):
        if isinstance(item, Progress):
            done = item.done
            yield progress(item)
        else:
            yield _shown_firing(item)
    tallies = test.tallies
    yield {
        "kind": "summary",
        "since": to_rfc3339(since),
        "until": to_rfc3339(until),
        "events": done,
        "firings": sum(tally.fired for tally in tallies.values()),
        "left_out": test.left_out,
        "problems": len(loaded.problems),
        "rules": [shown_tally(name, tally) for name, tally in tallies.items()],
    }


def _shown_firing(item: Occurred) -> dict[str, Any]:
    one = item.simulated
    firing = one.firing
    return {
        "kind": "firing",
        "id": firing.id,
        "automation": firing.automation,
        "trigger": firing.trigger,
        "key": firing.key,
        "at": to_rfc3339(firing.time),
        "count": firing.count,
        "event": _shown_event(firing.event),
        "events": [event.id for event in firing.events],
        "outcome": one.outcome,
        "reason": one.reason,
        "actions": [_shown_deed(deed) for deed in item.deeds],
    }


def _shown_event(event: Event | None) -> dict[str, Any] | None:
    if event is None:
        return None
    return {"id": event.id, "type": event.type, "subject": event.subject}


def _shown_deed(deed: Deed) -> dict[str, Any]:
    fields = {name: value for name, value in deed.fields.items() if value not in (None, [], {}, 0)}
    return {
        "kind": deed.kind,
        "target": deed.target,
        "fields": fields,
        "code": deed.error,
        "error": deed.message,
    }
