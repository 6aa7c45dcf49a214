"""What applying draft rules would change, and applying them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from automations import queries
from automations.backtest import Comparison
from automations.plan import Change, Plan, plan
from automations.queries import Automation
from automations.rule import Rule
from automations.rulebook import Rulebook
from automations.ruleset import Ruleset
from automations.simulation import Tally
from base.database import Database
from base.time import Micros, now, to_rfc3339
from events.history import stretch
from server.drafts import MAX_BYTES, Laboratory, instant, shown_problem, shown_tally
from server.ndjson import NDJSON, answered, progress, wants_lines
from server.route import Call, Form, Route, reply

COMPARED: Final = 200_000
"""Events over which a plan compares old and new, unless it is said otherwise: some seconds' worth."""
MOST_COMPARED: Final = 100_000_000
_PAGE: Final = 500


class PlanForm(Form):
    files: dict[str, str]
    """Rule files: their text, by their names."""
    prune: bool = False
    """The files are all there is: what was applied before and is not in them is to go."""
    since: str = "24h"
    """Old and new are compared over the events from then on."""
    events: int = Field(COMPARED, ge=0, le=MOST_COMPARED)
    """The newest so many of them at most; none with 0."""


class ApplyForm(Form):
    files: dict[str, str]
    """Rule files: their text, by their names."""
    prune: bool = False
    base: str | None = None
    """That of the plan which was agreed to; refused when things have changed since."""


class PlanApi:
    def __init__(
        self,
        database: Database,
        rules: Ruleset,
        rulebook: Rulebook,
        laboratory: Laboratory,
        *,
        variables: Mapping[str, Any],
    ) -> None:
        self._database = database
        self._rules = rules
        self._rulebook = rulebook
        self._laboratory = laboratory
        self._variables = variables

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/api/plan",
                self.plan,
                "What applying rules would change: created, updated, deleted, unchanged, invalid; "
                "and how often what changes would have fired before and after. With "
                f"`Accept: {NDJSON}` it answers with lines of JSON as it goes: `progress`, at "
                "the end `plan` or `error`.",
                body=PlanForm,
                answer="Plan",
                errors=(400, 403, 413, 415, 422, 503),
            ),
            Route(
                "POST",
                "/api/apply",
                self.apply,
                "Bring rules into force, all of them or none. Those of the project directory are "
                "changed there, and refused here.",
                body=ApplyForm,
                answer="Applied",
                errors=(400, 403, 409, 413, 415, 422, 503),
            ),
        ]

    async def plan(self, call: Call) -> web.StreamResponse:
        form = await call.form(PlanForm, limit=MAX_BYTES)
        since = instant("since", form.since)
        async with self._laboratory.place():
            made = await self._made(form.files, prune=form.prune)
            lines = self._planned(made, since, form.events)
            if wants_lines(call):
                return await answered(call, lines)
            *_, last = [line async for line in lines]
        last.pop("kind")
        return reply(last)

    async def _planned(self, made: Plan, since: Micros, most: int) -> AsyncIterator[dict[str, Any]]:
        """How far the comparison is, and at the end the plan."""
        until = now()
        changing = [one for one in made.changes if one.kind != "unchanged"]
        old = [one.old for one in changing if one.old]
        new = [one.new.rule for one in changing if one.new]
        whole = await stretch(self._database, since)
        part = await stretch(self._database, since, most=most)
        comparison = Comparison(
            self._database,
            part,
            (_enabled(old), _enabled(new)),
            until=until,
            bounds=self._rules,
            variables=self._variables,
        )
        if changing and part.length:
            async for item in comparison.run():
                yield progress(item)
        before, after = map(_with_idle, (old, new), comparison.tallies)
        compared = bool(changing and most)
        yield {
            "kind": "plan",
            "base": made.base,
            "since": to_rfc3339(since),
            "from": to_rfc3339(part.start) if part.length else None,
            "until": to_rfc3339(until),
            "events": part.length if compared else 0,
            "left_out": whole.length - part.length if compared else whole.length,
            "changes": [
                _shown(one, before.get(one.name), after.get(one.name)) for one in made.changes
            ],
            "problems": [shown_problem(problem) for problem in made.problems],
        }

    async def apply(self, call: Call) -> web.Response:
        form = await call.form(ApplyForm, limit=MAX_BYTES)
        async with self._laboratory.place():
            made = await self._made(form.files, prune=form.prune)
            outcome = await self._rulebook.apply(made.proposal(form.base))
        foreign = [one.name for one in made.changes if one.brought_by is not None]
        return reply(
            {
                "created": outcome.created,
                "updated": outcome.updated,
                "deleted": outcome.deleted,
                "unchanged": sorted([*outcome.unchanged, *foreign]),
            }
        )

    async def _made(self, files: Mapping[str, str], *, prune: bool) -> Plan:
        loaded = await self._laboratory.read(files)
        in_force: list[Automation] = []
        after = None
        async with self._database.reader() as session:
            while page := await queries.automations(session, after=after, limit=_PAGE):
                in_force += page
                after = page[-1].name
        return await asyncio.to_thread(plan, loaded, in_force, prune=prune)


def _enabled(rules: list[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.enabled]


def _with_idle(rules: list[Rule], tallies: Mapping[str, Tally]) -> Mapping[str, Tally]:
    """With a tally of nothing for rules that are disabled."""
    return {rule.name: Tally() for rule in rules} | dict(tallies)


def _shown(change: Change, before: Tally | None, after: Tally | None) -> dict[str, Any]:
    fields = [
        {
            "path": one.path,
            "old": one.old,
            "new": one.new,
            "added": one.added,
            "removed": one.removed,
        }
        for one in change.fields
    ]
    return {
        "automation": change.name,
        "change": change.kind,
        "file": change.new.file if change.new else None,
        "line": change.new.line if change.new else None,
        "fields": fields,
        "resets": change.resets,
        "conflict": change.brought_by if change.conflicts else None,
        "before": before and shown_tally(change.name, before),
        "after": after and shown_tally(change.name, after),
    }
