"""The express lane answers as the ordinary way does, in order, and only what it may."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from server.express import Express
from tests.integration.api.wire import bodies, connected, event, request


@pytest.fixture
def boarded(monkeypatch) -> list[bytes]:
    """The requests that went over the express lane."""
    taken: list[bytes] = []
    board = Express.board

    def noted(self, data):
        found = board(self, data)
        if found is not None:
            taken.append(data)
        return found

    monkeypatch.setattr(Express, "board", noted)
    return taken


async def test_the_second_request_with_the_same_head_goes_over_the_express_lane(client, boarded):
    async with connected(client) as wire:
        for number in range(5):
            status, answer = await wire.ask(request(event(number)))
            assert (status, answer["ids"]) == (202, [f"id-{number:06}"])
    assert len(boarded) == 4
    stored = [one["id"] for one in await client.outside("source=/lab")]
    assert stored == [f"id-{number:06}" for number in range(5)]


async def test_a_head_learned_on_one_connection_serves_the_first_request_of_another(
    client, boarded
):
    for number in range(2):
        async with connected(client) as wire:
            assert (await wire.ask(request(event(number))))[0] == 202
    assert len(boarded) == 1


async def test_both_ways_give_the_same_answers(client, boarded, monkeypatch):
    answers: dict[str, list[tuple[int, object]]] = {}
    for way in ("/express", "/usual"):
        if way == "/usual":
            monkeypatch.setattr(Express, "board", lambda _self, _data: None)
        answers[way] = []
        for body in bodies(way):
            async with connected(client) as wire:
                await wire.ask(request(b" " * len(body)))  # makes the head known
                answers[way].append(await wire.ask(request(body)))
    assert answers["/express"] == answers["/usual"]
    assert [status for status, _ in answers["/usual"]][:4] == [202, 202, 422, 400]
    assert len(boarded) == 4


async def test_a_request_cut_anywhere_is_read_as_a_whole(client, boarded):
    async with connected(client) as wire:
        await wire.ask(request(event(0)))
    whole = request(event(1))
    for cut in range(1, len(whole), 7):
        async with connected(client) as wire:
            status, answer = await wire.ask(whole[:cut], whole[cut:])
            assert (status, answer["ids"]) == (202, ["id-000001"])
    assert boarded == []


async def test_requests_sent_at_once_are_answered_in_their_order(client, boarded):
    async with connected(client) as wire:
        await wire.ask(request(event(0)))
        wire.writer.write(request(event(1)))
        await asyncio.sleep(0)
        wire.writer.write(request(event(2)) + request(b"", path="/api/health", method="GET"))
        wire.writer.write(request(event(3)))
        answers = [await wire.answer() for _ in range(4)]
    assert [status for status, _ in answers] == [202, 202, 404, 202]
    assert [a["ids"] for s, a in answers if s == 202] == [[f"id-{n:06}"] for n in (1, 2, 3)]


async def test_a_flood_behind_a_request_waits_outside(client, boarded):
    async with connected(client) as wire:
        await wire.ask(request(event(0)))
        for number in range(1, 1_001):
            wire.writer.write(request(event(number)))
        answers = [await wire.answer() for _ in range(1_000)]
    assert [a["ids"] for _, a in answers] == [[f"id-{n:06}"] for n in range(1, 1_001)]


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: http://evil.example",),
        ("Expect: 100-continue",),
        ("ce-id: 7", "ce-type: a.b", "ce-source: /lab", "ce-specversion: 1.0"),
        ("Connection: close",),
        ("Content-Encoding: gzip",),
    ],
)
async def test_heads_that_ask_for_more_go_the_ordinary_way(client, boarded, headers):
    for number in range(3):
        async with connected(client) as wire:
            with contextlib.suppress(asyncio.IncompleteReadError, TypeError):
                await wire.ask(request(event(number), *headers))
    assert boarded == []


async def test_what_is_on_the_express_lane_at_the_stop_is_answered(served, monkeypatch):
    from events import sqlite

    released = asyncio.Event()
    commit = sqlite.SqliteWriter.commit
    async with served() as client:
        if client.app.floors.database.address.dialect != "sqlite":
            return
        async with connected(client) as wire:
            await wire.ask(request(event(0)))

            async def slow(self):
                await released.wait()
                await commit(self)

            monkeypatch.setattr(sqlite.SqliteWriter, "commit", slow)
            wire.writer.write(request(event(1)))
            await asyncio.sleep(0.05)
            stopping = asyncio.create_task(client.app.http.close())
            await asyncio.sleep(0.05)
            released.set()
            status, answer = await wire.answer()
            await stopping
    assert (status, answer["accepted"]) == (202, 1)


async def test_a_client_that_leaves_before_its_answer_disturbs_nobody(client, boarded):
    async with connected(client) as wire:
        await wire.ask(request(event(0)))
    for number in range(1, 20):
        async with connected(client) as wire:
            wire.writer.write(request(event(number)))
            await wire.writer.drain()
    async with connected(client) as wire:
        assert (await wire.ask(request(event(99))))[0] == 202
