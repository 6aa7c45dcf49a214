"""A hook: from its definition to the events of a delivery."""

from __future__ import annotations

import base64
import hmac
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.errors import EnsueError
from base.fields import FormError
from base.time import SECOND, parse_rfc3339
from events.webhooks import Hook, HookRequest, Surroundings, Verified

NOW = parse_rfc3339("2030-01-01T12:00:00Z")
JSON = ("Content-Type", "application/json")
AROUND = Surroundings(environ={"SECRET": "s", "OTHER": "t", "WHSEC": "whsec_c2VjcmV0"})
GITHUB = {"verify": {"scheme": "github", "secret": {"env": "SECRET"}}}


def _hook(name="lab", **form):
    return Hook.parse(name, {"verify": "none", **form}, "webhooks.lab", around=AROUND)


def _events(hook, body, *headers, verified=None, url="https://example.com/hooks/lab?a=1&a=2&n=%00"):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    pairs = (
        headers if any(name.lower() == "content-type" for name, _ in headers) else (JSON, *headers)
    )
    return hook.events(HookRequest(pairs, raw, url=url), verified or Verified(), NOW)


def _event(hook, body, *headers, **options):
    (event,) = _events(hook, body, *headers, **options)
    return event


def _fault(call, *args, **options):
    with pytest.raises(EnsueError) as caught:
        call(*args, **options)
    return caught.value.status, caught.value.code, caught.value.place


# ---- the default mapping ----


def test_any_json_becomes_an_event_of_its_hook():
    event = _event(_hook("lab"), {"x": [1, 2.5, None]})
    assert (event.type, event.source, event.subject) == ("webhook.lab", "/hooks/lab", None)
    assert event.data == {"x": [1, 2.5, None]}
    assert event.id
    assert (event.time, event.received) == (NOW, NOW)
    assert (event.depth, event.correlationid) == (0, event.id)


def test_the_delivery_id_is_the_id_of_the_event():
    assert _event(_hook(), {}, verified=Verified("d-1")).id == "d-1"


def test_github_gives_type_subject_and_id():
    hook = Hook.parse("gh", GITHUB, around=AROUND)
    body = {"action": "opened", "repository": {"full_name": "acme/shop"}}
    event = _event(hook, body, ("X-GitHub-Event", "issues"), verified=Verified("d-1"))
    assert (event.type, event.subject, event.id) == ("github.issues.opened", "acme/shop", "d-1")
    assert event.source == "/hooks/gh"
    push = _event(hook, {"ref": "main"}, ("X-GitHub-Event", "push"))
    assert push.type == "github.push"


@pytest.mark.parametrize(
    ("body", "subject"),
    [
        ({"repository": {"full_name": "acme/shop"}, "organization": {"login": "o"}}, "acme/shop"),
        ({"organization": {"login": "acme"}, "sender": {"login": "ann"}}, "acme"),
        ({"installation": {"account": {"login": "acme"}}, "sender": {"login": "ann"}}, "acme"),
        ({"installation": {"id": 5}, "sender": {"login": "ann"}}, "ann"),
        ({"enterprise": {"slug": "corp"}, "organization": None}, "corp"),
        ({"repository": "odd", "sender": {"login": 5}}, "gh"),
        ([], "gh"),
    ],
)
def test_a_github_delivery_about_no_repository_still_has_a_subject(body, subject):
    hook = Hook.parse("gh", GITHUB, around=AROUND)
    assert _event(hook, body, ("X-GitHub-Event", "x")).subject == subject


def test_github_may_wrap_its_json_in_a_form():
    hook = Hook.parse("gh", GITHUB, around=AROUND)
    body = urlencode({"payload": '{"action":"created","x":"é"}'}).encode()
    form = ("Content-Type", "application/x-www-form-urlencoded")
    event = _event(hook, body, form, ("X-GitHub-Event", "star"))
    assert (event.type, event.data["x"]) == ("github.star.created", "é")
    broken = urlencode({"payload": '{"action":'}).encode()
    fault = _fault(_events, hook, broken, form, ("X-GitHub-Event", "star"))
    assert fault == (400, "json_truncated", "line 1, column 11")


