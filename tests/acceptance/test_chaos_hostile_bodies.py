"""Bodies that never end, unpack to far more than they are, or hardly come at all."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

LIMIT = 1 << 20
"""The limit of one body where nothing else was said; all together may be 64 of it."""
CONNECTIONS = 100
CHUNK = b"[" * 65_536
BOMB = gzip.compress(bytes(64 << 20))
"""64 KiB that unpack to 64 MiB."""
SMALL_BOMB = gzip.compress(bytes(64 << 10))
"""Some 100 bytes that unpack to 64 KiB: a body may consist of any number of them."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def head(*headers: str, path: str = "/api/events") -> bytes:
    lines = ("POST " + path + " HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    return "\r\n".join((*lines, *headers, "", "")).encode()


async def endless_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Transfer-Encoding: chunked"))
    await pour(reader, writer, b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))


async def endless_delivery(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Transfer-Encoding: chunked", path="/hooks/open"))
    await pour(reader, writer, b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))


async def more_than_announced_is_allowed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(head(f"Content-Length: {10 << 30}"))
    await pour(reader, writer, CHUNK)


async def gzip_bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}") + BOMB)
    await writer.drain()


async def many_bombs_in_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Encoding: gzip", "Transfer-Encoding: chunked"))
    await pour(reader, writer, b"%x\r\n%s\r\n" % (len(SMALL_BOMB), SMALL_BOMB))


async def a_byte_now_and_then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    most = b'{"type": "a.b", "data": "' + b"x" * (LIMIT - 100)
    writer.write(head(f"Content-Length: {LIMIT}") + most)
    await drip(reader, writer, b"x")


async def a_header_now_and_then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /api/events HTTP/1.1\r\nHost: localhost\r\n")
    await drip(reader, writer, b"X-Slow: 1\r\n")


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write without end, until the other side answers or closes."""
    while not reader.at_eof() and not reader._buffer:  # type: ignore[attr-defined]  # what came so far
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0)  # the others want to be heard too


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write a little every half second, until the other side answers or closes."""
    while not reader.at_eof() and not reader._buffer:  # type: ignore[attr-defined]  # what came so far
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.5)


async def outcome(url: str, attack: Attack) -> int | None:
    """The status of the answer; None where the connection was closed without one."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with contextlib.suppress(ConnectionError):
        await attack(reader, writer)
    try:
        line = await asyncio.wait_for(reader.readline(), 30)
    except ConnectionError:
        return None
    finally:
        writer.close()
    return int(line.split()[1]) if line else None


def memory(pid: int, what: str) -> int:
    """VmRSS, what it has now, or VmHWM, the most it ever had; in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(what)


@pytest.mark.parametrize(
    ("attack", "answers"),
    [
        (endless_chunks, {413, 503}),
        (endless_delivery, {413, 503}),
        (more_than_announced_is_allowed, {413}),
        (gzip_bomb, {413, 503}),
        (many_bombs_in_one, {413, 503}),
        (a_byte_now_and_then, {408, 503}),
        (a_header_now_and_then, {None}),
    ],
)
async def test_memory_stays_within_what_the_connections_may_hold(
    serving: Any, tmp_path: Path, attack: Attack, answers: set[int | None]
) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "open.yaml").write_text("webhooks: {open: {verify: none}}")
    with serving(tmp_path) as served:
        body = b'{"type": "a.b"}'
        assert (await asyncio.to_thread(served.post, "/api/events", body))[0] == 202
        before = memory(served.process.pid, "VmRSS")
        attacks = [asyncio.create_task(outcome(served.url, attack)) for _ in range(CONNECTIONS)]
        began = time.monotonic()
        # Whoever is honest is served meanwhile.
        assert (await asyncio.to_thread(served.post, "/api/events", body))[0] == 202
        assert time.monotonic() - began < 5
        outcomes = set(await asyncio.gather(*attacks))
        grown = memory(served.process.pid, "VmHWM") - before
    assert outcomes <= answers | {None}
    assert outcomes & answers
    assert grown <= 2 * LIMIT * CONNECTIONS, f"it grew by {grown >> 20} MiB"
