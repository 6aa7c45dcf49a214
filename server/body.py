"""A request's body, counted as it comes, before anything else looks at it.

One body is bounded as sent and as unpacked, and has a deadline (`events.webhooks.body`); all
bodies that are on their way together are bounded too, so that many slow senders cannot add up.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aiohttp import StreamReader, web

from base.errors import InvalidInputError, TooLargeError, UnavailableError
from events.webhooks.body import read_body

DEADLINE: Final = timedelta(seconds=10)
_BUDGET: Final = 64 << 20
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Bodies:
    """Reads the bodies of one server."""

    def __init__(
        self, limit: int, *, deadline: timedelta = DEADLINE, budget: int = _BUDGET
    ) -> None:
        """`limit` is for one body in bytes, `budget` for all that are being received."""
        self.limit = limit
        self._deadline = deadline.total_seconds()
        self._budget = budget
        self._held = 0

    async def read(self, request: web.BaseRequest, *, limit: int | None = None) -> bytes:
        """The whole body, without its content encoding; errors are those of `read_body`.

        `limit` stands in for the server's own. UnavailableError says that too much is on its way at once.
        """
        limit = limit or self.limit
        encoding = request.headers.get("Content-Encoding")
        content = request.content
        if encoding is None and content.is_eof():  # a small body comes with its headers
            body = content.read_nowait()
            if len(body) > limit:
                raise _too_large(limit)
            return body
        announced = request.content_length
        if announced is not None and announced > limit:
            raise _too_large(limit)
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(_CONTINUE)
        chunks = _Counted(self, request.content)
        try:
            return await read_body(
                chunks, limit=limit, content_encoding=encoding, deadline=self._deadline
            )
        except web.RequestPayloadError as error:
            raise InvalidInputError(f"the body broke off: {error}", code="body_broken") from None
        finally:
            self._held -= chunks.size

    def hold(self, size: int) -> None:
        """Count bytes that are being received. Raises UnavailableError over the budget."""
        self._held += size
        if self._held > self._budget:
            raise UnavailableError("too much is coming in at once", code="overloaded")


class _Counted:
    """The chunks of one body, counted towards the budget of all."""

    def __init__(self, bodies: Bodies, content: StreamReader) -> None:
        self._bodies = bodies
        self._content = content
        self.size = 0

    def __aiter__(self) -> _Counted:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._content.readany()
        if not chunk:
            raise StopAsyncIteration
        self.size += len(chunk)
        self._bodies.hold(len(chunk))
        return chunk


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit:,} bytes", code="body_too_large")