def test_a_github_delivery_without_its_event_header_is_refused():
    hook = Hook.parse("gh", GITHUB, around=AROUND)
    assert _fault(_events, hook, {}) == (400, "header_missing", "X-GitHub-Event")


def test_a_cloudevent_is_taken_as_it_is():
    hook = _hook()
    event = {"specversion": "1.0", "id": "7", "source": "/s", "type": "a.b", "data": 1}
    structured = ("Content-Type", "application/cloudevents+json")
    assert _event(hook, event, structured).root()["source"] == "/s"
    batch = ("Content-Type", "application/cloudevents-batch+json")
    assert [e.id for e in _events(hook, [event, {**event, "id": "8"}], batch)] == ["7", "8"]
    headers = [(f"ce-{name}", value) for name, value in event.items() if name != "data"]
    assert _event(hook, {"n": 1}, *headers).data == {"n": 1}
    fault = _fault(_events, hook, [event, {**event, "type": ""}], batch)
    assert fault == (400, "attribute_invalid", "$[1].type")


def test_nobody_outside_makes_the_services_own_events():
    structured = ("Content-Type", "application/cloudevents+json")
    forged = {"specversion": "1.0", "id": "7", "source": "/s", "type": "ensue.run.completed"}
    assert _fault(_events, _hook(), forged, structured)[:2] == (400, "type_reserved")
    hook = _hook(event={"type": "${body.type}"})
    assert _fault(_events, hook, {"type": "ensue.run.completed"})[:2] == (400, "type_reserved")


# ---- content ----


def test_a_form_is_a_map_of_texts():
    form = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    event = _event(_hook(), b"a=1&b=x+y&a=2&c=&a=3", form)
    assert event.data == {"a": ["1", "2", "3"], "b": "x y", "c": ""}


