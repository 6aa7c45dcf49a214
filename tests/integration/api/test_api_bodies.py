"""Bodies that are endless, slow or packed a thousandfold cost what their limit says, and no more."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from datetime import timedelta

import pytest
import yarl

from server import app as composition
from server.body import Bodies

LIMIT = 1 << 20
HOOK = {"sources/hooks.yaml": "webhooks:\n  lab:\n    verify: none\n    limit: 1MiB\n"}


@pytest.fixture(params=["sqlite"])
def address(request, tmp_path):
    """What a body costs does not depend on the database."""
    from base.database import Address

    return Address("sqlite", path=tmp_path / "ensue.db")


async def connect(client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = yarl.URL(client.app.url)
    return await asyncio.open_connection(url.host, url.port)


def head(path: str, *more: bytes) -> bytes:
    lines = (
        b"POST %b HTTP/1.1" % path.encode(),
        b"Host: localhost",
        b"Content-Type: application/json",
        *more,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def flood(client, path: str, chunk: bytes, chunks: int, *more: bytes) -> bytes:
    """Send a chunked body that ends only when the other side has had enough; the answer."""
    reader, writer = await connect(client)
    writer.write(head(path, b"Transfer-Encoding: chunked", *more))
    try:
        for _ in range(chunks):
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()
            if reader.at_eof():
                break
    except ConnectionError:
        pass
    async with asyncio.timeout(20):
        answer = await reader.readuntil(b"}")
    writer.close()
    return answer


@pytest.mark.parametrize("path", ["/api/events", "/hooks/lab"])
async def test_endless_bodies_cost_twice_their_limit_each_at_most(served, path):
    async with served(HOOK, **{"limits.event_size": LIMIT}) as client:
        await flood(client, path, b"x" * 65_536, 40)  # whatever is made once is made
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        answers = await asyncio.gather(
            *(flood(client, path, b"x" * 65_536, 100) for _ in range(20))
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert all(b" 413 " in answer for answer in answers)
    # What the senders of this test hold themselves is in the figure as well.
    assert peak - before < 20 * 2 * LIMIT


async def test_a_body_that_says_it_is_too_long_is_refused_unread(served):
    async with served(HOOK) as client:
        reader, writer = await connect(client)
        writer.write(head("/hooks/lab", b"Content-Length: 99999999999"))
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}")
        assert b" 413 " in answer.splitlines()[0]
        writer.close()


@pytest.mark.parametrize("path", ["/api/events", "/hooks/lab"])
async def test_what_unpacks_to_too_much_is_refused_at_the_limit(served, path):
    bomb = gzip.compress(b"0" * (100 << 20))
    async with served(HOOK, **{"limits.event_size": 1 << 20}) as client:
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        answer = await flood(client, path, bomb[:60_000], 1, b"Content-Encoding: gzip")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert b" 413 " in answer
    assert peak - before < 4 << 20


@pytest.mark.parametrize("path", ["/api/events", "/hooks/lab"])
async def test_a_body_that_dribbles_is_given_up(served, monkeypatch, path):
    patient = timedelta(milliseconds=300)
    monkeypatch.setattr(composition, "Bodies", lambda limit: Bodies(limit, deadline=patient))
    async with served(HOOK) as client:
        reader, writer = await connect(client)
        writer.write(head(path, b"Content-Length: 1000"))

        async def dribble() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        dribbling = asyncio.ensure_future(dribble())
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"}")
        dribbling.cancel()
        writer.close()
    assert b" 408 " in answer.splitlines()[0]


async def test_many_bodies_at_once_do_not_add_up(served, monkeypatch):
    monkeypatch.setattr(composition, "Bodies", lambda limit: Bodies(limit, budget=100_000))
    async with served(HOOK) as client:
        held = []
        for _ in range(4):  # each within its limit, and none of them ever complete
            reader, writer = await connect(client)
            writer.write(head("/api/events", b"Content-Length: 60000") + b"x" * 50_000)
            await writer.drain()
            held.append((reader, writer))

        async def answered(reader: asyncio.StreamReader) -> bytes:
            return await reader.readuntil(b"}")

        tasks = [asyncio.ensure_future(answered(reader)) for reader, _ in held]
        done, waiting = await asyncio.wait(tasks, timeout=10, return_when="FIRST_COMPLETED")
        assert all(b" 503 " in task.result().splitlines()[0] for task in done)
        for task in waiting:
            task.cancel()
        for _, writer in held:
            writer.close()
        # What was counted is given back when its sender is gone.
        await client.post("/api/events", {"type": "a.b", "data": "x" * 50_000}, status=202)
