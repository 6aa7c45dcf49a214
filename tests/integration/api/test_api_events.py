"""Events over HTTP: taken in, listed, shown, and refused with the reason."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from typing import Any

import pytest

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
EVENT = {"specversion": "1.0", "id": "a1", "source": "/shop", "type": "order.created"}


async def test_an_event_is_accepted_and_shown_as_it_was_sent(client):
    sent = {**EVENT, "subject": "o/1", "data": {"total": 3}, "custom": "x"}
    answer = await client.post("/api/events", status=202, data=json.dumps(sent), headers=STRUCTURED)
    assert answer == {"accepted": 1, "duplicates": 0, "ids": ["a1"]}
    shown = await client.get("/api/events/a1")
    assert sent.items() <= shown.items()
    assert shown["depth"] == 0
    assert shown["correlationid"] == "a1"


async def test_plain_json_needs_only_a_type(client):
    answer = await client.post("/api/events", {"type": "a.b"}, status=202)
    shown = await client.get(f"/api/events/{answer['ids'][0]}")
    assert shown["source"] == "/api"


async def test_the_binary_form_takes_its_attributes_from_headers(client):
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "b1",
        "ce-source": "/s",
        "ce-type": "t",
        "Content-Type": "application/json",
    }
    await client.post("/api/events", status=202, data=b'{"x": 1}', headers=headers)
    assert (await client.get("/api/events/b1"))["data"] == {"x": 1}


async def test_a_duplicate_is_a_success_that_changes_nothing(client):
    for expected in ({"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}):
        answer = await client.post("/api/events", EVENT, status=202)
        assert expected.items() <= answer.items()
    assert len(await client.outside()) == 1


async def test_an_id_with_another_content_is_refused(client):
    await client.post("/api/events", {**EVENT, "data": 1}, status=202)
    answer = await client.post("/api/events", {**EVENT, "data": 2}, status=422)
    assert answer["code"] == "id_reused"


async def test_a_batch_with_a_reused_id_is_refused_as_a_whole_with_its_index(client):
    await client.post("/api/events", {**EVENT, "data": 1}, status=202)
    batch = [{**EVENT, "id": "new"}, {**EVENT, "data": 2}]
    answer = await client.post("/api/events", batch, status=422)
    assert (answer["code"], answer["place"]) == ("id_reused", "$[1].id")
    await client.get("/api/events/new", status=404)


async def test_one_bad_event_refuses_its_batch_and_is_named(client):
    answer = await client.post("/api/events", [EVENT, {"type": 7}], status=400)
    assert answer["place"] == "$[1].type"
    assert await client.outside() == []


async def test_a_long_batch_is_taken_whole(client):
    batch = [{**EVENT, "id": f"n{n}", "data": "x" * 400} for n in range(1_000)]
    answer = await client.post("/api/events", batch, status=202)
    assert answer["accepted"] == 1_000


async def test_pages_follow_one_another_without_gap_or_overlap(client):
    await client.post("/api/events", [{**EVENT, "id": f"e{n}"} for n in range(7)], status=202)
    for order, expected in (("desc", range(6, -1, -1)), ("asc", range(7))):
        seen: list[str] = []
        cursor = ""
        while True:
            page = await client.get(f"/api/events?limit=3&type=order.created&order={order}{cursor}")
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert seen == [f"e{n}" for n in expected]


async def test_the_list_is_filtered_by_globs_subject_time_and_chain(client):
    events = [
        {
            **EVENT,
            "id": "1",
            "type": "order.created",
            "subject": "a",
            "time": "2020-01-01T00:00:00Z",
        },
        {**EVENT, "id": "2", "type": "order.paid", "subject": "b", "source": "/pay/eu"},
        {**EVENT, "id": "3", "type": "job.failed", "correlationid": "1"},
    ]
    await client.post("/api/events", events, status=202)

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in await client.outside(query)]

    assert await ids("type=order.*") == ["1", "2"]
    assert await ids("type=*.failed") == ["3"]
    assert await ids("type=order.?aid") == ["2"]
    assert await ids("type=*") == ["1", "2", "3"]
    assert await ids("source=/pay/*") == ["2"]
    assert await ids("subject=b") == ["2"]
    assert await ids("until=2021-01-01T00:00:00Z") == ["1"]
    assert await ids("since=1h") == ["2", "3"]


async def test_globs_take_notice_of_case_and_of_nothing_but_their_two_signs(client):
    types = ("a.b", "A.B", "a_b", "a%b", "a[b", "a\\b", "ä.b")
    await client.post("/api/events", [{**EVENT, "id": t, "type": t} for t in types], status=202)

    async def found(glob: str) -> set[str]:
        page = await client.get("/api/events", params={"type": glob, "source": "/shop"})
        return {item["type"] for item in page["items"]}

    assert await found("*.b") == {"a.b", "ä.b"}
    assert await found("a*") == set(types) - {"A.B", "ä.b"}
    assert await found("?.B") == {"A.B"}
    for literal in ("a_b*", "*a%b", "a[b*", "*a\\b"):
        assert await found(literal) == {literal.replace("*", "")}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("sort=time", 400, "parameter_unknown"),
        ("order=sideways", 400, "parameter_invalid"),
        ("limit=0", 422, "unprocessable"),
        ("limit=1001", 422, "unprocessable"),
        ("limit=ten", 400, "parameter_invalid"),
        ("since=yesterday", 400, "parameter_invalid"),
        ("cursor=AAAA", 400, "cursor_invalid"),
        ("cursor=%00", 400, "parameter_invalid"),
        ("type=", 400, "parameter_invalid"),
        ("type=a&type=b", 400, "parameter_duplicated"),
    ],
)
async def test_a_parameter_that_cannot_be_is_told_with_what_can(client, query, status, code):
    answer = await client.get(f"/api/events?{query}", status=status)
    assert answer["code"] == code
    assert answer["place"] or answer["hint"]


async def test_a_tampered_cursor_is_refused(client):
    await client.post("/api/events", [{**EVENT, "id": f"e{n}"} for n in range(3)], status=202)
    cursor = (await client.get("/api/events?limit=2"))["next"]
    for wrong in (cursor[:-1], cursor + "A", cursor.swapcase(), "x" + cursor):
        answer = await client.get("/api/events", params={"cursor": wrong}, status=400)
        assert answer["code"] == "cursor_invalid"


@pytest.mark.parametrize(
    "id_", ["nothing", "%00", "a/b", "%2F%2F", "ü" * 300, "'; DROP TABLE event"]
)
async def test_ids_that_are_none_are_not_found(client, id_):
    answer = await client.get(f"/api/events/{id_}", status=404)
    assert answer["code"] in {"event_unknown", "not_found"}


async def test_an_id_may_contain_a_slash(client):
    await client.post("/api/events", {**EVENT, "id": "a/b c"}, status=202)
    import yarl

    url = yarl.URL(client.app.url + "/api/events/a%2Fb%20c", encoded=True)
    async with client.session.get(url) as response:
        assert (await response.json(content_type=None))["id"] == "a/b c"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, None),
        (b'{"type": "a", "type": "b"}', {}, 400, None),
        (b'{"type": "a", "data": NaN}', {}, 400, None),
        (b'{"type": "a", "data": "\\ud800"}', {}, 400, None),
        (b'{"type": "a", "data": "\\u0000"}', {}, 400, None),
        (b'{"type": ', {}, 400, None),
        (b"\xff", {}, 400, None),
        (b'{"type": "a"}', {"Content-Type": "text/html"}, 415, "unsupported_media_type"),
        (b'{"type": "a"}', {"Content-Encoding": "br"}, 415, "encoding_unsupported"),
        (b'{"type": "a"}', {"Content-Encoding": "gzip"}, 400, "encoding_broken"),
        (b'{"specversion": "0.3", "type": "a"}', {}, 400, "specversion_unsupported"),
        (gzip.compress(b" " * (5 << 20)), {"Content-Encoding": "gzip"}, 413, "body_too_large"),
        (b" " * ((1 << 20) + 1), {}, 413, "body_too_large"),
    ],
)
async def test_a_body_that_cannot_be_taken_is_explained(client, body, headers, status, code):
    given = {"Content-Type": "application/json", **headers}
    answer = await client.post("/api/events", status=status, data=io.BytesIO(body), headers=given)
    assert answer["status"] == status
    assert answer["detail"]
    if code:
        assert answer["code"] == code


async def test_a_packed_body_is_unpacked(client):
    body = gzip.compress(json.dumps(EVENT).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    await client.post("/api/events", status=202, data=body, headers=headers)
    await client.get("/api/events/a1")


async def test_the_wrong_method_is_told_the_right_ones(client):
    async with client.session.put(client.app.url + "/api/events") as response:
        assert response.status == 405
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
        assert (await response.json(content_type=None))["code"] == "method_not_allowed"


async def test_a_path_that_is_none_is_a_problem_too(client):
    for path in ("/api", "/api/events/", "/nothing", "/api/events/a/b/c", "//"):
        assert (await client.get(path, status=404))["code"] == "not_found"


async def test_what_is_no_http_is_a_problem_and_ends_the_connection(client):
    _, _, port = client.app.url.rpartition(":")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(b"GET / HTTP/9.9 nonsense\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert b" 400 " in answer.splitlines()[0]
    assert b'"not_http"' in answer


async def test_many_at_once_are_all_stored(client):
    async def one(n: int) -> Any:
        return await client.post("/api/events", {**EVENT, "id": f"m{n}"}, status=202)

    await asyncio.gather(*(one(n) for n in range(200)))
    assert len(await client.outside()) == 200


async def test_a_chain_is_listed_with_its_first_event(served):
    rule = "name: a\ntrigger: {event: one}\nactions: [{emit: two}]\n"
    async with served({"automations/a.yaml": rule}) as client:
        await client.post("/api/events", {"id": "first", "type": "one"}, 202)
        await client.post("/api/events", {"id": "other", "type": "one"}, 202)
        page = await client.get("/api/events?correlationid=first&order=asc")
    kinds = [item["type"] for item in page["items"]]
    assert kinds[0] == "one"
    assert sorted(kinds[1:]) == ["ensue.automation.fired", "two"]
