"""`POST /hooks/{name}`: a delivery becomes an event, or is refused with the reason.

capped body ─▶ verified ─▶ mapped ─▶ one commit: replay check, event, delivery
│             │           │
└─────────────┴───────────┴────▶ refused: kept redacted, told once a minute
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from aiohttp import web

from base.database import Database
from base.errors import EnsueError, InvalidInputError, NotFoundError
from base.metrics import Metrics
from base.time import Micros, now
from events.change import Change, Receipt
from events.event import Event
from events.journal import Journal
from events.tx import Tx
from events.webhooks import deliveries
from events.webhooks.deliveries import DeliveryRecord
from events.webhooks.hook import Hook
from events.webhooks.request import HookRequest
from server.hooks import HookGoneError, Hooks
from server.quick import quick_reply
from server.refusals import Refusals
from server.remote import Proxies
from server.route import Call, Route
from server.spelling import SERVER

_MOST_HEADERS: Final = 64
_LONGEST_HEADER: Final = 1_000
_TEXT: Final = {"Server": SERVER, "X-Content-Type-Options": "nosniff"}
_LONG: Final = 256 << 10
"""Bytes from which a body is read as events in a thread, so that nobody else waits."""


@dataclass(slots=True)
class _Arrival:
    """A delivery on its way through the transaction."""

    hook: Hook
    request: HookRequest
    events: list[Event]
    record: DeliveryRecord
    replay_key: bytes | None = None
    earlier: str | None = None
    """The id of the event that the same body became before."""


class HooksApi:
    def __init__(
        self,
        hooks: Hooks,
        *,
        journal: Journal,
        database: Database,
        refusals: Refusals,
        proxies: Proxies,
        metrics: Metrics,
    ) -> None:
        self._hooks = hooks
        self._journal = journal
        self._database = database
        self._refusals = refusals
        self._proxies = proxies
        self._outcomes = metrics.hook_deliveries
        self._accepted = metrics.events_accepted.labels("webhook")
        self._duplicates = metrics.events_duplicate.labels("webhook")
        self._rejected = metrics.events_rejected

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/hooks/{name}",
                self.post,
                "Deliver to a webhook. 202 with the id of the event; 200 with that of the first "
                "where the same was delivered before.",
                body="Delivery",
                status=202,
                answer="Delivered",
                errors=(400, 401, 403, 404, 408, 410, 413, 415, 503),
                public=True,
            )
        ]

    async def post(self, call: Call) -> web.StreamResponse:
        hook = await self._find(call.values["name"])
        at = now()
        request = HookRequest(
            tuple(call.request.headers.items()),
            b"",
            url=self._proxies.url(call.request),
            remote=self._proxies.remote(call.request),
        )
        try:
            body = await call.bodies.read(call.request, limit=hook.limit)
            request = replace(request, body=body)
            return await self._take(call, hook, request, at)
        except EnsueError as error:
            if error.status < 500:
                self._refuse(hook, request, at, error)
            raise

    async def _find(self, name: str) -> Hook:
        try:
            return self._hooks.find(name)
        except HookGoneError:
            raise
        except NotFoundError:
            async with self._database.reader() as session:
                if not await deliveries.known(session, name):
                    raise
        raise HookGoneError("this hook was removed")

    async def _take(
        self, call: Call, hook: Hook, request: HookRequest, at: Micros
    ) -> web.StreamResponse:
        verified = hook.verify(request, at)
        if (challenge := hook.challenge(request)) is not None:
            return web.Response(text=challenge, headers=_TEXT)
        if len(request.body) < _LONG:
            events = hook.events(request, verified, at)
        else:
            events = await asyncio.to_thread(hook.events, request, verified, at)
        arrival = _arrival(hook, request, events, at)
        receipt = await self._journal.enqueue(_change(arrival))
        fresh = arrival.earlier is None and any(p is not None for p in receipt.positions)
        self._count(hook, fresh, len(events))
        ids = [arrival.earlier] if arrival.earlier else [event.id for event in events]
        answer: dict[str, object] = {"id": ids[0]}
        if len(ids) > 1:
            answer["ids"] = ids
        return quick_reply(call.request, answer, 202 if fresh else 200)

    def _count(self, hook: Hook, fresh: bool, events: int) -> None:
        self._outcomes.labels(hook.name, "accepted" if fresh else "duplicate").inc()
        (self._accepted if fresh else self._duplicates).inc(events)

    def _refuse(self, hook: Hook, request: HookRequest, at: Micros, error: EnsueError) -> None:
        self._outcomes.labels(hook.name, "rejected").inc()
        self._rejected.labels(error.code).inc()
        refused = DeliveryRecord(
            hook.name,
            at,
            "rejected",
            code=error.code,
            message=str(error),
            remote=request.remote,
            headers=_kept(hook, request),
            size=len(request.body),
        )
        self._refusals.note(refused)


def _kept(hook: Hook, request: HookRequest) -> dict[str, str]:
    """The headers to be kept of a delivery: without proofs, not too many, and all of them text."""
    redacted = islice(hook.redact(request).items(), _MOST_HEADERS)
    return {_readable(name): _readable(value) for name, value in redacted}


def _readable(text: str) -> str:
    raw = text[:_LONGEST_HEADER].encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "replace")


def _arrival(hook: Hook, request: HookRequest, events: list[Event], at: Micros) -> _Arrival:
    if not events:
        raise InvalidInputError("the batch is empty", code="batch_empty")
    record = DeliveryRecord(
        hook.name,
        at,
        "accepted",
        event=events[0].id,
        remote=request.remote,
        headers=_kept(hook, request),
        size=len(request.body),
    )
    # A batch carries its own ids; the body of a single event may come again under another.
    key = hook.replay_key(request, events[0]) if len(events) == 1 else None
    return _Arrival(hook, request, events, record, key)


def _change(arrival: _Arrival) -> Change:
    """The events and the delivery, as one commit."""

    async def operation(tx: Tx) -> Sequence[Event]:
        assert arrival.replay_key is not None
        event, window = arrival.events[0], arrival.hook.replay_window
        earlier = await deliveries.take_body(tx, arrival.replay_key, event.id, window)
        arrival.earlier = earlier
        return arrival.events if earlier is None else ()

    async def settlement(tx: Tx, receipt: Receipt) -> None:
        record = arrival.record
        if arrival.earlier is not None:
            record = replace(record, status="duplicate", event=arrival.earlier)
        elif all(position is None for position in receipt.positions):
            record = replace(record, status="duplicate")
        await deliveries.record(tx, [record])

    if arrival.replay_key is None:
        return Change(arrival.events, None, settlement)
    return Change((), operation, settlement)
