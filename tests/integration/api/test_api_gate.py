"""Who may speak to a server without keys, and what the API says of itself."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
import yarl

EVENT = {"type": "a.b"}


async def raw(client, request: bytes) -> bytes:
    """The whole answer to exactly these bytes."""
    url = yarl.URL(client.app.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        await asyncio.sleep(0.02)


async def answers(client, path: str, status: int) -> bool:
    async with client.session.get(client.app.url + path) as response:
        return response.status == status


async def test_a_web_page_of_another_origin_cannot_post(client):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"):
        answer = await client.post("/api/events", EVENT, status=403, headers={"Origin": origin})
        assert answer["code"] == "origin_forbidden"
    assert await client.outside() == []


async def test_a_page_of_the_server_itself_can(client):
    await client.post("/api/events", EVENT, status=202, headers={"Origin": client.app.url})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3678", "10.0.0.1", "localhost.evil.example", ""]
)
async def test_a_name_that_was_pointed_at_loopback_is_not_answered(client, host):
    answer = await client.get("/api/events", status=403, headers={"Host": host})
    assert answer["code"] == "host_forbidden"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9", "127.0.0.1", "127.9.9.9:80", "[::1]:80"]
)
async def test_loopback_has_many_names(client, host):
    await client.get("/api/events", headers={"Host": host})


async def test_a_name_that_was_configured_is_answered(served):
    async with served(hosts=("hub.example",)) as client:
        await client.get("/api/events", headers={"Host": "hub.example"})
        origin = {"Host": "hub.example", "Origin": "https://hub.example"}
        await client.post("/api/events", EVENT, status=202, headers=origin)


async def test_other_addresses_are_refused_unless_said(served):
    from base.errors import ConfigurationError

    with pytest.raises(ConfigurationError) as refused:
        async with served(host="0.0.0.0"):
            pass
    assert refused.value.code == "address_insecure"
    async with served(host="0.0.0.0", insecure=True) as client:
        port = client.app.url.rpartition(":")[2]
        async with client.session.get(f"http://127.0.0.1:{port}/healthz") as response:
            assert response.status == 200


async def test_the_front_page_links_to_what_can_be_read(client):
    async with client.session.get(client.app.url + "/") as response:
        page = await response.text()
    assert response.content_type == "text/html"
    for link in re.findall(r'href="([^"]+)"', page):
        async with client.session.get(client.app.url + link) as response:
            assert response.status == 200, link


async def test_it_says_that_it_lives_and_is_ready(client):
    assert await client.get("/healthz") == {"status": "alive"}
    await eventually(lambda: answers(client, "/readyz", 200))


async def test_what_is_not_ready_is_named_with_the_reason(client):
    async def told() -> bool:
        client.app.floors.journal.available = False  # the next commit finds that it is not so
        async with client.session.get(client.app.url + "/readyz") as response:
            waiting = (await response.json()).get("waiting", {})
            if "database" not in waiting:
                return False
            assert response.status == 503
            assert response.headers["Retry-After"]
        return True

    await eventually(told)


async def test_figures_are_exported(client):
    await client.post("/api/events", EVENT, status=202)
    async with client.session.get(client.app.url + "/metrics") as response:
        text = await response.text()
    assert 'ensue_events_accepted_total{source_kind="api"} 1.0' in text
    assert 'route="/api/events"' in text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"flow": 1}, 400, "field_unknown"),
        ({"automations": "x"}, 400, "field_unknown"),
        ({"automation": 7}, 422, "field_invalid"),
        ([], 422, "field_invalid"),
    ],
)
async def test_a_field_that_is_none_is_told(client, body, status, code):
    await client.post("/api/events", {**EVENT, "id": "e"}, status=202)
    answer = await client.post("/api/events/e/replay", body, status=status)
    assert answer["code"] == code
    if code == "field_unknown":
        assert "automation" in answer["hint"]


async def test_a_form_that_is_no_json_is_refused(client):
    await client.post("/api/events", {**EVENT, "id": "e"}, status=202)
    text = {"Content-Type": "text/plain"}
    await client.post("/api/events/e/replay", status=415, data=b"{}", headers=text)
    await client.post(
        "/api/events/e/replay", status=400, data=b"{", headers={"Content-Type": "application/json"}
    )


async def test_what_fails_unexpectedly_says_an_id_and_nothing_else(client, monkeypatch):
    from server.lookup import Lookup

    async def broken(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(Lookup, "event", broken)
    answer = await client.get("/api/events/x", status=500)
    assert answer["code"] == "internal"
    assert answer["id"]
    assert "inside" not in json.dumps(answer)


async def test_a_database_out_of_reach_is_no_fault_of_the_request(client, monkeypatch):
    from sqlalchemy.exc import OperationalError

    for error in (ConnectionRefusedError("refused"), OperationalError("", {}, Exception("down"))):

        def broken(error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(client.app.floors.database, "reader", broken)
        answer = await client.get("/api/events", status=503)
        assert answer["code"] == "unavailable"


async def test_events_of_the_service_itself_cannot_be_sent(client):
    answer = await client.post("/api/events", {"type": "ensue.run.completed"}, status=400)
    assert (answer["code"], answer["place"]) == ("type_reserved", "$.type")


async def test_an_expected_100_is_given_before_a_long_body(client):
    url = yarl.URL(client.app.url)
    body = json.dumps({"type": "a.b", "data": "x" * 200_000}).encode()
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        b"POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    async with asyncio.timeout(10):
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        await reader.readline()
        writer.write(body)
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 202")


async def test_old_clients_and_those_that_close_are_answered_too(client):
    body = b'{"type": "a.b"}'
    head = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(
        body
    )
    for version, more in ((b"1.0", b""), (b"1.1", b"Connection: close\r\n")):
        answer = await raw(
            client, b"POST /api/events HTTP/%b\r\n%b%b\r\n%b" % (version, head, more, body)
        )
        assert b" 202 " in answer.splitlines()[0]
        assert answer.endswith(b"}")


async def test_requests_may_follow_one_another_on_a_connection(client):
    body = b'{"type": "a.b"}'
    one = (
        b"POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    last = one.replace(b"Host:", b"Connection: close\r\nHost:")
    answer = await raw(client, one * 3 + last)
    assert answer.count(b"HTTP/1.1 202") == 4
    assert len(await client.outside()) == 4


async def test_head_is_get_without_a_body(client):
    async with client.session.head(client.app.url + "/api/events") as response:
        assert response.status == 200
        assert await response.read() == b""


async def test_a_connection_too_many_is_told_to_come_back(served, monkeypatch):
    from server import http

    monkeypatch.setattr(http, "_connections", lambda: 3)
    async with served() as client:
        url = yarl.URL(client.app.url)
        held = [await asyncio.open_connection(url.host, url.port) for _ in range(3)]

        async def all_there() -> bool:
            return client.app.http.connections == 3

        await eventually(all_there)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        answer = await reader.read()
        assert b" 503 " in answer.splitlines()[0]
        assert b"Retry-After" in answer
        for _, each in (*held, (reader, writer)):
            each.close()


async def test_a_connection_that_says_nothing_is_closed(served, monkeypatch):
    from server import connection

    monkeypatch.setattr(connection, "HEADERS", 0.1)
    async with served() as client:
        assert await raw(client, b"POST /api/events HTTP/1.1\r\nHost: loc") == b""


async def test_aiohttp_clients_that_go_away_disturb_nobody(client):
    async def leave() -> None:
        with pytest.raises((TimeoutError, aiohttp.ClientError)):
            await client.session.post(
                client.app.url + "/api/events",
                json=EVENT,
                timeout=aiohttp.ClientTimeout(total=0.0001),
            )

    await asyncio.gather(*(leave() for _ in range(20)))
    await client.post("/api/events", EVENT, status=202)
