"""The connections of the HTTP server: aiohttp's, with bounds, and with an express lane.

aiohttp reads and answers requests. What is added: a new connection has to send a request head
in time, there is a bound on connections, faults that are no HTTP at all are problems too, and a
request that the express lane knows (`server/express.py`) is taken off before aiohttp reads it.

The express lane is open on a connection only while all that came over it were whole requests,
each in one piece, and while none is under way: so nothing is ever taken out of order, nor out of
the middle of something that aiohttp is reading.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage

from base.errors import InvalidInputError
from server.express import Boarded, Express
from server.intake.head import END
from server.intake.lending import Lending
from server.problems import problem, unexpected

KEEPALIVE: Final = 75.0
"""Seconds that an idle connection lives: longer than proxies keep theirs."""
HEADERS: Final = 15.0
"""Seconds within which a new connection must have sent a whole request head."""
LINGER: Final = 2.0
"""Seconds for which the rest of a refused body is read and dropped, so that the answer is read."""
_MAX_HELD: Final = 64 << 10
"""Bytes that wait behind a request on the express lane before no more are read."""
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class Connection(web.RequestHandler):
    """One connection."""

    __slots__ = (
        "_boarded",
        "_came",
        "_connections",
        "_express",
        "_first",
        "_held",
        "_lending",
        "_whole",
    )

    def __init__(
        self,
        express: Express,
        lending: Lending | None,
        came: bytes | None,
        connections: Connections,
        **options: Any,
    ) -> None:
        """`came` is what was read of a connection that comes back from the reader."""
        super().__init__(connections, **options)
        self._connections = connections
        self._express = express
        self._lending = lending
        self._came = came
        self._boarded: Boarded | None = None
        self._held = b""
        self._whole = True
        """All that came so far were whole requests, each in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        came = self._came
        patience = KEEPALIVE if came == b"" else HEADERS
        self._first = asyncio.get_running_loop().call_later(patience, self._silent)
        if came:
            lending, self._lending = self._lending, None  # it was given back for a reason
            self.data_received(came)
            self._lending = lending

    def connection_lost(self, exc: BaseException | None) -> None:
        self._first.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not data:
            super().data_received(data)  # how aiohttp asks itself to go on
        elif self._boarded is not None:
            self._hold(data)
        elif not (self._whole and self._idle and (self._lend(data) or self._board(data))):
            before = len(self._messages)
            super().data_received(data)
            self._whole = self._whole and self._learn(data, before)

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's signature
        if self._boarded is not None:
            await asyncio.wait([self._boarded.future], timeout=timeout)
            await asyncio.sleep(0)  # its answer is written
        await super().shutdown(timeout)

    @property
    def _idle(self) -> bool:
        waiter = self._waiter
        return not self._request_count or (waiter is not None and not waiter.done())

    def _lend(self, data: bytes) -> bool:
        """Give the connection to the reader, if there is one, with the request that just came."""
        lending, transport = self._lending, self.transport
        if lending is None or not lending.lending or transport is None:
            return False
        if not lending.pays(len(data), self._connections.count):
            return False
        if self._force_close or self._close or self._paused:
            return False
        if transport.get_write_buffer_size():
            return False
        if not self._express.knows(data, lending.route) or not lending.lend(transport, data):
            return False
        transport.abort()  # this end of it: the connection lives on in the reader
        return True

    def _board(self, data: bytes) -> bool:
        if self._force_close or self._close or self._paused:
            return False
        boarded = self._express.board(data)
        if boarded is None:
            return False
        self._boarded = boarded
        self._request_count += 1
        self._stay()
        if self._lending is not None:
            self._lending.note(len(data), self._connections.count)
        boarded.future.add_done_callback(self._land)
        return True

    def _land(self, _: object) -> None:
        """The request on the express lane is decided: answer it, and go on with what came since."""
        boarded, self._boarded = self._boarded, None
        transport = self.transport
        if boarded is None or transport is None or transport.is_closing():
            return
        transport.write(self._express.answer(boarded))
        if self._held:
            held, self._held = self._held, b""
            transport.resume_reading()
            self.data_received(held)

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > _MAX_HELD and self.transport is not None:
            self.transport.pause_reading()

    def _learn(self, data: bytes, before: int) -> bool:
        """Whether `data`, which aiohttp has read, was one whole request; its head is remembered.

        `before` is how many requests waited before it was read.
        """
        if len(self._messages) != before + 1:
            return False
        message, payload = self._messages[-1]
        if not isinstance(message, RawRequestMessage) or message.chunked or not payload.is_eof():
            return False
        length = int(message.headers.get("Content-Length", "0"))
        if data.find(END) + len(END) + length != len(data):
            return False
        self._express.learn(data, message)
        return True

    def _stay(self) -> None:
        """The connection is in use: its time to be idle begins anew."""
        self._next_keepalive_close_time = self._loop.time() + KEEPALIVE

    def _silent(self) -> None:
        if not self._request_count:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What could not be read as HTTP at all."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            response = unexpected(exc or RuntimeError(message), method="-", path="-")
        else:
            reason = " ".join((message or "").split())[:200]
            response = problem(InvalidInputError(f"this is not HTTP: {reason}", code="not_http"))
        response.force_close()
        return response


class Connections(web.Server):
    """Makes connections, up to a number of them."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        express: Express,
        lending: Lending | None = None,
        *,
        limit: int,
    ) -> None:
        super().__init__(handler)
        self._express = express
        self._lending = lending
        self._limit = limit
        if lending is not None:
            lending.home = self.take_home

    @property
    def count(self) -> int:
        """How many there are, lent ones too."""
        return len(self._connections) + (self._lending.lent if self._lending else 0)

    def __call__(self) -> web.RequestHandler:
        return self._connection(None)

    async def take_home(self, back: socket.socket, came: bytes) -> None:
        """Go on with a connection that was lent; `came` was read of it and not answered."""
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: self._connection(came), back)

    def _connection(self, came: bytes | None) -> web.RequestHandler:
        if self.count >= self._limit:
            return _Refused()  # type: ignore[return-value]  # a protocol, which is all that is asked
        return Connection(
            self._express,
            self._lending,
            came,
            self,
            loop=self._loop,
            access_log=None,  # none is wanted
            keepalive_timeout=KEEPALIVE,
            lingering_time=LINGER,
            auto_decompress=False,
        )


class _Refused(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(_BUSY)
        transport.close()
