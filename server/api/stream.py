"""The live stream over HTTP: server-sent events, one for each event of the log.

    id: 4711
    event: event
    data: {"specversion": "1.0", …}

A client that comes back with `Last-Event-ID` (browsers do so by themselves) or `?after=` goes
on where it was, without a gap. One that does not read is let go with a last comment.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from aiohttp import web

from base.errors import InvalidInputError
from base.metrics import Metrics
from events.event import Event, Stored
from events.log import Query
from server import parameter
from server.problems import MethodNotAllowedError
from server.route import Call, Route
from server.spelling import SERVER
from server.stream import LiveStream
from triggers.glob import Glob

HEARTBEAT: Final = 15.0
PATIENCE: Final = 15.0
"""Seconds that a client may leave what it was sent unread."""
_BIGGEST: Final = (1 << 63) - 1
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "Server": SERVER,
}
_BEAT: Final = b": \n\n"
_SLOW: Final = b": dropped, because you read too slowly; come back with Last-Event-ID\n\n"
_ENDING: Final = b": the server is stopping; come back with Last-Event-ID\n\n"


class StreamApi:
    def __init__(
        self,
        stream: LiveStream,
        metrics: Metrics,
        *,
        heartbeat: float = HEARTBEAT,
        patience: float = PATIENCE,
    ) -> None:
        self._stream = stream
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._patience = patience

    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/api/stream",
                self.follow,
                "Follow the log live (server-sent events); resumes after `Last-Event-ID`.",
                query=(
                    parameter.text("type", "A glob on the type."),
                    parameter.text("source", "A glob on the source."),
                    parameter.text("subject", "A glob on the subject."),
                    parameter.integer("after", "Begin behind this position.", 0, _BIGGEST),
                ),
                answer="text/event-stream",
                errors=(400, 422),
            )
        ]

    async def follow(self, call: Call) -> web.StreamResponse:
        request = call.request
        if request.method == "HEAD":  # an endless answer without its body is none
            raise MethodNotAllowedError("HEAD", "GET")
        chosen = _Filter(call.query)
        after = _resumed(request.headers.get("Last-Event-ID"), call.query.get("after"))
        response = web.StreamResponse(headers=_HEADERS)
        async with self._stream.joined() as last:
            self._metrics.stream_clients.inc()
            try:
                await response.prepare(request)
                await response.write(b"retry: 1000\n\n")
                await self._send(request, response, chosen, last if after is None else after)
            finally:
                self._metrics.stream_clients.dec()
        return response

    async def _send(
        self,
        request: web.BaseRequest,
        response: web.StreamResponse,
        chosen: _Filter,
        position: int,
    ) -> None:
        clock = asyncio.get_running_loop().time
        wrote = clock()
        while _connected(request):
            found, following = await self._stream.after(chosen.query, position)
            text = b"".join(_message(one) for one in found if chosen.takes(one.event))
            if not text and clock() - wrote >= self._heartbeat:
                text = _BEAT
            if text:
                if not await self._written(request, response, text):
                    return
                wrote = clock()
            if following != position:
                position = following
            elif not await self._stream.wait(max(wrote + self._heartbeat - clock(), 0.01)):
                await self._written(request, response, _ENDING)
                return

    async def _written(
        self, request: web.BaseRequest, response: web.StreamResponse, text: bytes
    ) -> bool:
        """False when the client did not read in time and was let go."""
        try:
            async with asyncio.timeout(self._patience):
                await response.write(text)
        except TimeoutError:
            pass
        else:
            return True
        self._metrics.stream_dropped.inc()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await response.write(_SLOW)  # behind what is unread: it does not wait for that
        if transport := request.transport:
            transport.close()
            asyncio.get_running_loop().call_later(self._patience, transport.abort)
        return False


class _Filter:
    """Which events a client wants: exactly, where the log's own query is only near."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._tests = {
            name: Glob.parse(given[name], name).test()
            for name in ("type", "source", "subject")
            if name in given
        }
        self.query = Query(type=given.get("type"), source=given.get("source"))

    def takes(self, event: Event) -> bool:
        return all(test(getattr(event, name) or "") for name, test in self._tests.items())


def _resumed(header: str | None, after: int | None) -> int | None:
    if header is None:
        return after
    if not header.isdecimal() or not header.isascii() or int(header[:20]) > _BIGGEST:
        raise InvalidInputError(
            f"{header[:60]!r} is no position of the log",
            code="position_invalid",
            place="Last-Event-ID",
        )
    return int(header)


def _connected(request: web.BaseRequest) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _message(stored: Stored) -> bytes:
    return b"id: %d\nevent: event\ndata: %b\n\n" % (stored.position, stored.event.to_json())
