"""While much comes in, connections are lent to a reader process, and nobody notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from base.errors import UnavailableError
from server.express import Express
from server.intake import lending
from tests.integration.api.wire import bodies, connected, event, request


@pytest.fixture(autouse=True)
def busy(monkeypatch):
    """A few requests are taken for many."""
    monkeypatch.setattr(lending, "BUSY", 3)
    monkeypatch.setattr(lending, "SPAN", 60)
    monkeypatch.setattr(lending, "MANY", 1)


async def lent(client, wire, **more) -> None:
    """Send events until the connection is the reader's."""
    reader = client.app.http.lending
    for number in range(2_000):
        assert (await wire.ask(request(event(number, source="/warm", **more))))[0] == 202
        if reader.lending and reader.lent:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it was not lent")


async def until(holds, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_busy_connection_is_lent_and_its_events_are_stored(client):
    async with connected(client) as wire:
        await lent(client, wire)
        for number in range(50):
            status, answer = await wire.ask(request(event(number)))
            assert (status, answer) == (
                202,
                {"accepted": 1, "duplicates": 0, "ids": [f"id-{number:06}"]},
            )
        assert client.app.http.lending.lent == 1
    stored = [one["id"] for one in await client.outside("source=/lab")]
    assert stored == [f"id-{number:06}" for number in range(50)]
    await until(lambda: client.app.http.lending.lent == 0)


async def test_what_is_answered_is_what_the_server_answers(client, monkeypatch):
    answers: dict[str, list[tuple[int, object]]] = {}
    monkeypatch.setattr(Express, "board", lambda _self, _data: None)
    for way in ("/usual", "/lent"):
        answers[way] = []
        for body in bodies(way):
            async with connected(client) as wire:
                if way == "/lent":
                    for _ in range(2):  # the first begins the span, the second ends it
                        client.app.http.lending.note(1 << 20, 1)
                    await lent(client, wire)
                answers[way].append(await wire.ask(request(body)))
                answers[way].append(await wire.ask(request(event(77, source=way))))
    assert answers["/lent"] == answers["/usual"]


async def test_a_batch_is_taken_as_a_whole_or_not_at_all(client):
    kind = "Content-Type: application/cloudevents-batch+json"

    def batch(*numbers: int, **more: object) -> bytes:
        raw = json.dumps([event(number, **more) for number in numbers]).encode()
        head = f"POST /api/events HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n"
        return f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw

    async with connected(client) as wire:
        await wire.ask(batch(1_000))
        await lent(client, wire)
        await wire.ask(batch(1_001))
        assert await wire.ask(batch(1, 2, 3)) == (
            202,
            {"accepted": 3, "duplicates": 0, "ids": ["id-000001", "id-000002", "id-000003"]},
        )
        status, answer = await wire.ask(batch(3, 4))
        assert (status, answer["accepted"], answer["duplicates"]) == (202, 1, 1)
        status, answer = await wire.ask(batch(5, 4, type="order.changed"))
        assert (status, answer["code"], answer["place"]) == (422, "id_reused", "$[1].id")
    stored = [one["id"] for one in await client.outside("source=/lab&type=order.*")]
    assert stored[-4:] == ["id-000001", "id-000002", "id-000003", "id-000004"]


async def test_any_other_request_on_a_lent_connection_is_served(client):
    async with connected(client) as wire:
        await lent(client, wire)
        await wire.ask(request(event(1)))
        status, answer = await wire.ask(request(b"", path="/api/events/id-000001", method="GET"))
        assert (status, answer["id"]) == (200, "id-000001")
        assert client.app.http.lending.lent == 0
        await lent(client, wire)
        assert (await wire.ask(request(event(2), "X-Trace: 1")))[0] == 202


async def test_requests_sent_at_once_over_a_lent_connection_are_answered_in_their_order(client):
    async with connected(client) as wire:
        await lent(client, wire)
        whole = b"".join(request(event(number)) for number in range(200))
        wire.writer.write(whole + request(b"", path="/api/health", method="GET"))
        answers = [await wire.answer() for _ in range(201)]
    assert [a["ids"] for _, a in answers[:200]] == [[f"id-{n:06}"] for n in range(200)]
    assert answers[200][0] == 404


async def test_a_request_cut_anywhere_is_read_as_a_whole(client):
    async with connected(client) as wire:
        await lent(client, wire)
        whole = request(event(1))
        for cut in range(1, len(whole), 11):
            status, answer = await wire.ask(whole[:cut], whole[cut:])
            assert (status, answer["ids"]) == (202, ["id-000001"])


async def test_a_connection_that_falls_silent_comes_back_and_goes_on(client):
    async with connected(client) as wire:
        await lent(client, wire)
        await until(lambda: client.app.http.lending.lent == 0)
        assert client.app.http.connections == 1
        assert (await wire.ask(request(event(1))))[0] == 202


async def test_half_a_request_comes_back_with_what_was_read_of_it(client):
    async with connected(client) as wire:
        await lent(client, wire)
        whole = request(event(1))
        wire.writer.write(whole[:-20])
        await until(lambda: client.app.http.lending.lent == 0)
        assert (await wire.ask(whole[-20:]))[0] == 202


async def test_a_client_that_leaves_before_its_answer_disturbs_nobody(client):
    for number in range(5):
        async with connected(client) as wire:
            await lent(client, wire)
            wire.writer.write(request(event(number)))
            await wire.writer.drain()
    await until(lambda: client.app.http.lending.lent == 0)
    async with connected(client) as wire:
        assert (await wire.ask(request(event(99))))[0] == 202


def reader_of(pid: int) -> int:
    """The process of the reader that this one started."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            if b"ensue_server.reader" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return 0


def alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


async def test_the_death_of_the_reader_ends_its_connections_and_nothing_else(client):
    async with connected(client) as wire, connected(client) as other:
        await lent(client, wire)
        os.kill(reader_of(os.getpid()), signal.SIGKILL)
        assert await wire.reader.read() == b""
        await until(lambda: not client.app.http.lending.lending)
        assert (await other.ask(request(event(1))))[0] == 202
        assert client.app.http.lending.lent == 0
    async with connected(client) as wire:
        await lent(client, wire)


async def test_a_reader_that_does_not_answer_is_ended(client, monkeypatch):
    async with connected(client) as wire:
        await lent(client, wire)
        process = reader_of(os.getpid())
        monkeypatch.setattr(lending, "DEAF", 1.5)
        os.kill(process, signal.SIGSTOP)
        assert await wire.reader.read() == b""
        await until(lambda: not alive(process))
    async with connected(client) as wire:
        assert (await wire.ask(request(event(1))))[0] == 202


async def test_a_reader_that_nothing_is_lent_to_ends(client, monkeypatch):
    monkeypatch.setattr(lending, "UNUSED", 0.5)
    async with connected(client) as wire:
        await lent(client, wire)
        process = reader_of(os.getpid())
    await until(lambda: not alive(process))
    async with connected(client) as wire:
        await lent(client, wire)


async def test_a_stop_answers_what_was_begun_and_ends_the_reader(served, monkeypatch):
    from events import sqlite

    released = asyncio.Event()
    commit = sqlite.SqliteWriter.commit
    async with served() as client:
        if client.app.floors.database.address.dialect != "sqlite":
            return
        async with connected(client) as wire:
            await lent(client, wire)
            process = reader_of(os.getpid())

            async def slow(self):
                await released.wait()
                await commit(self)

            monkeypatch.setattr(sqlite.SqliteWriter, "commit", slow)
            wire.writer.write(request(event(1)))
            await asyncio.sleep(0.05)
            stopping = asyncio.create_task(client.app.http.lending.stop())
            await asyncio.sleep(0.05)
            released.set()
            status, answer = await wire.answer()
            await stopping
            assert await wire.reader.read() == b""
    assert (status, answer["accepted"]) == (202, 1)
    assert not alive(process)


async def test_lent_connections_count_against_the_limit(client):
    client.app.http._server._limit = 1
    async with connected(client) as wire:
        await lent(client, wire)
        async with connected(client) as other:
            assert b"503" in await other.reader.readline()
        assert (await wire.ask(request(event(1))))[0] == 202


async def test_a_full_intake_is_told_over_a_lent_connection(client, monkeypatch):
    journal = client.app.floors.journal

    def full(_change):
        raise UnavailableError("more is coming in than can be stored", code="overloaded")

    async with connected(client) as wire:
        await lent(client, wire)
        with monkeypatch.context() as patched:
            patched.setattr(journal, "enqueue", full)
            status, answer = await wire.ask(request(event(1)))
        assert (status, answer["code"]) == (503, "overloaded")
        assert (await wire.ask(request(event(1))))[0] == 202


async def test_few_connections_with_small_requests_are_kept(client, monkeypatch):
    monkeypatch.setattr(lending, "MANY", 24)
    async with connected(client) as wire:
        for number in range(20):
            await wire.ask(request(event(number)))
        assert reader_of(os.getpid()) == 0
        await lent(client, wire, data="x" * lending.LARGE)


async def test_without_the_setting_there_is_no_reader(served):
    async with served(reader=False) as client:
        assert client.app.http.lending is None
        async with connected(client) as wire:
            for number in range(20):
                assert (await wire.ask(request(event(number))))[0] == 202


async def test_what_comes_over_a_lent_connection_is_counted(client):
    async with connected(client) as wire:
        await lent(client, wire)
        before = await figures(client)
        for number in (1, 2, 2):
            await wire.ask(request(event(number)))
        after = await figures(client)
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 3]


async def figures(client) -> list[float]:
    """Accepted, duplicates, and requests that were timed."""
    async with client.session.get(client.app.url + "/metrics") as response:
        lines = (await response.text()).splitlines()
    names = (
        'ensue_events_accepted_total{source_kind="api"}',
        'ensue_events_duplicate_total{source_kind="api"}',
        'ensue_http_request_seconds_count{method="POST",route="/api/events",status="2xx"}',
    )
    return [
        next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)
        for name in names
    ]


async def test_a_request_has_as_many_events_as_the_setting_says(served):
    async with served(limits__batch_events=2) as client:
        await client.post("/api/events", [{"type": "a.b"}] * 2, 202)
        refused = await client.post("/api/events", [{"type": "a.b"}] * 3, 413)
        assert refused["code"] == "batch_too_large"
