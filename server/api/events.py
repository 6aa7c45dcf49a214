"""Events: taking them in, finding them, and following what came of them.

`POST /api/events` is the hot path: decode, hand to the journal, wait for the commit, answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from base.errors import EnsueError, InvalidInputError, UnprocessableError
from base.metrics import Metrics
from base.time import now
from events import log
from events.change import Change, Receipt
from events.codec import Decoded, decode, encode
from events.event import Event
from events.journal import Journal
from events.tx import Tx
from server import parameter
from server.cursor import seal, unseal
from server.intake.answer import accepted
from server.lookup import Lookup
from server.quick import quick_reply
from server.route import Call, Route, reply
from triggers.glob import OWN

_LONG: Final = 256 << 10
"""Bytes from which a body is parsed in a thread, so that nobody else waits."""
_LIST: Final = "events"
_CLOUDEVENT: Final = {"Server": "ensue", "Content-Type": "application/cloudevents+json"}


class Taking:
    """Events on their way into the log. Meets `server.route.Flight`."""

    __slots__ = ("_api", "events", "future")

    def __init__(
        self, api: EventsApi, events: Sequence[Event], future: asyncio.Future[Receipt]
    ) -> None:
        self._api = api
        self.events = events
        self.future = future

    def answer(self) -> dict[str, object]:
        return accepted([event.id for event in self.events], self.duplicates())

    def duplicates(self) -> int:
        try:
            return self._api.stored(len(self.events), self.future.result())
        except EnsueError as error:
            self._api.refused(error)
            raise


class EventsApi:
    def __init__(
        self,
        journal: Journal,
        lookup: Lookup,
        metrics: Metrics,
        *,
        page: int,
        limit: int,
        batch: int,
    ) -> None:
        """At most: `page` items in a list, `limit` bytes in a body, `batch` events in it."""
        self._journal = journal
        self._lookup = lookup
        self._accepted = metrics.events_accepted.labels("api")
        self._duplicates = metrics.events_duplicate.labels("api")
        self._rejected = metrics.events_rejected
        self._page = page
        self._limit = limit
        self._batch = batch

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/api/events",
                self.post,
                "Take in events: one CloudEvent (structured or binary), a batch, or plain JSON "
                "with at least a `type`. Answered when they, and all they set in motion, are stored.",
                body="CloudEvent",
                status=202,
                answer="Accepted",
                errors=(400, 408, 413, 415, 422, 503),
                express=self.begin,
                decoded=self.take,
            ),
            Route(
                "GET",
                "/api/events",
                self.browse,
                "The log, newest first.",
                query=(
                    parameter.text("type", "A glob on the type, such as `order.*`."),
                    parameter.text("source", "A glob on the source."),
                    parameter.text("subject", "The subject, exactly."),
                    parameter.instant("since", "Not before this time."),
                    parameter.instant("until", "Before this time."),
                    parameter.text("correlationid", "The chain an event belongs to."),
                    parameter.choice("order", "By position in the log.", "desc", "asc"),
                    parameter.limit(self._page),
                    parameter.CURSOR,
                ),
                answer="EventList",
                errors=(400, 422),
            ),
            Route(
                "GET",
                "/api/events/{id}",
                self.show,
                "One event.",
                answer="CloudEvent",
                errors=(404,),
            ),
            Route(
                "GET",
                "/api/events/{id}/lineage",
                self.lineage,
                "The whole chain an event belongs to, in order; `causationid` makes it a tree.",
                answer="EventList",
                errors=(404,),
            ),
        ]

    async def post(self, call: Call) -> web.StreamResponse:
        try:
            decoded = await self._decoded(call)
        except EnsueError as error:
            self.refused(error)
            raise
        taking = self.take(decoded)
        with contextlib.suppress(EnsueError):  # the answer tells
            await taking.future
        return quick_reply(call.request, taking.answer(), 202)

    async def _decoded(self, call: Call) -> Decoded:
        request = call.request
        body = await call.bodies.read(request)
        content_type = request.headers.get("Content-Type")
        limit = call.bodies.limit
        if len(body) < _LONG:
            items = request.headers.items()
            return decode(
                content_type, items, body, now=now(), max_bytes=limit, max_events=self._batch
            )
        headers = list(request.headers.items())
        return await asyncio.to_thread(
            decode,
            content_type,
            headers,
            body,
            now=now(),
            max_bytes=limit,
            max_events=self._batch,
        )

    def begin(self, content_type: str | None, body: bytes) -> Taking:
        """What the express lane calls: `post` for a body that came whole, without its waiting."""
        if len(body) >= _LONG:
            raise InvalidInputError("long bodies are parsed in a thread")
        return self._begin(
            decode(
                content_type,
                (),
                body,
                now=now(),
                max_bytes=self._limit,
                max_events=self._batch,
            )
        )

    def take(self, decoded: Decoded) -> Taking:
        """Begin a request whose events were decoded."""
        try:
            return self._begin(decoded)
        except EnsueError as error:
            self.refused(error)
            raise

    def _begin(self, decoded: Decoded) -> Taking:
        for number, event in enumerate(decoded.events):
            if event.type.startswith(OWN):
                raise _reserved(number, decoded)
        settlement = _refuse_reused if decoded.batch else None
        future = self._journal.enqueue(Change(decoded.events, None, settlement))
        return Taking(self, decoded.events, future)

    def stored(self, count: int, receipt: Receipt) -> int:
        """How many of a request's events were duplicates; raises what refuses it."""
        if receipt.reused:
            raise _reused(receipt)
        duplicates = receipt.positions[:count].count(None)
        self._accepted.inc(count - duplicates)
        if duplicates:
            self._duplicates.inc(duplicates)
        return duplicates

    def refused(self, error: EnsueError) -> None:
        self._rejected.labels(error.code).inc()

    async def browse(self, call: Call) -> web.Response:
        given = dict(call.query)
        limit = given.pop("limit", 100)
        if cursor := given.pop("cursor", None):
            (given["after"],) = unseal(_LIST, cursor, (int,))
        found = await self._lookup.page(log.Query(**given, limit=limit))
        following = seal(_LIST, found[-1].position) if len(found) == limit else None
        return reply({"items": [shown(one.event) for one in found], "next": following})

    async def show(self, call: Call) -> web.Response:
        stored = await self._lookup.event(call.values["id"])
        return web.Response(body=encode(stored.event), headers=_CLOUDEVENT)

    async def lineage(self, call: Call) -> web.Response:
        found = await self._lookup.chain(call.values["id"])
        return reply({"items": [shown(one.event) for one in found], "next": None})


def shown(event: Event) -> dict[str, object]:
    """The event as JSON, in the structured format."""
    return event.root()


def _reserved(number: int, decoded: Decoded) -> InvalidInputError:
    return InvalidInputError(
        f"events of the type {decoded.events[number].type[:100]} are made by this service alone",
        code="type_reserved",
        place=f"$[{number}].type" if decoded.batch else "$.type",
    )


async def _refuse_reused(_: Tx, receipt: Receipt) -> None:
    """A batch is taken as a whole or not at all."""
    if receipt.reused:
        raise _reused(receipt)


def _reused(receipt: Receipt) -> UnprocessableError:
    index = receipt.reused[0]
    return UnprocessableError(
        "this id was taken before by an event with another content",
        code="id_reused",
        place=f"$[{index}].id" if len(receipt.positions) > 1 else "$.id",
        hint="an event that is new needs an id that is new",
    )
