"""The express lane: a request whose head is like one before it, but for the body's length.

A client that sends event after event sends the same head each time. What aiohttp makes of a
head (parser, request, stream, task) costs about as much as all the rest of taking an event in,
so when it has read an ordinary POST for a route that has an express lane, the bytes of the head
are remembered together with what they mean. The next request that begins with a head like it
(`server/intake/head.py`), and comes whole in one piece, is begun without reading its head again.

No head is parsed here: only what aiohttp understood is remembered, and whatever differs by a
byte, or comes in pieces, or is refused on the express lane, goes the ordinary way from its start.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from aiohttp import HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage

from base.errors import EnsueError
from server.gate import Gate
from server.intake.head import MAX_HEADS, likeness, told_once
from server.problems import problem, unexpected
from server.quick import spelled
from server.route import Flight, Route
from server.spelling import spelled_json
from server.timing import Timing

_ORDINARY_WAY: Final = ("Origin", "Expect", "Content-Encoding", "Transfer-Encoding", "Upgrade")
_ATTRIBUTE: Final = "ce-"


@dataclass(frozen=True, slots=True)
class _Head:
    route: Route
    content_type: str | None


@dataclass(slots=True)
class Boarded:
    """A request on the express lane, until it is answered."""

    route: Route
    flight: Flight
    future: Future[Any]
    began: float


class Express:
    """What is known of heads, for all connections of a server."""

    def __init__(self, routes: Iterable[Route], gate: Gate, timing: Timing) -> None:
        self._routes = {route.path: route for route in routes if route.express is not None}
        self._gate = gate
        self._timing = timing
        self._heads: dict[bytes, _Head] = {}
        self.on_learned: Callable[[Route, bytes, str | None], None] = lambda *_: None
        """Told of each kind of head that was not known: its route, likeness and content type."""

    def learn(self, data: bytes, message: RawRequestMessage) -> None:
        """Remember the head of the one request that `data` is, which aiohttp read as `message`."""
        found = likeness(data)
        if found and found[0] not in self._heads and told_once(data, found[1]):
            self._learn(found[0], message)

    def _learn(self, like: bytes, message: RawRequestMessage) -> None:
        route = self._routes.get(message.path)
        if route is None or route.method != message.method:
            return
        if message.version != HttpVersion11 or message.should_close:
            return
        headers = message.headers
        if any(name in headers for name in _ORDINARY_WAY):
            return
        if any(name[:3].lower() == _ATTRIBUTE for name in headers):
            return  # they carry attributes of the event, which differ each time
        try:
            self._gate.check(message.method, headers, route)
        except EnsueError:
            return
        if len(self._heads) >= MAX_HEADS:
            del self._heads[next(iter(self._heads))]
        content_type = headers.get("Content-Type")
        self._heads[like] = _Head(route, content_type)
        self.on_learned(route, like, content_type)

    def knows(self, data: bytes, route: Route) -> bool:
        """Whether `data` is one whole request for this route, of those for the express lane."""
        found = likeness(data)
        head = self._heads.get(found[0]) if found and found[2] == len(data) else None
        return head is not None and head.route is route

    def board(self, data: bytes) -> Boarded | None:
        """Begin the one request that `data` is; None if that has to go the ordinary way."""
        found = likeness(data)
        head = self._heads.get(found[0]) if found else None
        if found is None or head is None or head.route.express is None or found[2] != len(data):
            return None
        began = perf_counter()
        try:
            flight = head.route.express(head.content_type, data[found[1] :])
        except EnsueError:
            return None  # nothing was begun: the ordinary way refuses it with its reasons
        return Boarded(head.route, flight, flight.future, began)

    def answer(self, boarded: Boarded) -> bytes:
        """The whole answer, as it goes over the wire."""
        response: web.Response | None = None
        try:
            body = boarded.flight.answer()
        except EnsueError as error:
            response = problem(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered and logged
            response = unexpected(error, method=boarded.route.method, path=boarded.route.path)
        status = response.status if response else boarded.route.status
        self._timing.note(boarded.route, status, perf_counter() - boarded.began)
        return spelled(response) if response else spelled_json(body, status)
