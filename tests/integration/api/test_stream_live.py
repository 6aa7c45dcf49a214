"""The live stream over HTTP: filtered, resumed without a gap, and let go when nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yarl

from server import face
from server.api.stream import StreamApi


class Follower:
    """Reads server-sent events."""

    def __init__(self, response: Any) -> None:
        self._response = response

    async def events(self, count: int) -> list[tuple[int, Any]]:
        """The next events that are not the service's own, each with its position."""
        found: list[tuple[int, Any]] = []
        while len(found) < count:
            fields = await self.message()
            if "data" in fields:
                event = json.loads(fields["data"])
                if not event["type"].startswith("ensue."):
                    assert fields["event"] == "event"
                    found.append((int(fields["id"]), event))
        return found

    async def message(self) -> dict[str, str]:
        """The next message; a comment is under the empty name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            while line := (await self._response.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        return fields


@contextlib.asynccontextmanager
async def following(client, query: str = "", **headers: str) -> AsyncIterator[Follower]:
    async with client.session.get(
        client.app.url + "/api/stream" + query, headers=headers
    ) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        follower = Follower(response)
        assert (await follower.message()).keys() == {"retry"}
        yield follower


async def send(client, *names: str, type: str = "a.b", **more: Any) -> None:  # noqa: A002 - the attribute's own name
    batch = [{"type": type, "id": name, "source": "/t", **more} for name in names]
    await client.post("/api/events", batch, status=202)


def ids(events: list[tuple[int, Any]]) -> list[str]:
    return [event["id"] for _, event in events]


async def test_what_happens_is_followed_live(client):
    async with following(client) as follower:
        await send(client, "1", "2")
        await send(client, "3")
        assert ids(await follower.events(3)) == ["1", "2", "3"]


async def test_only_what_was_asked_for_comes(client):
    async with following(client, "?type=order.*&source=/t&subject=x*") as follower:
        await send(client, "1", subject="x1")
        await send(client, "2", type="order.paid", subject="y")
        await send(client, "3", type="Order.paid", subject="x1")
        await send(client, "4", type="order.paid", subject="x1")
        assert ids(await follower.events(1)) == ["4"]


@pytest.mark.parametrize("how", ["header", "parameter"])
async def test_who_comes_back_misses_nothing(client, how):
    async with following(client) as follower:
        await send(client, "1", "2")
        (first, _), _ = await follower.events(2)
    await send(client, *(f"n{n}" for n in range(300)))
    query, headers = ("", {"Last-Event-ID": str(first)})
    if how == "parameter":
        query, headers = (f"?after={first}", {})
    async with following(client, query, **headers) as follower:
        assert ids(await follower.events(301)) == ["2", *(f"n{n}" for n in range(300))]
        await send(client, "last")
        assert ids(await follower.events(1)) == ["last"]


async def test_nothing_is_missed_or_doubled_while_the_past_is_read_and_more_comes(client):
    await send(client, *(f"old{n}" for n in range(500)))
    expected = [f"old{n}" for n in range(500)]

    async def keep_sending() -> None:
        for n in range(100):
            await send(client, f"new{n}a", f"new{n}b")
            expected.extend((f"new{n}a", f"new{n}b"))

    sending = asyncio.ensure_future(keep_sending())
    async with following(client, "?after=0") as follower:
        seen = ids(await follower.events(700))
    await sending
    assert seen == expected


async def test_several_follow_at_their_own_pace(client):
    async with following(client) as one, following(client, "?type=z") as other:
        await send(client, "1")
        await send(client, "2", type="z")
        assert ids(await one.events(2)) == ["1", "2"]
        assert ids(await other.events(1)) == ["2"]
    async with client.session.get(client.app.url + "/metrics") as response:
        assert "ensue_stream_clients" in await response.text()


async def test_a_quiet_stream_shows_that_it_lives(served, monkeypatch):
    monkeypatch.setattr(
        face, "StreamApi", lambda stream, metrics: StreamApi(stream, metrics, heartbeat=0.1)
    )
    async with served() as client, following(client, "?type=never") as follower:
        assert await follower.message() == {"": ""}
        assert await follower.message() == {"": ""}


async def test_a_stop_ends_the_stream_and_says_so(served):
    async with served() as client, following(client, "?type=never") as follower:
        stopping = asyncio.ensure_future(client.app.services.stop())
        assert "stopping" in (await follower.message())[""]
        await stopping


async def test_who_does_not_read_is_let_go(served, monkeypatch):
    monkeypatch.setattr(
        face, "StreamApi", lambda stream, metrics: StreamApi(stream, metrics, patience=0.2)
    )
    async with served() as client:
        url = yarl.URL(client.app.url)
        reader, writer = await asyncio.open_connection(url.host, url.port, limit=1_024)
        writer.write(b"GET /api/stream?type=big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readline()
        for n in range(24):
            await send(client, f"big{n}", type="big", data="x" * 900_000)

        async def dropped() -> bool:
            async with client.session.get(client.app.url + "/metrics") as response:
                return "ensue_stream_dropped_total 1.0" in await response.text()

        async with asyncio.timeout(30):
            while not await dropped():  # noqa: ASYNC110 - the figure is all that tells
                await asyncio.sleep(0.05)
        assert client.app.floors.journal.available
        writer.close()


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ("?after=x", {}, 400, "parameter_invalid"),
        ("?after=-1", {}, 422, "unprocessable"),
        ("?kind=x", {}, 400, "parameter_unknown"),
        ("", {"Last-Event-ID": "abc"}, 400, "position_invalid"),
    ],
)
async def test_a_position_that_is_none_is_refused(client, query, headers, status, code):
    answer = await client.get("/api/stream" + query, status=status, headers=headers)
    assert answer["code"] == code


async def test_the_stream_has_no_head(client):
    async with client.session.head(client.app.url + "/api/stream") as response:
        assert response.status == 405
