"""The answer of the hot path: head and body in one write, without building headers each time.

It does for aiohttp's connection what a response does there (`prepare`, `write_eof`, `keep_alive`)
and nothing else; a request it is not made for gets an ordinary response.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Any, cast

import orjson
from aiohttp import ClientConnectionResetError, HttpVersion11, web

from server.problems import SERVER
from server.route import JSON, reply


def quick_reply(request: web.BaseRequest, value: Any, status: int) -> web.StreamResponse:
    """A JSON answer to this request."""
    if request.version != HttpVersion11 or not request.keep_alive or request.method == "HEAD":
        return reply(value, status)
    return cast("web.StreamResponse", _Quick(orjson.dumps(value), status))


def spelled_json(value: Any, status: int) -> bytes:
    """A JSON answer, as it goes over the wire."""
    return _spelled(orjson.dumps(value), status)


def spelled(response: web.Response) -> bytes:
    """An answer that is all there, as it goes over the wire."""
    body = response.body
    assert isinstance(body, bytes)
    headers = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    head = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n{headers}Date: "
    return b"%b%b%d\r\n\r\n%b" % (head.encode(), _dated(int(time())), len(body), body)


def _spelled(body: bytes, status: int) -> bytes:
    return b"%b%b%d\r\n\r\n%b" % (_head(status), _dated(int(time())), len(body), body)


class _Quick:
    __slots__ = ("_body", "keep_alive", "status")

    def __init__(self, body: bytes, status: int) -> None:
        self._body = body
        self.status = status
        self.keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("the connection is closed")
        transport.write(_spelled(self._body, self.status))

    async def write_eof(self) -> None:
        """All was written at once."""


@lru_cache(maxsize=8)
def _head(status: int) -> bytes:
    """Everything down to the date, which changes every second, and the length."""
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nServer: {SERVER}\r\n"
        f"Content-Type: {JSON}\r\nDate: "
    ).encode()


@lru_cache(maxsize=2)
def _dated(second: int) -> bytes:
    """The date, and the name of the header after it."""
    return f"{formatdate(second, usegmt=True)}\r\nContent-Length: ".encode()