@pytest.mark.parametrize(
    ("content_type", "body", "fault"),
    [
        ("application/json", b"", (400, "body_empty", None)),
        ("application/json", b" \n", (400, "body_empty", None)),
        ("application/x-www-form-urlencoded", b"", (400, "body_empty", None)),
        ("application/json", b'{"a":\n', (400, "json_truncated", "line 2, column 1")),
        ("application/json", b'{"a":NaN}', (400, "json_not_a_number", "$.a")),
        ("application/json", b'{"a":1,"a":2}', (400, "json_duplicate_key", "$.a")),
        ("application/json", b'{"a":"\\u0000"}', (400, "json_nul_character", "$.a")),
        ("application/json", b'{"a":"\\ud800"}', (400, "json_lone_surrogate", "$.a")),
        ("application/json", b'{"a":' + b"9" * 5000 + b"}", (400, "json_number_out_of_range", "$.a")),
        ("application/json", b'"\xff"', (400, "json_not_utf8", "line 1, column 2")),
        ("application/x-www-form-urlencoded", b"a=%ff", (400, "body_not_text", None)),
        ("application/x-www-form-urlencoded", b"a=\xff", (400, "body_not_text", None)),
        ("application/x-www-form-urlencoded", b"a=%00", (400, "body_nul_character", None)),
        ("application/x-www-form-urlencoded", b"a&" * 1_001, (413, "too_many_fields", None)),
        ("application/json", b'"' + b"x" * 9_000 + b'"', (413, "too_large", None)),
        ("multipart/form-data; boundary=x", b"--x", (415, "unsupported_media_type", "Content-Type")),
        ("text/plain", b"hello", (415, "unsupported_media_type", "Content-Type")),
        ("", b"{}", (415, "unsupported_media_type", "Content-Type")),
        ("application/json; charset=utf-7", b"{}", (415, "charset_unsupported", None)),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(content_type, body, fault):
    hook = _hook(limit=8192)
    assert _fault(_events, hook, body, ("Content-Type", content_type)) == fault


def test_a_content_type_given_twice_is_refused():
    fault = _fault(_events, _hook(), {}, JSON, JSON)
    assert fault == (400, "header_duplicated", "Content-Type")


# ---- the mapping of a hook ----


def test_a_hook_says_what_its_events_are():
    hook = _hook(
        event={
            "type": "shop.${body.kind}",
            "source": "/shop",
            "subject": "${body.order.id}",
            "id": "${headers['x-delivery']}",
            "time": "${body.at}",
            "data": {"total": "${body.order.total}", "who": "${query.a} via ${hook}"},
        }
    )
    body = {"kind": "paid", "order": {"id": 17, "total": 9.5}, "at": "2029-12-31T00:00:00Z"}
    event = _event(hook, body, ("X-Delivery", "d-9"))
    assert (event.type, event.source, event.subject) == ("shop.paid", "/shop", "17")
    assert (event.id, event.data) == ("d-9", {"total": 9.5, "who": "2 via lab"})
    assert event.time == parse_rfc3339("2029-12-31T00:00:00Z")


def test_what_a_hook_does_not_say_stays_as_its_scheme_has_it():
    hook = Hook.parse(
        "gh", {**GITHUB, "event": {"type": "code.${headers['x-github-event']}"}}, around=AROUND
    )
    body = {"repository": {"full_name": "acme/shop"}}
    event = _event(hook, body, ("X-GitHub-Event", "push"), verified=Verified("d-1"))
    assert (event.type, event.subject, event.id) == ("code.push", "acme/shop", "d-1")
    assert event.data == body


def test_the_whole_body_passes_untouched():
    body = {"b": 18446744073709551615, "a": 1}
    assert _event(_hook(event={"data": "${body}"}), body).encoded == orjson.dumps(body)


def test_an_absent_or_empty_subject_is_none():
    hook = _hook(event={"subject": "${body.?who.orValue(null)}"})
    assert _event(hook, {}).subject is None
    assert _event(hook, {"who": ""}).subject is None


@pytest.mark.parametrize(
    ("mapping", "body", "fault"),
    [
        ({"subject": "${body.order.id}"}, {}, (422, "field_missing", "webhooks.lab.event.subject")),
        ({"type": "${body.t}"}, {"t": ["x"]}, (400, "attribute_invalid", "event.type")),
        ({"type": "${body.t}"}, {"t": ""}, (400, "attribute_invalid", "event.type")),
        ({"type": "${body.t}"}, {"t": None}, (400, "attribute_missing", "event.type")),
        ({"type": "${body.t}"}, {"t": "x" * 256}, (400, "attribute_invalid", "event.type")),
        ({"time": "${body.t}"}, {"t": "noon"}, (400, "attribute_invalid", "event.time")),
        ({"id": "${body.t}"}, {"t": "a\nb"}, (400, "attribute_invalid", "event.id")),
    ],
)
def test_a_mapping_that_finds_no_answer_names_the_field(mapping, body, fault):
    assert _fault(_events, _hook(event=mapping), body) == fault


def test_expressions_see_no_proof_and_no_half_characters():
    hook = _hook(event={"data": {"headers": "${headers}", "query": "${query}"}})
    event = _event(
        hook,
        {},
        ("Authorization", "Bearer s3cret"),
        ("Cookie", "session=s3cret"),
        ("X-Api-Key", "s3cret"),
        ("X-Odd", "\udcff\ud800"),
        ("X-Two", "1"),
        ("x-two", "2"),
    )
    assert b"s3cret" not in event.encoded
    assert event.data["headers"]["x-two"] == "1, 2"
    assert "\N{REPLACEMENT CHARACTER}" in event.data["headers"]["x-odd"]
    assert event.data["query"]["n"] == "\N{REPLACEMENT CHARACTER}"


def test_an_id_that_is_no_text_is_refused():
    fault = _fault(_events, _hook(), {}, verified=Verified("a\udcff"))
    assert fault == (400, "attribute_invalid", "event.id")


# ---- replays ----


def test_a_replay_under_another_id_is_recognised_where_ids_are_not_signed():
    hook = Hook.parse("gh", GITHUB, around=AROUND)
    assert hook.replay_window == 600 * SECOND

    def key(body, name="push", of=hook):
        request = HookRequest((JSON, ("X-GitHub-Event", name)), body)
        (event,) = of.events(request, Verified(), NOW)
        return of.replay_key(request, event)

    assert key(b"{}") == key(b"{}")
    assert len(key(b"{}")) == 16
    other = Hook.parse("gh2", GITHUB, around=AROUND)
    assert len({key(b"{}"), key(b"{ }"), key(b"{}", "ping"), key(b"{}", of=other)}) == 4


def test_no_replay_is_looked_for_where_it_is_not_needed_unless_asked_for():
    request = HookRequest((JSON,), b"{}")
    event = _event(_hook(), {})
    assert _hook().replay_key(request, event) is None
    assert _hook(replay_window="1m").replay_key(request, event)
    signed = {"verify": {"scheme": "standard-webhooks", "secret": {"env": "WHSEC"}}}
    assert Hook.parse("std", signed, around=AROUND).replay_window == 0
    off = Hook.parse("gh", {**GITHUB, "replay_window": 0}, around=AROUND)
    assert off.replay_key(request, event) is None


# ---- Slack's challenge ----


def test_the_challenge_of_slack_is_answered_only_by_a_slack_hook():
    slack = Hook.parse(
        "s", {"verify": {"scheme": "slack", "secret": {"env": "SECRET"}}}, around=AROUND
    )
    challenge = HookRequest((JSON,), b'{"type":"url_verification","challenge":"abc"}')
    assert slack.challenge(challenge) == "abc"
    assert slack.challenge(HookRequest((JSON,), b'{"type":"event_callback"}')) is None
    assert _hook().challenge(challenge) is None


def test_schemes_whose_body_has_an_id_use_it():
    slack = {"verify": {"scheme": "slack", "secret": {"env": "SECRET"}}}
    assert _event(Hook.parse("s", slack, around=AROUND), {"event_id": "Ev1"}).id == "Ev1"
    stripe = {"verify": {"scheme": "stripe", "secret": {"env": "SECRET"}}}
    assert _event(Hook.parse("s", stripe, around=AROUND), {"id": "evt_1"}).id == "evt_1"


# ---- definitions ----


@pytest.mark.parametrize(
    ("form", "code", "place", "hint"),
    [
        ({}, "verify_missing", "webhooks.lab", "verify: none"),
        ({"verify": "non"}, "scheme_unknown", "webhooks.lab.verify", "`none`"),
        ({"verify": {"scheme": "gihub"}}, "scheme_unknown", "webhooks.lab.verify.scheme", "`github`"),
        ({"verify": {}}, "scheme_unknown", "webhooks.lab.verify.scheme", ""),
        ({"verify": "github"}, "field_missing", "webhooks.lab.verify", "env"),
        ({"verify": {"scheme": "github", "secret": "abc"}}, "secret_inline", "webhooks.lab.verify.secret", "{env: NAME}"),
        ({"verify": {"scheme": "github", "secret": {"en": "X"}}}, "secret_invalid", "webhooks.lab.verify.secret", "`env`"),
        ({"verify": {"scheme": "github", "secret": {"env": "a-b"}}}, "secret_invalid", "webhooks.lab.verify.secret", ""),
        ({"verify": {"scheme": "github", "secret": {"env": "UNSET"}}}, "secret_missing", "webhooks.lab.verify.secret", ""),
        ({"verify": {"scheme": "github", "secret": {"file": "/nowhere"}}}, "secret_missing", "webhooks.lab.verify.secret", ""),
        ({"verify": {"scheme": "github", "secret": [{"env": "SECRET"}, {"env": "UNSET"}]}}, "secret_missing", "webhooks.lab.verify.secret[1]", ""),
        ({"verify": {"scheme": "github", "secret": [{"env": "SECRET"}] * 3}}, "secret_invalid", "webhooks.lab.verify.secret", ""),
        ({"verify": {"scheme": "github", "secret": {"env": "SECRET"}, "header": "X"}}, "field_unknown", "webhooks.lab.verify.header", ""),
        ({"verify": {"scheme": "standard-webhooks", "secret": {"env": "SECRET"}}}, "secret_invalid", "webhooks.lab.verify.secret", ""),
        ({"verify": {"scheme": "hmac-sha256", "secret": {"env": "SECRET"}}}, "field_missing", "webhooks.lab.verify", ""),
        ({"verify": {"scheme": "hmac-sha256", "secret": {"env": "SECRET"}, "header": "a b"}}, "field_invalid", "webhooks.lab.verify.header", ""),
        ({"verify": {"scheme": "hmac-sha256", "secret": {"env": "SECRET"}, "header": "X", "encoding": "b64"}}, "field_invalid", "webhooks.lab.verify.encoding", ""),
        ({"verify": {"scheme": "basic", "secret": {"env": "SECRET"}}}, "field_missing", "webhooks.lab.verify", ""),
        ({"verify": {"scheme": "basic", "secret": {"env": "SECRET"}, "user": "a:b"}}, "field_invalid", "webhooks.lab.verify.user", ""),
        ({"verify": {"scheme": "none", "secret": {"env": "SECRET"}}}, "field_unknown", "webhooks.lab.verify.secret", ""),
        ({"verify": "none", "evnt": {}}, "field_unknown", "webhooks.lab.evnt", "`event`"),
        ({"verify": "none", "event": {"typ": "x"}}, "field_unknown", "webhooks.lab.event.typ", "`type`"),
        ({"verify": "none", "event": {"type": "${body."}}, "expression_invalid", "webhooks.lab.event.type", ""),
        ({"verify": "none", "event": {"type": "${bdy.x}"}}, "expression_invalid", "webhooks.lab.event.type", ""),
        ({"verify": "none", "event": "x"}, "source_invalid", "webhooks.lab.event", ""),
        ({"verify": "none", "limit": "big"}, "source_invalid", "webhooks.lab.limit", ""),
        ({"verify": "none", "limit": 0}, "source_invalid", "webhooks.lab.limit", ""),
        ({"verify": "none", "limit": "1GiB"}, "source_invalid", "webhooks.lab.limit", ""),
        ({"verify": "none", "tolerance": "-5"}, "source_invalid", "webhooks.lab.tolerance", ""),
        ({"verify": "none", "replay_window": "soon"}, "source_invalid", "webhooks.lab.replay_window", ""),
        ("none", "source_invalid", "webhooks.lab", ""),
    ],
)  # fmt: skip
def test_a_definition_that_is_wrong_says_what_and_where(form, code, place, hint):
    with pytest.raises(FormError) as caught:
        Hook.parse("lab", form, "webhooks.lab", around=AROUND)
    assert (caught.value.code, caught.value.place) == (code, place)
    assert hint in (caught.value.hint or "")


def test_all_complaints_about_a_hook_are_told_at_once():
    form = {"verify": "github", "event": {"typ": 1, "type": "${("}, "limit": -1}
    with pytest.raises(FormError) as caught:
        Hook.parse("lab", form, around=AROUND)
    places = {complaint.place for complaint in caught.value.complaints}
    assert places == {"verify", "event.typ", "event.type", "limit"}


@pytest.mark.parametrize("name", ["", "a/b", "-a", "a b", "ä", "x" * 101])
def test_a_hook_has_a_name_that_fits_into_a_path(name):
    with pytest.raises(FormError):
        Hook.parse(name, {"verify": "none"}, "webhooks.x")


def test_sizes_and_spans_are_written_as_people_do():
    hook = _hook(limit="512KiB", replay_window="1h")
    assert (hook.limit, hook.replay_window) == (512 << 10, 3_600 * SECOND)
    assert _hook().limit == 1 << 20


# ---- secrets are never shown ----

CANARY = "canary-7f3a9c"


def test_a_secret_is_in_no_text_form_and_no_error():
    around = Surroundings(environ={"SECRET": CANARY})
    seen = [repr(around)]
    for scheme, extra in {
        "github": {},
        "bearer": {},
        "basic": {"user": "u"},
        "slack": {},
        "stripe": {},
        "twilio": {},
        "shopify": {},
        "hmac-sha256": {"header": "X-Sig"},
    }.items():
        form = {"verify": {"scheme": scheme, "secret": {"env": "SECRET"}, **extra}}
        hook = Hook.parse("lab", form, around=around)
        secret = hook.scheme.secrets[0]
        seen += [repr(hook), str(hook), repr(hook.scheme), repr(secret), f"{secret}"]
        header = next(iter(hook.scheme.headers))
        for value in ("", "x", f"sha256={'0' * 64}", "Bearer x", "v0=00", "t=1,v1=00", "AAAA"):
            request = HookRequest(((header, value), ("X-Slack-Request-Timestamp", "1")), b"{}")
            with pytest.raises(EnsueError) as caught:
                hook.verify(request, SECOND)
            seen += [str(caught.value), repr(caught.value), str(caught.value.hint)]
    assert CANARY not in "\n".join(seen)


@pytest.mark.parametrize(
    "verify",
    [
        CANARY,
        {"scheme": CANARY},
        {"scheme": "github", "secret": CANARY},
        {"scheme": "github", "secret": {"value": CANARY}},
        {"scheme": "github", "secret": {"env": CANARY}},
        {"scheme": "github", "secret": [CANARY]},
        {"scheme": "github", "token": CANARY},
        {"scheme": "standard-webhooks", "secret": {"env": "SECRET"}},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(verify):
    around = Surroundings(environ={"SECRET": f"whsk_{CANARY}"})
    with pytest.raises(FormError) as caught:
        Hook.parse("lab", {"verify": verify}, around=around)
    assert CANARY not in "".join(map(str, caught.value.complaints))


def test_what_is_kept_of_a_delivery_holds_no_proof():
    form = {
        "verify": {"scheme": "hmac-sha256", "secret": {"env": "SECRET"}, "header": "X-Shop-Sum"}
    }
    hook = Hook.parse("lab", form, around=AROUND)
    signed = base64.b64encode(hmac.digest(b"s", b"", "sha256")).decode()
    kept = hook.redact(
        HookRequest(
            (
                ("Authorization", signed),
                ("Cookie", signed),
                ("X-Shop-Sum", signed),
                ("X-Hub-Signature-256", signed),
                ("X-Gitlab-Token", signed),
                ("User-Agent", "x"),
                ("Via", "a"),
                ("via", "b"),
            ),
            b"",
        )
    )
    assert signed not in str(kept)
    assert kept["x-shop-sum"] == "[redacted]"
    assert (kept["user-agent"], kept["via"]) == ("x", "a, b")


_ODD = st.text(max_size=12) | st.sampled_from(["application/json", "\udcff", "1", "gzip", "a=b&c"])
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "ce-id", "ce-specversion", "X-GitHub-Event", "X"]), _ODD
    ),
    max_size=4,
)


@settings(deadline=None)
@given(_HEADERS, st.binary(max_size=40), _ODD, st.booleans())
def test_whatever_is_sent_gives_events_or_a_fault_below_500(headers, body, query, is_github):
    hook = (
        Hook.parse("gh", GITHUB, around=AROUND)
        if is_github
        else _hook(event={"data": {"h": "${headers}", "q": "${query}", "b": "${body}"}})
    )
    request = HookRequest(
        tuple(headers), body, url=f"https://x/hooks/gh?{quote(query, errors='replace')}"
    )
    status = 200
    try:
        hook.events(request, Verified(query or None), NOW)
    except EnsueError as error:
        status = error.status
    assert status < 500
