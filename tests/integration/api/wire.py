"""Requests by the byte, over connections of our own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re

import yarl

EVENT = {"specversion": "1.0", "id": "a", "source": "/lab", "type": "order.created"}


class Wire:
    """One connection, by the byte."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def ask(self, *pieces: bytes) -> tuple[int, object]:
        """Send one request in these pieces; the status and the JSON of the answer."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.001)
        return await self.answer()

    async def answer(self) -> tuple[int, object]:
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = int(re.search(r"(?i)content-length: (\d+)", head)[1])
            body = await self.reader.readexactly(length)
        return int(head.split()[1]), json.loads(body)


@contextlib.asynccontextmanager
async def connected(client):
    url = yarl.URL(client.app.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    yield Wire(reader, writer)
    writer.close()


def request(body: object, *headers: str, path: str = "/api/events", method: str = "POST") -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/cloudevents+json",
        f"Content-Length: {len(raw)}",
        *headers,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def event(number: int, **more: object) -> dict[str, object]:
    return {**EVENT, "id": f"id-{number:06}", **more}


def bodies(source: str) -> list[bytes]:
    told = [
        event(1),
        event(1),  # a duplicate
        event(1, type="order.changed"),  # the id again, for something else
        event(2, type="ensue.run.completed"),
        event(3, data={"a": [1, 2.5, None, "é"]}),
        {"id": "no type"},
    ]
    return [
        *(json.dumps({**one, "source": source}).encode() for one in told),
        json.dumps([event(4), event(5)]).encode(),
        b"{",
        b"[1, 2",
        b'{"a": 1, "a": 2}',
        b'{"a": 123456789012345678901234567890}',
        b"\xff\xfe",
        b"[" * 70 + b"]" * 70,
    ]
