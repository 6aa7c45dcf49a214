"""Webhooks over HTTP: what is delivered becomes events once, the rest is refused and recorded."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import time
from typing import Any

import pytest
from standardwebhooks import Webhook

SECRET = "It's a Secret to Everybody"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SOURCES = """
webhooks:
  github:
    verify: {scheme: github, secret: {file: secret.txt}}
  std:
    verify: {scheme: standard-webhooks, secret: {file: key.txt}}
  small:
    verify: {scheme: hmac-sha256, header: X-Sig, secret: {file: secret.txt}}
    limit: 100
  slack:
    verify: {scheme: slack, secret: {file: secret.txt}}
  door:
    verify: {scheme: bearer, secret: {file: secret.txt}}
  login:
    verify: {scheme: basic, user: me, secret: {file: secret.txt}}
  lab:
    verify: none
"""
FILES = {"sources/hooks.yaml": SOURCES, "secret.txt": SECRET, "key.txt": KEY}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def client(served):
    async with served(FILES) as client:
        yield client


def github(body: bytes, delivery: str = "d1", event: str = "push") -> dict[str, str]:
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {
        **JSON,
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def standard(body: bytes, id_: str = "msg_1", at: int | None = None) -> dict[str, str]:
    at = int(time.time()) if at is None else at
    key = base64.b64decode(KEY.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id_}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {
        **JSON,
        "webhook-id": id_,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
    }


async def until(condition: Any, seconds: float = 10) -> Any:
    """What the condition answers once it holds."""
    deadline = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < deadline, "it did not come to be in time"
        await asyncio.sleep(0.05)
    return found


async def deliver(client, hook: str, body: bytes, headers: dict[str, str], status: int) -> Any:
    return await client.post(f"/hooks/{hook}", status=status, data=body, headers=headers)


async def test_a_signed_delivery_becomes_an_event(client):
    body = b'{"action": "opened", "repository": {"full_name": "o/r"}}'
    answer = await deliver(client, "github", body, github(body, event="issues"), 202)
    assert answer == {"id": "d1"}
    event = await client.get("/api/events/d1")
    assert event["type"] == "github.issues.opened"
    assert event["subject"] == "o/r"
    assert event["source"] == "/hooks/github"
    items = (await client.get("/api/webhooks/github/deliveries"))["items"]
    assert [(one["status"], one["event_id"], one["size"]) for one in items] == [
        ("accepted", "d1", len(body))
    ]
    assert items[0]["headers"]["x-hub-signature-256"] == "[redacted]"
    assert items[0]["remote"] == "127.0.0.1"


async def test_the_same_delivery_again_is_answered_with_the_same_id(client):
    body = b'{"a": 1}'
    await deliver(client, "github", body, github(body), 202)
    assert await deliver(client, "github", body, github(body), 200) == {"id": "d1"}
    other = b'{"a": 2}'  # a provider's retry may differ in its body
    assert await deliver(client, "github", other, github(other), 200) == {"id": "d1"}
    assert len(await client.outside()) == 1
    items = (await client.get("/api/webhooks/github/deliveries"))["items"]
    assert [one["status"] for one in items] == ["duplicate", "duplicate", "accepted"]


async def test_the_same_body_under_another_unsigned_id_is_a_replay(client):
    body = b'{"a": 1}'
    await deliver(client, "github", body, github(body, "d1"), 202)
    assert await deliver(client, "github", body, github(body, "d2"), 200) == {"id": "d1"}
    await client.get("/api/events/d2", status=404)
    other_event = github(body, "d3", event="ping")
    assert await deliver(client, "github", body, other_event, 202) == {"id": "d3"}


async def test_the_same_body_under_another_signed_id_is_another_delivery(client):
    body = b'{"a": 1}'
    await deliver(client, "std", body, standard(body, "m1"), 202)
    await deliver(client, "std", body, standard(body, "m2"), 202)
    assert await deliver(client, "std", body, standard(body, "m2"), 200) == {"id": "m2"}


async def test_what_is_delivered_at_the_same_time_twice_is_stored_once(client):
    body = b'{"a": 1}'

    async def one(n: int) -> int:
        async with client.session.post(
            client.app.url + "/hooks/github", data=body, headers=github(body, f"d{n}")
        ) as response:
            return response.status

    statuses = await asyncio.gather(*(one(n) for n in range(20)))
    assert sorted(statuses) == [200] * 19 + [202]
    assert len(await client.outside()) == 1


async def test_what_the_official_library_signs_is_accepted(client):
    from datetime import UTC, datetime

    body, at = '{"test": 2432232314}', datetime.now(UTC)
    signature = Webhook(KEY).sign("msg_2", at, body)
    headers = {
        **JSON,
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }
    await deliver(client, "std", body.encode(), headers, 202)


BODY = b'{"a": 1}'
GOOD = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"webhook-signature": None}, 401, "signature_missing"),
        ({"webhook-signature": GOOD}, 401, "signature_mismatch"),
        ({"webhook-signature": "nonsense"}, 401, "signature_malformed"),
        ({"webhook-signature": "v1,%%%"}, 401, None),
        ({"webhook-signature": "v1,ünicode"}, 401, None),
        ({"webhook-signature": "v1,YQ"}, 401, "signature_malformed"),
        ({"webhook-signature": " ".join([GOOD] * 17)}, 401, "signature_malformed"),
        ({"webhook-timestamp": "1614265330"}, 401, "timestamp_out_of_tolerance"),
        ({"webhook-timestamp": "soon"}, 401, "timestamp_malformed"),
        ({"webhook-timestamp": "1.5"}, 401, "timestamp_malformed"),
    ],
)
async def test_a_proof_that_is_none_is_refused_with_its_reason(client, changed, status, code):
    headers = {k: v for k, v in {**standard(BODY), **changed}.items() if v is not None}
    answer = await deliver(client, "std", BODY, headers, status)
    assert code is None or answer["code"] == code
    assert await client.outside() == []


async def test_a_header_given_twice_is_refused(client):
    headers = [*standard(BODY).items(), ("webhook-signature", GOOD)]
    answer = await client.post("/hooks/std", status=400, data=BODY, headers=headers)
    assert answer["code"] == "header_duplicated"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", JSON, 400, "body_empty"),
        (b'{"a": ', JSON, 400, None),
        (b'{"a": 1, "a": 2}', JSON, 400, None),
        (b"[" * 2_000 + b"]" * 2_000, JSON, 400, None),
        (b'{"a": NaN}', JSON, 400, None),
        (b'{"a": "\\u0000"}', JSON, 400, None),
        (b'{"a": "\\ud800"}', JSON, 400, None),
        (b'{"a": ' + b"9" * 5_000 + b"}", JSON, 400, None),
        (b'{"a": "\xff"}', JSON, 400, None),
        (b"<a/>", {"Content-Type": "application/xml"}, 415, "unsupported_media_type"),
        (b"a=1&" * 2_000, {"Content-Type": "application/x-www-form-urlencoded"}, 413, None),
        (b"{}", {**JSON, "Content-Encoding": "zstd"}, 415, "encoding_unsupported"),
        (b" " * ((1 << 20) + 1), JSON, 413, "body_too_large"),
        (
            b'{"specversion": "1.0", "type": "t", "source": "/s"}',
            {"Content-Type": "application/cloudevents+json"},
            400,
            "attribute_missing",
        ),
        (
            b'{"specversion": "2.0", "type": "t", "source": "/s", "id": "1"}',
            {"Content-Type": "application/cloudevents+json"},
            400,
            "specversion_unsupported",
        ),
        (
            b'[{"specversion": "1.0", "type": "t", "source": "/s", "id": "1"}, {}]',
            {"Content-Type": "application/cloudevents-batch+json"},
            400,
            "attribute_missing",
        ),
        (b"[]", {"Content-Type": "application/cloudevents-batch+json"}, 400, "batch_empty"),
    ],
)
async def test_a_body_that_cannot_be_taken_is_refused(client, body, headers, status, code):
    answer = await client.post("/hooks/lab", status=status, data=io.BytesIO(body), headers=headers)
    assert code is None or answer["code"] == code
    assert await client.outside() == []


async def test_the_limit_of_a_hook_holds_before_its_signature_is_looked_at(client):
    answer = await deliver(client, "small", b"x" * 101, JSON, 413)
    assert answer["code"] == "body_too_large"


async def test_credentials_are_asked_for(client):
    await deliver(client, "door", BODY, JSON, 401)
    await deliver(client, "door", BODY, {**JSON, "Authorization": "Bearer nothing"}, 401)
    await deliver(client, "door", BODY, {**JSON, "Authorization": f"Bearer {SECRET}"}, 202)
    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    await deliver(client, "login", BODY, {**JSON, "Authorization": "Basic bm8="}, 401)
    await deliver(client, "login", BODY, {**JSON, "Authorization": f"Basic {basic}"}, 202)


async def test_a_challenge_is_verified_before_it_is_echoed(client):
    body = json.dumps({"type": "url_verification", "challenge": "c4"}).encode()
    at = str(int(time.time()))
    digest = hmac.new(SECRET.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {**JSON, "X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={digest}"}
    async with client.session.post(
        client.app.url + "/hooks/slack", data=body, headers=headers
    ) as response:
        assert (response.status, await response.text()) == (200, "c4")
    headers["X-Slack-Signature"] = "v0=" + "0" * 64
    await deliver(client, "slack", body, headers, 401)


async def test_a_hook_takes_posts_only(client):
    async with client.session.get(client.app.url + "/hooks/lab") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"


async def test_a_hook_that_is_not_there_is_not_found(client):
    answer = await deliver(client, "nobody", BODY, JSON, 404)
    assert answer["code"] == "hook_unknown"


async def test_a_web_page_cannot_deliver(client):
    headers = {**JSON, "Origin": client.app.url}
    answer = await deliver(client, "lab", BODY, headers, 403)
    assert answer["code"] == "origin_forbidden"


async def test_a_hook_that_was_removed_is_gone_also_after_a_restart(served):
    async with served(FILES) as client:
        await deliver(client, "lab", BODY, JSON, 202)
    async with served({"sources/hooks.yaml": "webhooks: {}\n"}) as client:
        answer = await deliver(client, "lab", BODY, JSON, 410)
        assert answer["code"] == "hook_removed"


async def test_a_hook_whose_definition_is_broken_says_later(served):
    broken = "webhooks:\n  lab: {verify: nonsense}\n"
    async with served({"sources/hooks.yaml": broken}) as client:
        async with client.session.post(client.app.url + "/hooks/lab", json={}) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
        problems = (await client.get("/api/webhooks"))["problems"]
        assert [(one["hook"], one["line"]) for one in problems] == [("lab", 2)]


async def test_refused_deliveries_are_recorded_and_told_once(client):
    for n in range(130):
        await deliver(
            client,
            "github",
            BODY,
            {**github(BODY, f"d{n}"), "X-Hub-Signature-256": "sha256=" + "0" * 64},
            401,
        )

    async def recorded() -> Any:
        items = (await client.get("/api/webhooks/github/deliveries?limit=1000"))["items"]
        newest = any(one["headers"]["x-github-delivery"] == "d129" for one in items)
        return items if newest else None

    items = await until(recorded)
    assert len(items) == 100
    assert {(one["status"], one["code"]) for one in items} == {("rejected", "signature_mismatch")}
    assert SECRET not in json.dumps(items)

    async def told() -> Any:
        return (await client.get("/api/events?type=ensue.webhook.rejected"))["items"]

    events = await until(told)
    assert len(events) == 1
    assert events[0]["source"] == "/hooks/github"
    assert events[0]["data"]["codes"].keys() == {"signature_mismatch"}


async def test_the_hooks_are_listed_with_their_figures(client):
    await deliver(client, "lab", BODY, JSON, 202)
    items = {one["name"]: one for one in (await client.get("/api/webhooks"))["items"]}
    assert items["lab"]["accepted"] == 1
    assert items["lab"]["last_delivery"]
    assert items["github"]["url"] == f"{client.app.url}/hooks/github"
    assert items["github"]["scheme"] == "github"


async def test_only_a_configured_proxy_is_believed_about_the_sender(served):
    forwarded = {**JSON, "X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.0.0.2"}
    for proxies, expected in (((), "127.0.0.1"), (("127.0.0.1", "10.0.0.0/8"), "203.0.113.9")):
        async with served(FILES, trusted_proxies=proxies) as client:
            await deliver(client, "lab", json.dumps([expected]).encode(), forwarded, 202)
            items = (await client.get("/api/webhooks/lab/deliveries"))["items"]
            assert items[0]["remote"] == expected
