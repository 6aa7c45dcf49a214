"""Windows: what rules that remember hold at the moment, and what they still wait for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiohttp import web
from sqlmodel.ext.asyncio.session import AsyncSession

from automations.places import Order, Place, order_of, places
from automations.ruleset import Ruleset
from base.database import Database
from base.time import Micros, now, to_rfc3339
from server import parameter
from server.cursor import seal, unseal
from server.route import Call, Route, reply
from triggers.key import canonical, key_value
from triggers.queries import Found, stretch, windows_of
from triggers.standing import Standing
from triggers.windows import WindowKey

_WINDOWS: Final = "windows"
_AT_ONCE: Final = 200
"""Windows read at once: others have the loop in between."""
_MOST_LOOKS: Final = 50
"""Looks into the database for one page: one with fewer windows than asked for may go on."""


class WindowsApi:
    def __init__(self, database: Database, rules: Ruleset, *, page: int) -> None:
        self._database = database
        self._rules = rules
        self._query = (
            parameter.text("key", "Only of this key: text, or JSON where it is something else."),
            parameter.choice("all", "`true`: also what is over by the clock.", "true", "false"),
            parameter.limit(page),
            parameter.CURSOR,
        )

    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/api/automations/{name}/windows",
                self.of_one,
                "What a rule remembers at the moment, by key: how far its windows have come, what "
                "they wait for, and until when; what flow control counts and gathers.",
                query=self._query,
                answer="WindowList",
                errors=(400, 404, 422),
            ),
            Route(
                "GET",
                "/api/windows",
                self.of_all,
                "The same of all rules, by name.",
                query=self._query,
                answer="WindowList",
                errors=(400, 422),
            ),
        ]

    async def of_one(self, call: Call) -> web.Response:
        live = self._rules.in_force(call.values["name"])
        return await self._listed(call, places(live.rule))

    async def of_all(self, call: Call) -> web.Response:
        every = [place for live in self._rules for place in places(live.rule)]
        return await self._listed(call, sorted(every, key=lambda place: place.order))

    async def _listed(self, call: Call, among: Sequence[Place]) -> web.Response:
        given = call.query
        looking = _Looking(
            at=None if given.get("all") == "true" else now(),
            keys=_keys(given["key"]) if "key" in given else None,
            limit=given.get("limit", 100),
        )
        begin = None
        if cursor := given.get("cursor"):
            *place, begun, key = unseal(_WINDOWS, cursor, (str, int, str, int, str))
            begin = _Mark(order_of(*place), key if begun else None)
        async with self._database.reader() as session:
            following = await looking.look(session, among, begin)
        return reply(
            {
                "items": [self._shown(*item) for item in looking.items],
                "next": following,
                "remembers": bool(among),
            }
        )

    def _shown(self, place: Place, found: Found, stands: Standing) -> dict[str, Any]:
        live = self._rules.get(place.automation)
        return {
            "automation": place.automation,
            "trigger": place.trigger,
            "path": place.path,
            "key": key_value(found.key.key),
            **shown(stands, whole=found.whole),
            "firing": found.firing,
            "listens": live is not None and live.listens,
        }


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a page begins: in this place, or the next that is there, behind this key if any."""

    order: Order
    after: str | None


@dataclass(slots=True)
class _Looking:
    """For one page of windows: place by place, and within each by key."""

    at: Micros | None
    keys: Sequence[str] | None
    limit: int
    items: list[tuple[Place, Found, Standing]] = field(default_factory=list)
    looks: int = 0

    async def look(
        self, session: AsyncSession, among: Sequence[Place], begin: _Mark | None
    ) -> str | None:
        """Fill the page; the cursor of the next, None where there is nothing more."""
        for place in among:
            if begin is not None and place.order < begin.order:
                continue
            after = begin.after if begin is not None and place.order == begin.order else None
            while True:
                if len(self.items) >= self.limit or self.looks >= _MOST_LOOKS:
                    where = (place.automation, place.trigger, place.path)
                    return seal(_WINDOWS, *where, int(after is not None), after or "")
                after = await self._into(session, place, after)
                if after is None:
                    break
        return None

    async def _into(self, session: AsyncSession, place: Place, after: str | None) -> str | None:
        """Look once into this place, behind this key; behind which to go on."""
        self.looks += 1
        here = WindowKey(place.automation, place.trigger, place.path, "")
        since = None if place.span is None else 0 if self.at is None else self.at - place.span
        if self.keys is None:
            left = min(self.limit - len(self.items), _AT_ONCE)
            page = await stretch(session, here, after=after, since=since, limit=left)
            windows, following = page.windows, page.after
        else:
            windows, following = await windows_of(session, here, self.keys, since=since), None
        for found in windows:
            stands = place.standing(found.state, self.at)
            if stands.is_open:
                self.items.append((place, found, stands))
        return following


def shown(stands: Standing, *, whole: bool) -> dict[str, Any]:
    """How far a window has come; `whole` says that all its members were looked at."""
    return {
        "kind": stands.kind,
        "have": stands.have,
        "need": stands.need,
        "until": _time(stands.until),
        "holds": stands.holds,
        "since": _time(stands.since),
        "parts": [
            {"name": part.name, "seen": _time(part.seen), "holds": part.holds}
            for part in stands.parts
        ],
        "measure": _measure(stands, whole=whole),
        "suppressed": stands.suppressed,
        "events": stands.events,
        "more": not whole,
    }


def _measure(stands: Standing, *, whole: bool) -> dict[str, Any] | None:
    """What is measured, and against what; no figure of a part of the values."""
    if stands.bound is None:
        return None
    figure = stands.figure if whole else None
    return {"function": stands.function, "figure": figure, stands.bound.side: stands.bound.limit}


def _keys(given: str) -> list[str]:
    """The keys that may be meant: the text itself, and what it is as JSON."""
    keys = [canonical(given)]
    with suppress(ValueError):
        value = orjson.loads(given)
        if value is not None and not isinstance(value, dict):
            keys.append(canonical(value))
    return keys


def _time(at: Micros | None) -> str | None:
    return None if at is None else to_rfc3339(at)
