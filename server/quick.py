"""The answer of the hot path: head and body in one write, without building headers each time.

It does for aiohttp's connection what a response does there (`prepare`, `write_eof`, `keep_alive`)
and nothing else; a request it is not made for gets an ordinary response.
"""

from __future__ import annotations

from http import HTTPStatus
from time import time
from typing import Any, cast

from aiohttp import ClientConnectionResetError, HttpVersion11, web

from server.route import reply
from server.spelling import dated, spelled_json


def quick_reply(request: web.BaseRequest, value: Any, status: int) -> web.StreamResponse:
    """A JSON answer to this request."""
    if request.version != HttpVersion11 or not request.keep_alive or request.method == "HEAD":
        return reply(value, status)
    return cast("web.StreamResponse", _Quick(spelled_json(value, status), status))


def spelled(response: web.Response) -> bytes:
    """An answer that is all there, as it goes over the wire."""
    body = response.body
    assert isinstance(body, bytes)
    headers = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    head = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n{headers}Date: "
    return b"%b%b%d\r\n\r\n%b" % (head.encode(), dated(int(time())), len(body), body)


class _Quick:
    __slots__ = ("_spelled", "keep_alive", "status")

    def __init__(self, spelled: bytes, status: int) -> None:
        self._spelled = spelled
        self.status = status
        self.keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("the connection is closed")
        transport.write(self._spelled)

    async def write_eof(self) -> None:
        """All was written at once."""
