"""Why an event did what it did: what each rule says of it, and what came of that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain, repeat
from time import perf_counter
from typing import Any, Final

from aiohttp import web
from sqlmodel.ext.asyncio.session import AsyncSession

from automations import notices, queries
from automations.explain import Verdict, best, explain, nearness
from automations.queries import Automation, RecordedFiring
from automations.ruleset import Live, Ruleset
from base.database import Database
from base.time import to_rfc3339
from engine import queries as runs
from events.event import Stored
from server import parameter
from server.api.automations import shown_firing
from server.api.windows import shown
from server.lookup import Lookup
from server.route import Call, Route, reply
from triggers.key import key_value
from triggers.queries import MOST_MEMBERS, window
from triggers.standing import standing

SLICE: Final = 0.003
"""Seconds at most for which nobody else has the loop."""
_MOST_MISSES: Final = 100
_MOST_RUNS: Final = 100
_MOST_WINDOWS: Final = 50
"""Rules whose windows are looked at, of those that match."""


class ExplainApi:
    def __init__(self, database: Database, rules: Ruleset, lookup: Lookup) -> None:
        self._database = database
        self._rules = rules
        self._lookup = lookup

    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/api/events/{id}/explain",
                self.explain,
                "What the rules in force say of an event: those that match, then those that came "
                "closest, with what the event lacks; and the firings and runs that it led to.",
                query=(
                    parameter.text("automation", "Only this rule, however far from matching."),
                    parameter.integer(
                        "misses", "How many near misses; 5 unless said.", 0, _MOST_MISSES
                    ),
                ),
                answer="Explanation",
                errors=(400, 404, 422),
            )
        ]

    async def explain(self, call: Call) -> web.Response:
        stored = await self._lookup.event(call.values["id"])
        name: str | None = call.query.get("automation")
        lives = list(self._rules) if name is None else [self._rules.in_force(name)]
        matched, missed, elsewhere = await self._verdicts(lives, stored)
        if name is not None:
            missed, elsewhere = [*missed, *elsewhere], []
        shown = sorted(missed, key=nearness)[: call.query.get("misses", 5)]
        firings = [
            firing
            for firing in await self._firings(stored, matched)
            if name in (None, firing.automation)
        ]
        async with self._database.reader() as session:
            firings += await _later(session, matched, stored, {one.id for one in firings})
            windows = [await _windows(session, one, stored) for one in matched[:_MOST_WINDOWS]]
            about = await queries.automations_named(
                session, {one.automation for one in (*matched, *shown)}
            )
            states = await _run_states(session, firings)
        by_id = {firing.id: _shown_firing(firing, states) for firing in firings}
        told = [
            {
                **_shown(one, stored, about.get(one.automation)),
                "firing": by_id.pop(_firing_of(one, firings), None),
                "windows": far,
            }
            for one, far in zip((*matched, *shown), chain(windows, repeat([])), strict=False)
        ]
        return reply(
            {
                "event": _shown_event(stored),
                "rules": len(lives),
                "matched": told[: len(matched)],
                "missed": told[len(matched) :],
                "more_missed": len(missed) - len(shown),
                "other_types": len(elsewhere),
                "other_firings": list(by_id.values()),
            }
        )

    async def _verdicts(
        self, lives: Sequence[Live], stored: Stored
    ) -> tuple[list[Verdict], list[Verdict], list[Verdict]]:
        """Those that match, those that listen to the type, and the others; in slices."""
        found: tuple[list[Verdict], list[Verdict], list[Verdict]] = ([], [], [])
        end = perf_counter() + SLICE
        for live in lives:
            for verdict in best(explain(live, stored, self._rules)):
                found[0 if verdict.matched else 1 if verdict.listens_to_type else 2].append(verdict)
            if perf_counter() > end:
                await asyncio.sleep(0)
                end = perf_counter() + SLICE
        found[0].sort(key=lambda one: (one.automation, one.trigger))
        return found

    async def _firings(self, stored: Stored, matched: Sequence[Verdict]) -> list[RecordedFiring]:
        """What the event led to: by itself, and when it was replayed."""
        event = stored.event
        ids = {one.firing for one in matched if one.firing}
        for one in await self._lookup.chain(event.id):
            if one.event.type == notices.FIRED and one.event.causationid == event.id:
                ids.add(one.event.data["firing"])
        async with self._database.reader() as session:
            found = await queries.firings_of(session, sorted(ids)) if ids else []
            found += await queries.firings_on(session, event)
        return [firing for _, firing in sorted({one.id: one for one in found}.items())]


async def _later(
    session: AsyncSession, matched: Sequence[Verdict], stored: Stored, known: set[str]
) -> list[RecordedFiring]:
    """What the event led to together with others that came later."""
    found = {}
    waiting = [one.automation for one in matched[:_MOST_WINDOWS] if one.firing is None]
    for name in dict.fromkeys(waiting):
        firing = await queries.firing_with(session, name, stored.event)
        if firing is not None and firing.id not in known:
            found[firing.id] = firing
    return list(found.values())


def _firing_of(one: Verdict, firings: Sequence[RecordedFiring]) -> str:
    """The id of the firing that this verdict led to; empty where there is none."""
    if one.firing is not None:
        return one.firing
    place = (one.automation, one.trigger, None)
    ids = (f.id for f in firings if (f.automation, f.trigger, f.occasion) == place)
    return next(ids, "")


async def _windows(session: AsyncSession, one: Verdict, stored: Stored) -> list[dict[str, Any]]:
    """How far the windows are now that the event went to."""
    told = []
    for joined in one.windows:
        state = await window(session, joined.key)
        stands = standing(joined.node, state, None)
        remembered = (*state.members, *state.marks)
        told.append(
            {
                "path": joined.key.path,
                "key": key_value(joined.key.key),
                **shown(stands, whole=len(state.members) < MOST_MEMBERS),
                "remembered": any(
                    ref.position == stored.position for member in remembered for ref in member.refs
                ),
            }
        )
    return told


async def _run_states(session: AsyncSession, firings: Sequence[RecordedFiring]) -> dict[str, Any]:
    ids = [
        action.result["run"]
        for firing in firings
        for action in firing.actions
        if action.kind == "run" and action.result
    ]
    found = {}
    for id_ in ids[:_MOST_RUNS]:
        if (run := await runs.run(session, id_)) is not None:
            found[id_] = {"id": run.id, "flow": run.flow, "state": run.state}
    return found


def _shown_event(stored: Stored) -> dict[str, Any]:
    event = stored.event
    return {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": to_rfc3339(event.time),
        "received": to_rfc3339(event.received),
        "position": stored.position,
        "depth": event.depth,
    }


def _shown(one: Verdict, stored: Stored, about: Automation | None) -> dict[str, Any]:
    changed = about is not None and about.updated > stored.event.received
    return {
        "automation": one.automation,
        "trigger": one.trigger,
        "file": about and about.file,
        "line": about and about.line,
        "guards": list(one.guards),
        "changed_since": changed,
        "no_answer": one.no_answer,
        "conditions": [reason.as_json() for reason in one.missed],
    }


def _shown_firing(firing: RecordedFiring, states: dict[str, Any]) -> dict[str, Any]:
    wanted = [one.result["run"] for one in firing.actions if one.kind == "run" and one.result]
    return {**shown_firing(firing), "runs": [states[id_] for id_ in wanted if id_ in states]}
