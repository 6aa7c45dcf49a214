"""Sending a call over HTTP, once.

Nothing here decides what follows from it. The socket is made only for an address that may be
reached (see `target`), at the moment it is connected and for that very address, so a name that
leads elsewhere at the second look leads nowhere. Redirects are answers, not orders; proxies and
cookies have no part in it. Of an endless answer, 64 KiB are read and 4 KiB kept.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self

import aiohttp
from yarl import URL

from automations.call_action import Call, SecretHeader
from automations.target import Allowed
from base.errors import ConfigurationError
from base.time import SECOND, Micros

MAX_READ: Final = 64 * 1024
MAX_KEPT: Final = 4 * 1024
AGENT: Final = "Ensue"
_CONNECTIONS: Final = 512


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. `retry_after` is when to come back, as far as the other side said so."""

    status: int
    body: str
    """The beginning of it, as text."""
    content_type: str
    retry_after: Micros | None = None

    def to_json(self) -> dict[str, Any]:
        return {"status": self.status, "body": self.body, "content_type": self.content_type}


@dataclass(frozen=True, slots=True)
class Unsent:
    """There was no answer: why, and whether another attempt could have one."""

    code: str
    message: str
    hopeless: bool = False


class AddressForbiddenError(OSError):
    """The connection was not made."""


class Sender:
    """Sends calls. Enter it with `async with`."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._stack = AsyncExitStack()
        self._guarded: aiohttp.ClientSession | None = None
        self._trusted: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._guarded = await self._session(guarded=True)
        self._trusted = await self._session(guarded=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def send(self, action: str, call: Call, now: Micros) -> Response | Unsent:
        """Send a call under the id of its action. Raises nothing but CancelledError."""
        try:
            headers = await asyncio.to_thread(_revealed, call)
        except ConfigurationError as error:
            # Somebody may put it there yet.
            return Unsent(error.code, error.message)
        except ValueError as error:
            return Unsent("header_invalid", str(error), hopeless=True)
        headers |= {"Idempotency-Key": action, "webhook-id": action, "Accept-Encoding": "identity"}
        try:
            return await self._send(call, headers, now)
        except aiohttp.InvalidURL as error:
            return Unsent("url_invalid", _told(error), hopeless=True)
        except TimeoutError:
            seconds = call.timeout / SECOND
            return Unsent("timeout", f"there was no answer within {seconds:g} s")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, AddressForbiddenError):
                return Unsent("address_forbidden", str(error.os_error), hopeless=True)
            return Unsent("connection_failed", _told(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Unsent("connection_failed", _told(error))

    async def _send(self, call: Call, headers: dict[str, str], now: Micros) -> Response:
        url = URL(call.url)
        session = self._trusted if self._allowed.names(url.host or "") else self._guarded
        assert session is not None, "entered before it is used"
        async with session.request(
            call.method,
            url,
            headers=headers,
            data=call.body,
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),
            timeout=aiohttp.ClientTimeout(total=call.timeout / SECOND),
            ssl=await self._certificates() if url.scheme == "https" else True,
        ) as response:
            body = await _beginning(response.content)
            return Response(
                response.status,
                body.decode(errors="replace").replace("\0", "\ufffd"),
                response.headers.get("Content-Type", "")[:200],
                _retry_after(response.headers.get("Retry-After"), now),
            )

    async def _session(self, *, guarded: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=_CONNECTIONS,
            limit_per_host=0,
            socket_factory=self._socket if guarded else None,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": AGENT},
            auto_decompress=False,
            trust_env=False,
        )
        return await self._stack.enter_async_context(session)

    async def _certificates(self) -> ssl.SSLContext:
        """This machine's, read when the first call needs them: many servers never send one."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
            self._tls.set_alpn_protocols(("http/1.1",))
        return self._tls

    def _socket(self, info: Any) -> socket.socket:
        """The socket that is connected next, to the address in `info` and no other."""
        family, kind, protocol, _, address = info
        if not self._allowed.reaches(address[0]):
            raise AddressForbiddenError(
                "it leads to an address that is not public; "
                "allow_private_targets says which of those may be called"
            )
        return socket.socket(family, kind, protocol)


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """As much as is read of an answer; the connection of a longer one is closed.

    The status has been told by then, so an answer that breaks off is an answer all the same.
    """
    found = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        while len(found) < MAX_READ and (chunk := await content.readany()):
            found += chunk
    return bytes(found[:MAX_KEPT])


def _revealed(call: Call) -> dict[str, str]:
    headers = {}
    for name, value in call.headers:
        if isinstance(value, SecretHeader):
            text = value.reveal()
            if not text.isascii() or not text.isprintable():
                raise ValueError(f"the secret for the header {name} holds more than plain ASCII")
            headers[name] = text
        else:
            headers[name] = value
    return headers


def _retry_after(text: str | None, now: Micros) -> Micros | None:
    """Seconds from now, or an HTTP date (RFC 9110, 10.2.3); nonsense counts as nothing."""
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return now + min(int(text[:10]), 10**9) * SECOND
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)  # an HTTP date is always GMT
        return int(moment.timestamp()) * SECOND
    except (ValueError, TypeError, OverflowError):
        return None


def _told(error: Exception) -> str:
    """In words that name no secret: aiohttp's errors name host and port."""
    return (str(error) or type(error).__name__)[:500]
