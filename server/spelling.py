"""An answer as it goes over the wire, made without a web framework.

What is answered thousands of times a second is put together here; everything else is a response
of aiohttp's. The reader process, which has no aiohttp, spells its answers by this too.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Any, Final

import orjson

SERVER: Final = "ensue"
JSON: Final = "application/json"


def spelled_json(value: Any, status: int) -> bytes:
    """A JSON answer: head and body."""
    body = orjson.dumps(value)
    return b"%b%b%d\r\n\r\n%b" % (_head(status), dated(int(time())), len(body), body)


@lru_cache(maxsize=8)
def _head(status: int) -> bytes:
    """Everything down to the date, which changes every second, and the length."""
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nServer: {SERVER}\r\n"
        f"Content-Type: {JSON}\r\nDate: "
    ).encode()


@lru_cache(maxsize=2)
def dated(second: int) -> bytes:
    """The date, and the name of the header after it."""
    return f"{formatdate(second, usegmt=True)}\r\nContent-Length: ".encode()
