"""Whatever is sent, it is never the server's fault: no answer is 5xx, and the service lives on."""

from __future__ import annotations

import asyncio
import random

import pytest
import yarl

PROJECT = {
    "sources/hooks.yaml": "webhooks:\n  lab: {verify: none}\n",
    "automations/rule.yaml": (
        "name: rule\ntrigger: {event: a.b}\nactions:\n"
        '  - emit: c.d\n    data: {x: "${event.data.x}"}\n'
    ),
}
READ = (
    b"/api/events", b"/api/events/@", b"/api/events/@/lineage", b"/api/automations",
    b"/api/automations/@", b"/api/automations/@/firings", b"/api/flows", b"/api/flows/@",
    b"/api/runs", b"/api/runs/@", b"/api/runs/@/logs", b"/api/runs/@/tasks", b"/api/webhooks",
    b"/api/webhooks/@/deliveries", b"/api/dead", b"/", b"/@",
)  # fmt: skip
WRITTEN = (
    b"/api/events", b"/api/events/@/replay", b"/api/automations/rule/fire",
    b"/api/automations/@/pause", b"/api/flows/@/runs", b"/api/flows/@/pause",
    b"/api/runs/@/cancel", b"/api/runs/@/retry", b"/api/dead/@/replay", b"/hooks/lab", b"/hooks/@",
)  # fmt: skip
WORDS = (
    b"x", b"%00", b"\xff\xfe", b"%ff", b"..", b"a%2Fb", "ü".encode(), b"'", b"%", b"%zz", b"-1",
    b"\xed\xa0\x80", b"1" * 300, b"9" * 24, b"null", b"[", b"*", b"?*", b"{}", b"7d",
    b"9" * 20 + b"d", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"running", b"asc",
)  # fmt: skip
NAMES = (
    b"type", b"source", b"subject", b"since", b"until", b"limit", b"cursor", b"order", b"after",
    b"state", b"flow", b"automation", b"correlationid", b"\xff", b"sort", b"",
)  # fmt: skip
BODIES = (
    b"", b"{}", b"[]", b"null", b"1", b'"x"', b"[" * 5_000, b'{"type":"a.b"}', b'{"type":"a\xff"}',
    b'{"type":"a.b","id":"\\ud800"}', b'{"type":"a.b","data":{"x":"\\u0000"}}', b'{"event":{}}',
    b'{"event":"x"}', b'{"event":{"data":{"x":[null,{}]}}}', b'{"event":{"data":"\\u0000"}}',
    b'{"automation":"\\ud800"}', b'{"automation":"x"}', b'{"parameters":{"\\u0000":1}}',
    b'{"parameters":{"x":1},"delay":"99999999w"}', b'{"delay":1e300}', b'{"delay":-1}',
    b'{"idempotency_key":""}', b'{"tags":["",null]}', b'{"type":"a.b","data":' + b"9" * 30 + b"}",
    b'{"type":"a.b","data":1e400}', b'{"type":"a.b","time":"9999-12-31T23:59:59Z"}',
    b'{"type":"a.b","time":"0001-01-01T00:00:00Z"}', b'{"type":"a.b","data_base64":"!"}',
    b'{"type":"a.b","correlationid":"' + b"x" * 600 + b'"}', b'{"type":"a.b","subject":""}',
)  # fmt: skip
HEADERS = (
    b"", b"", b"", b"", b"X: \xff\xfe\r\n", b"ce-id: x\r\n", b"Content-Encoding: \xff\r\n",
    b"ce-specversion: 1.0\r\nce-type: t\r\nce-source: s\r\nce-id: \xff\r\n", b"Origin: \xff\r\n",
    b"ce-specversion: 1.0\r\nce-type: t\r\nce-source: s\r\nce-id: 5\r\nce-foo: %00\r\n",
    b"X-Forwarded-For: \xff\r\n", b"Content-Encoding: gzip\r\n", b"Content-Type: \xff\r\n",
)  # fmt: skip
TYPES = (
    b"application/json", b"application/json", b"application/json", b"text/plain", b"",
    b"application/cloudevents+json", b"application/cloudevents-batch+json",
    b"application/json; charset=utf-16", b"application/x-www-form-urlencoded",
)  # fmt: skip


def odd_request(chance: random.Random) -> bytes:
    pick = chance.choice
    if chance.random() < 0.5:
        method, path, body = b"GET", pick(READ), b""
        query = b"&".join(pick(NAMES) + b"=" + pick(WORDS) for _ in range(chance.randrange(3)))
    else:
        method, path, body, query = b"POST", pick(WRITTEN), pick(BODIES), b""
    if chance.random() < 0.05:
        method = pick((b"PUT", b"HEAD", b"\xffX"))
    target = path.replace(b"@", pick(WORDS)) + (b"?" + query if query else b"")
    return (
        b"%b %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%bContent-Type: %b\r\n"
        b"Content-Length: %d\r\n\r\n%b"
        % (method, target, pick(HEADERS), pick(TYPES), len(body), body)
    )


async def answer_to(client, request: bytes) -> bytes:
    url = yarl.URL(client.app.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("seed", range(4))
async def test_no_request_however_odd_is_answered_with_5xx(served, seed):
    chance = random.Random(seed)
    async with served(PROJECT) as client:
        for _ in range(20):
            requests = [odd_request(chance) for _ in range(20)]
            answers = await asyncio.gather(*(answer_to(client, one) for one in requests))
            for request, answer in zip(requests, answers, strict=True):
                status = answer.partition(b"\r\n")[0].split(b" ")[1]
                assert status[:1] in {b"2", b"4"}, (request, answer)
        assert client.app.services.ready


async def test_headers_that_are_no_text_are_kept_as_far_as_they_are(served):
    async with served(PROJECT) as client:
        body = b"<a/>"
        request = (
            b"POST /hooks/lab HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"X-Odd: \xff\xfe%b\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b"
            % (b"y" * 5_000, len(body), body)
        )
        assert b" 415 " in (await answer_to(client, request)).partition(b"\r\n")[0]
        page = await client.until("/api/webhooks/lab/deliveries", lambda page: page["items"])
        kept = page["items"][0]["headers"]["x-odd"]
        assert kept.endswith("yyy")
        assert len(kept) <= 1_000
