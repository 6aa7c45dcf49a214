"""The express lane: a request whose head is that of one before it, byte for byte.

A client that sends event after event sends the same head each time. What aiohttp makes of a
head (parser, request, stream, task) costs about as much as all the rest of taking an event in,
so when it has read an ordinary POST for a route that has an express lane, the bytes of the head
are remembered together with what they mean. The next request that begins with those very bytes,
and comes whole in one piece, is begun without reading its head again.

No head is parsed here: only what aiohttp understood is remembered, and whatever differs by a
byte, or comes in pieces, or is refused on the express lane, goes the ordinary way from its start.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from aiohttp import HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage

from base.errors import EnsueError
from server.gate import Gate
from server.problems import problem, unexpected
from server.quick import spelled, spelled_json
from server.route import Flight, Route
from server.timing import Timing

MAX_HEADS: Final = 1_024
MAX_HEAD: Final = 2_048
"""Bytes of a head that is worth remembering."""
END: Final = b"\r\n\r\n"
_ORDINARY_WAY: Final = ("Origin", "Expect", "Content-Encoding", "Transfer-Encoding", "Upgrade")
_ATTRIBUTE: Final = "ce-"


@dataclass(frozen=True, slots=True)
class _Head:
    route: Route
    content_type: str | None
    length: int


@dataclass(slots=True)
class Boarded:
    """A request on the express lane, until it is answered."""

    route: Route
    flight: Flight
    began: float

    @property
    def future(self) -> Future[Any]:
        return self.flight.future


class Express:
    """What is known of heads, for all connections of a server."""

    def __init__(self, routes: Iterable[Route], gate: Gate, timing: Timing) -> None:
        self._routes = {route.path: route for route in routes if route.express is not None}
        self._gate = gate
        self._timing = timing
        self._heads: dict[bytes, _Head] = {}

    def learn(self, head: bytes, message: RawRequestMessage, length: int) -> None:
        """Remember the head that aiohttp read as `message`, if the express lane is for such."""
        route = self._routes.get(message.path)
        if route is None or route.method != message.method or len(head) > MAX_HEAD:
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
        self._heads[head] = _Head(route, headers.get("Content-Type"), length)

    def board(self, data: bytes) -> Boarded | None:
        """Begin the one request that `data` is; None if that has to go the ordinary way."""
        end = data.find(END)
        head = self._heads.get(data[:end])
        if head is None or len(data) - end - len(END) != head.length or head.route.express is None:
            return None
        began = perf_counter()
        try:
            flight = head.route.express(head.content_type, data[end + len(END) :])
        except EnsueError:
            return None  # nothing was begun: the ordinary way refuses it with its reasons
        return Boarded(head.route, flight, began)

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
