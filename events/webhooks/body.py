"""Reading a request's body, capped while it streams.

The cap holds for what comes over the wire and for what it unpacks to, and is looked at
before anything is kept: a body costs at most its limit, whether it is endless, slow, or a
kilobyte of gzip that would become gigabytes.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterable
from typing import Protocol

from base.errors import (
    InvalidInputError,
    SlowRequestError,
    TooLargeError,
    UnsupportedMediaError,
)

DEFAULT_LIMIT = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


async def read_body(
    chunks: AsyncIterable[bytes],
    *,
    limit: int = DEFAULT_LIMIT,
    content_encoding: str | None = None,
    deadline: float | None = None,
) -> bytes:
    """The whole body, unpacked; `deadline` is in seconds and for all of it.

    Raises TooLargeError as soon as more than `limit` bytes have come or were unpacked,
    UnsupportedMediaError for an encoding other than gzip and deflate, InvalidInputError for
    a stream that is broken or breaks off, SlowRequestError past the deadline.
    """
    unpacker = _unpacker(content_encoding, limit)
    received = 0
    try:
        async with asyncio.timeout(deadline):
            async for chunk in chunks:
                received += len(chunk)
                if received > limit:
                    raise _too_large(limit)
                unpacker.feed(chunk)
    except TimeoutError:
        raise SlowRequestError(
            f"the body did not arrive within {deadline:g} s", code="body_timeout"
        ) from None
    return unpacker.finish()


class _Unpacker(Protocol):
    """Takes a body piece by piece and never keeps more than the limit."""

    def feed(self, chunk: bytes) -> None: ...

    def finish(self) -> bytes: ...


def _unpacker(encoding: str | None, limit: int) -> _Unpacker:
    match (encoding or "identity").strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Inflate(limit, gzip=True)
        case "deflate":
            return _Inflate(limit, gzip=False)
        case other:
            raise UnsupportedMediaError(
                f"the content encoding {other[:40]!r} is not taken",
                code="encoding_unsupported",
                hint="send gzip, deflate or none",
            )


class _Plain:
    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def finish(self) -> bytes:
        return b"".join(self._chunks)


class _Inflate:
    """gzip (RFC 1952, any number of members) and deflate, with zlib's header or bare."""

    def __init__(self, limit: int, *, gzip: bool) -> None:
        self._limit = limit
        self._gzip = gzip
        self._stream = zlib.decompressobj(_GZIP) if gzip else None
        self._head = b""
        self._begun = gzip
        self._out = bytearray()

    def feed(self, chunk: bytes) -> None:
        if self._stream is None:
            chunk = self._head + chunk
            if len(chunk) < 2:
                self._head = chunk
                return
            self._stream = zlib.decompressobj(_ZLIB if _has_zlib_header(chunk) else _RAW)
        try:
            self._inflate(self._stream, chunk)
        except zlib.error:
            raise _broken("is damaged") from None

    def _inflate(self, stream: zlib._Decompress, data: bytes) -> None:
        while data:
            if stream.eof:
                if not self._gzip:
                    raise _broken("has something after its end")
                stream = self._stream = zlib.decompressobj(_GZIP)
            # One byte more than there is room for tells "full" from "too much".
            room = self._limit - len(self._out) + 1
            self._out += stream.decompress(data, room)
            if len(self._out) > self._limit:
                raise _too_large(self._limit)
            data = stream.unused_data if stream.eof else stream.unconsumed_tail

    def finish(self) -> bytes:
        if self._stream is None or not self._stream.eof:
            raise _broken("breaks off before its end")
        return bytes(self._out)


def _has_zlib_header(data: bytes) -> bool:
    """RFC 1950: method 8, and the first two bytes are a multiple of 31."""
    return data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0


def _broken(how: str) -> InvalidInputError:
    return InvalidInputError(f"the compressed body {how}", code="encoding_broken")


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit:,} bytes", code="body_too_large")
