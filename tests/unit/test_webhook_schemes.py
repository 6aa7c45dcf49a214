"""Each scheme against its published vectors, and each way a proof can be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import time
from pathlib import Path

import pytest
import standardwebhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from base.errors import EnsueError, UnavailableError
from base.time import SECOND
from events.webhooks.hook import Hook, Surroundings
from events.webhooks.request import HookRequest

WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_NOW = 1614265330 * SECOND
GITHUB = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK = {
    "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    "X-Slack-Request-Timestamp": "1531420618",
}
SLACK_NOW = 1531420618 * SECOND
TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_BODY = (
    b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234"
    b"&From=%2B14158675309&To=%2B18005551212"
)
TWILIO = {
    "X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    "Content-Type": "application/x-www-form-urlencoded",
}


def _hook(scheme, *secrets, tolerance=None, **options):
    environ = {f"SECRET_{n}": secret for n, secret in enumerate(secrets)}
    form = {"verify": {"scheme": scheme, "secret": [{"env": name} for name in environ], **options}}
    if tolerance:
        form["tolerance"] = tolerance
    return Hook.parse("lab", form, around=Surroundings(environ=environ))


def _request(headers, body=b"", url="https://example.com/hooks/lab"):
    pairs = headers.items() if isinstance(headers, dict) else headers
    return HookRequest(tuple(pairs), body, url=url)


def _refusal(hook, headers, body=b"", now=0, **options):
    with pytest.raises(EnsueError) as caught:
        hook.verify(_request(headers, body, **options), now)
    return caught.value.status, caught.value.code


def _hex(key, message):
    return hmac.digest(key.encode(), message, "sha256").hex()


# ---- published vectors ----


def test_the_published_vector_of_standard_webhooks_verifies():
    verified = _hook("standard-webhooks", WHSEC).verify(
        _request(STANDARD, STANDARD_BODY), STANDARD_NOW
    )
    assert verified.delivery_id == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert verified.signed_id


def test_the_published_vector_of_github_verifies():
    headers = {"X-Hub-Signature-256": GITHUB, "X-GitHub-Delivery": "72d3162e"}
    verified = _hook("github", "It's a Secret to Everybody").verify(
        _request(headers, b"Hello, World!"), 0
    )
    assert verified.delivery_id == "72d3162e"
    assert not verified.signed_id


def test_the_published_vector_of_slack_verifies():
    hook = _hook("slack", SLACK_SECRET)
    assert hook.verify(_request(SLACK, SLACK_BODY), SLACK_NOW)
    assert _refusal(hook, SLACK, SLACK_BODY + b"&", SLACK_NOW) == (401, "signature_mismatch")


@pytest.mark.parametrize(
    "url", [TWILIO_URL, TWILIO_URL.replace("mycompany.com", "mycompany.com:443")]
)
def test_the_published_vector_of_twilio_verifies_with_its_port_or_without(url):
    assert _hook("twilio", "12345").verify(_request(TWILIO, TWILIO_BODY, url), 0)


def test_twilio_behind_a_proxy_is_verified_by_the_url_it_was_given():
    hook = _hook("twilio", "12345", url="https://mycompany.com/myapp.php")
    inner = "http://10.0.0.5:3678/hooks/lab?foo=1&bar=2"
    assert hook.verify(_request(TWILIO, TWILIO_BODY, inner), 0)


def test_a_json_body_from_twilio_is_verified_by_its_hash():
    body = b'{"a":1}'
    url = f"https://example.com/hooks/lab?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = base64.b64encode(hmac.digest(b"12345", url.encode(), "sha1")).decode()
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/json"}
    hook = _hook("twilio", "12345")
    assert hook.verify(_request(headers, body, url), 0)
    assert _refusal(hook, headers, b'{"a":2}', url=url) == (401, "signature_mismatch")


def test_a_host_header_that_is_none_is_a_mismatch_and_no_crash():
    hook = _hook("twilio", "12345")
    for url in ("https://[::1/hooks/lab", "https://x:99999999/hooks/lab"):
        assert _refusal(hook, TWILIO, TWILIO_BODY, url=url) == (401, "signature_mismatch")


def test_stripe_signs_the_time_and_the_body_with_the_whole_secret():
    signature = _hex(WHSEC, b"1000.{}")
    hook = _hook("stripe", WHSEC)
    for header in (
        f"t=1000,v1={signature}",
        f"t=1000,v1={'0' * 64},v1={signature},v0=ignored",
    ):
        assert hook.verify(_request({"Stripe-Signature": header}, b"{}"), 1000 * SECOND)
    wrong = {"Stripe-Signature": f"t=1001,v1={signature}"}
    assert _refusal(hook, wrong, b"{}", 1000 * SECOND) == (401, "signature_mismatch")


def test_shopify_signs_the_body_in_base64():
    signature = base64.b64encode(hmac.digest(b"s", b"{}", "sha256")).decode()
    headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Webhook-Id": "b54557e4"}
    assert _hook("shopify", "s").verify(_request(headers, b"{}"), 0).delivery_id == "b54557e4"


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, _hex("s", b"body")),
        ({}, _hex("s", b"body").upper()),
        ({"prefix": "sha256="}, "sha256=" + _hex("s", b"body")),
        (
            {"encoding": "base64"},
            base64.b64encode(hmac.digest(b"s", b"body", "sha256")).decode(),
        ),
    ],
)
def test_any_header_may_carry_an_hmac(options, value):
    hook = _hook("hmac-sha256", "s", header="X-Shop-Signature", **options)
    assert hook.verify(_request({"x-shop-signature": value}, b"body"), 0)
    assert _refusal(hook, {"x-shop-signature": value}, b"Body") == (401, "signature_mismatch")


def test_bearer_and_basic_take_the_right_credentials_only():
    bearer = _hook("bearer", "s3cret")
    assert bearer.verify(_request({"Authorization": "Bearer s3cret"}), 0)
    assert _refusal(bearer, {"Authorization": "Bearer s3cre"}) == (401, "signature_mismatch")
    basic = _hook("basic", "pa:ss", user="alice")
    good = base64.b64encode(b"alice:pa:ss").decode()
    assert basic.verify(_request({"authorization": f"basic {good}"}), 0)
    for pair in (b"alice:pa", b"bob:pa:ss", b":"):
        header = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        assert _refusal(basic, header) == (401, "signature_mismatch")


def test_no_verification_lets_anybody_in():
    hook = Hook.parse("lab", {"verify": "none"})
    assert not hook.verify(_request({}), 0).signed_id


# ---- what is wrong gets a name ----

SCHEMES = {
    "github": (_hook("github", "s"), "X-Hub-Signature-256"),
    "hmac-sha256": (_hook("hmac-sha256", "s", header="X-Sig", prefix="v="), "X-Sig"),
    "shopify": (_hook("shopify", "s"), "X-Shopify-Hmac-Sha256"),
    "standard-webhooks": (_hook("standard-webhooks", WHSEC), "webhook-signature"),
    "stripe": (_hook("stripe", "s"), "Stripe-Signature"),
    "slack": (_hook("slack", "s"), "X-Slack-Signature"),
    "twilio": (_hook("twilio", "s"), "X-Twilio-Signature"),
    "bearer": (_hook("bearer", "s"), "Authorization"),
    "basic": (_hook("basic", "s", user="u"), "Authorization"),
}
TIMES = {"webhook-id": "m", "webhook-timestamp": "1000", "X-Slack-Request-Timestamp": "1000"}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_proof_is_signature_missing(scheme):
    hook, header = SCHEMES[scheme]
    assert _refusal(hook, TIMES, b"{}", 1000 * SECOND) == (401, "signature_missing")
    empty = {**TIMES, header: ""}
    assert _refusal(hook, empty, b"{}", 1000 * SECOND) == (401, "signature_missing")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proof_given_twice_is_header_duplicated(scheme):
    hook, header = SCHEMES[scheme]
    headers = [*TIMES.items(), (header, "x"), (header.upper(), "x")]
    assert _refusal(hook, headers, b"{}", 1000 * SECOND) == (400, "header_duplicated")


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("github", "757107ea"),
        ("github", "sha256=xyz"),
        ("github", "sha256=757"),
        ("github", "sha256="),
        ("github", "sha256=\udcff"),
        ("hmac-sha256", "757107ea"),
        ("hmac-sha256", "v=75 71"),
        ("shopify", "abc"),
        ("shopify", "é"),
        ("standard-webhooks", "g0hM9SsE"),
        ("standard-webhooks", "v1,abc"),
        ("standard-webhooks", "v1,é"),
        ("standard-webhooks", "v1,a,b"),
        ("standard-webhooks", "v2,abc v1"),
        ("stripe", "nothing"),
        ("stripe", "v1=00"),
        ("stripe", "t=1000,t=1000,v1=00"),
        ("stripe", "t=1000,v1=zz"),
        ("slack", "a2114d57"),
        ("slack", "v0=zz"),
        ("twilio", "abc"),
        ("bearer", "s"),
        ("bearer", "Bearer"),
        ("bearer", "Basic czpz"),
        ("bearer", "Bearer \ud800"),
        ("basic", "Basic !!!"),
        ("basic", "Basic czp"),
        ("basic", "Basic cw=="),
        ("basic", "Basic \udcff"),
    ],
)
def test_a_proof_without_its_form_is_signature_malformed(scheme, value):
    hook, header = SCHEMES[scheme]
    fault = _refusal(hook, {**TIMES, header: value}, b"{}", 1000 * SECOND)
    assert fault == (401, "signature_malformed")


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("github", f"sha256={'0' * 64}"),
        ("github", "sha256=00"),
        ("hmac-sha256", "v=" + _hex("other", b"{}")),
        ("shopify", "AAAA"),
        ("standard-webhooks", "v1,AAAA"),
        ("standard-webhooks", "v2,AAAA"),
        ("stripe", "t=1000,v1=00"),
        ("slack", "v0=00"),
        ("twilio", "AAAA"),
        ("bearer", "Bearer other"),
        ("bearer", "Bearer \udcff"),
        ("basic", "Basic czpz"),
    ],
)
def test_a_proof_that_does_not_fit_is_signature_mismatch(scheme, value):
    hook, header = SCHEMES[scheme]
    fault = _refusal(hook, {**TIMES, header: value}, b"{}", 1000 * SECOND)
    assert fault == (401, "signature_mismatch")


def _timed(scheme, timestamp):
    """Headers with the right signature for a timestamp, whatever it says."""
    if scheme == "standard-webhooks":
        key = base64.b64decode(WHSEC.removeprefix("whsec_"))
        signed = hmac.digest(key, f"m.{timestamp}.".encode() + b"{}", "sha256")
        return {
            "webhook-id": "m",
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }
    if scheme == "stripe":
        return {"Stripe-Signature": f"t={timestamp},v1=" + _hex("s", f"{timestamp}.{{}}".encode())}
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": "v0=" + _hex("s", f"v0:{timestamp}:{{}}".encode()),
    }


@pytest.mark.parametrize("scheme", ["standard-webhooks", "stripe", "slack"])
def test_a_signed_time_may_be_off_by_five_minutes_and_no_more(scheme):
    hook, _ = SCHEMES[scheme]
    headers, moment = _timed(scheme, "1000"), 1000 * SECOND
    for away in (-300, 0, 300):
        assert hook.verify(_request(headers, b"{}"), moment + away * SECOND)
    for away in (-301, 301):
        fault = _refusal(hook, headers, b"{}", moment + away * SECOND)
        assert fault == (401, "timestamp_out_of_tolerance")


@pytest.mark.parametrize("scheme", ["standard-webhooks", "stripe", "slack"])
@pytest.mark.parametrize(
    "timestamp", ["1e3", "1000.0", "+1000", "01000", "-1000", " 1000", "١٠٠٠", "1" * 5000, "now"]
)
def test_a_time_that_is_no_plain_integer_is_refused(scheme, timestamp):
    hook, _ = SCHEMES[scheme]
    fault = _refusal(hook, _timed(scheme, timestamp), b"{}", 1000 * SECOND)
    assert fault == (401, "timestamp_malformed")


def test_the_tolerance_of_a_hook_can_be_set():
    hook = _hook("slack", "s", tolerance="10s")
    headers = _timed("slack", "1000")
    assert hook.verify(_request(headers, b"{}"), 1010 * SECOND)
    fault = _refusal(hook, headers, b"{}", 1011 * SECOND)
    assert fault == (401, "timestamp_out_of_tolerance")


def test_at_most_sixteen_signatures_are_looked_at():
    right = STANDARD["webhook-signature"]
    hook, _ = SCHEMES["standard-webhooks"]

    def headers(count):
        return {**STANDARD, "webhook-signature": " ".join(["v1,AAAA"] * (count - 1) + [right])}

    assert hook.verify(_request(headers(16), STANDARD_BODY), STANDARD_NOW)
    fault = _refusal(hook, headers(17), STANDARD_BODY, STANDARD_NOW)
    assert fault == (401, "signature_malformed")
    stripe = {"Stripe-Signature": "t=1000" + ",v1=00" * 17}
    fault = _refusal(SCHEMES["stripe"][0], stripe, b"{}", 1000 * SECOND)
    assert fault == (401, "signature_malformed")


# ---- rotation ----


def test_two_secrets_are_live_while_a_sender_is_moved():
    hook = _hook("github", "old", "new")
    for secret in ("old", "new"):
        header = {"X-Hub-Signature-256": "sha256=" + _hex(secret, b"{}")}
        assert hook.verify(_request(header, b"{}"), 0)
    header = {"X-Hub-Signature-256": "sha256=" + _hex("older", b"{}")}
    assert _refusal(hook, header, b"{}") == (401, "signature_mismatch")


def test_a_secret_file_is_read_again_when_it_changes(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("first\n")
    form = {"verify": {"scheme": "bearer", "secret": {"file": "secret"}}}
    hook = Hook.parse("lab", form, around=Surroundings(directory=tmp_path, environ={}))
    first, second = ({"Authorization": f"Bearer {word}"} for word in ("first", "second"))
    assert hook.verify(_request(first), 0)

    fresh = tmp_path / "fresh"
    fresh.write_text("second")
    os.utime(fresh, ns=(1, 1))
    fresh.replace(file)
    assert hook.verify(_request(second), 0)
    assert _refusal(hook, first) == (401, "signature_mismatch")

    file.unlink()
    with pytest.raises(UnavailableError) as caught:
        hook.verify(_request(second), 0)
    assert caught.value.code == "secret_unavailable"


# ---- against the official library ----

_ALPHABET = st.characters(codec="ascii", categories=("L", "N", "P", "S"))
_IDS = st.text(_ALPHABET, min_size=1, max_size=12)
_KEYS = st.binary(min_size=1, max_size=40).map(
    lambda key: "whsec_" + base64.b64encode(key).decode()
)
_MUTATIONS = st.sampled_from(
    ["none", "none", "body", "id", "key", "time", "signature", "drop", "extra", "bare"]
)


def _mutated(draw, headers, body, key):
    signature = headers["webhook-signature"]
    match draw(_MUTATIONS):
        case "body":
            body += b" "
        case "id":
            headers["webhook-id"] += draw(_IDS)
        case "key":
            key = draw(_KEYS)
        case "time":
            away = draw(st.sampled_from([-400, -310, -290, -1, 1, 290, 310, 10**11]))
            headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + away)
        case "signature":
            at = draw(st.integers(0, len(signature) - 1))
            piece = draw(st.sampled_from(["", "A", ",", " ", "=", "é", "v1,"]))
            headers["webhook-signature"] = signature[:at] + piece + signature[at + 1 :]
        case "drop":
            del headers[draw(st.sampled_from(sorted(headers)))]
        case "extra":
            other = draw(st.sampled_from(["v1,AAAA", "v1a,AAAA", "v2,x", "v1,", "v1,abc", "x"]))
            pair = [signature, other] if draw(st.booleans()) else [other, signature]
            headers["webhook-signature"] = " ".join(pair)
        case "bare":
            key = key.removeprefix("whsec_").rstrip("=")
    return headers, body, key


@settings(max_examples=1_000, deadline=None)
@given(
    data=st.data(),
    key=_KEYS,
    message_id=_IDS,
    text=st.text(st.characters(codec="utf-8"), max_size=60),
    away=st.integers(-290, 290),
)
def test_standard_webhooks_agrees_with_the_official_library(*, data, key, message_id, text, away):
    now = time.time_ns() // 1_000
    timestamp = str(now // SECOND + away)
    body = text.encode()
    signed = hmac.digest(
        base64.b64decode(key.removeprefix("whsec_")),
        f"{message_id}.{timestamp}.".encode() + body,
        "sha256",
    )
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }
    headers, body, key = _mutated(data.draw, headers, body, key)
    official = standardwebhooks.Webhook(key)
    try:
        official.verify(body, headers, json_parse=False)
        expected = True
    except (standardwebhooks.WebhookVerificationError, ValueError):
        expected = False
    try:
        found = _hook("standard-webhooks", key).verify(_request(headers, body), now).signed_id
    except EnsueError:
        found = False
    assert found == expected
