import pytest

from automations.call_action import Call
from automations.emit_action import Emission
from automations.firing import Firing
from automations.outcome import ActionFailure, Skipped
from automations.rule import Rule
from automations.run_action import Launch
from base.errors import ConfigurationError
from base.secret import SecretRef
from base.time import SECOND, parse_rfc3339
from events.event import Event, Stored
from events.expression import ACTION, Expression
from triggers.sink import Fired, Occasion, firing_id

NOW = parse_rfc3339("2030-01-01T00:00:00Z")


def event(**given):
    values = {"id": "e1", "source": "/s", "type": "x.y", "time": NOW, "received": NOW}
    return Event(
        **values
        | {"subject": "s1", "data": {"id": "a1", "n": 5, "list": [1], "crlf": "a\r\nB: c"}}
        | given
    )


def fired(*events, **given):
    return Fired("rule", 0, None, tuple(Stored(1, one) for one in events or (event(),)), **given)


def render(action, seen=None):
    rule = Rule.parse({"name": "rule", "trigger": {"event": "x.y"}, "actions": [action]})
    firing = Firing.of(fired(seen or event()), 3, NOW)
    return rule.actions[0].render(firing.activation(rule, {"limit": 7}, NOW))


def test_run_asks_for_a_run_with_parameters_of_their_own_types():
    launch = render(
        {
            "run": "my-flow",
            "with": {"order": "${event.data.id}", "n": "${event.data.n}", "all": "${event.data}"},
            "tags": ["t-${event.data.id}", "u"],
            "delay": "1m",
            "pool": "big",
            "idempotency_key": "${event.data.n}",
        }
    )
    assert launch == Launch(
        flow="my-flow",
        parameters={
            "order": "a1",
            "n": 5,
            "all": {"crlf": "a\r\nB: c", "id": "a1", "list": [1], "n": 5},
        },
        tags=("t-a1", "u"),
        delay=60 * SECOND,
        pool="big",
        idempotency_key="5",
    )


def test_a_bare_run_has_no_parameters():
    assert render({"run": "f"}) == Launch("f", {}, (), 0, None, None)


def test_actions_see_event_events_automation_firing_vars_and_now():
    launch = render(
        {
            "run": "f",
            "with": {
                "a": "${event.id} ${events.size()} ${automation.name} ${vars.limit}",
                "b": "${now}",
                "c": "${firing.time == now && firing.key == null && firing.count == 1}",
                "d": "${firing.trigger}",
            },
        }
    )
    assert launch.parameters == {
        "a": "e1 1 rule 7",
        "b": "2030-01-01T00:00:00Z",
        "c": True,
        "d": 0,
    }


def test_a_delay_may_come_from_the_event():
    assert render({"run": "f", "delay": "${event.data.n}"}).delay == 5 * SECOND
    assert render({"run": "f", "delay": "${event.data.n}m"}).delay == 300 * SECOND


def test_emit_asks_for_an_event():
    emission = render(
        {
            "emit": "out.${event.data.id}",
            "subject": "${event.subject}",
            "data": {"n": "${event.data.n}"},
        }
    )
    assert emission == Emission("out.a1", None, "s1", {"n": 5}, None)


def test_an_emitted_event_may_say_when_it_was():
    assert render({"emit": "x", "time": "${event.time}"}).time == NOW


def test_call_asks_for_a_json_request():
    call = render(
        {
            "call": "https://example.com/${event.data.id}?n=${event.data.n}",
            "method": "put",
            "headers": {"X-Id": "${event.data.id}", "X-N": "${event.data.n}"},
            "body": {"n": "${event.data.n}"},
            "timeout": "2s",
            "expect": 204,
        }
    )
    assert call == Call(
        "PUT",
        "https://example.com/a1?n=5",
        (("X-Id", "a1"), ("X-N", "5"), ("Content-Type", "application/json")),
        b'{"n":5}',
        2 * SECOND,
        (204,),
    )


def test_a_call_without_a_body_sends_none():
    call = render({"call": "https://example.com/", "method": "GET"})
    assert (call.body, call.headers) == (None, ())


def test_a_text_body_is_sent_as_it_is_under_another_content_type():
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    assert render({"call": "https://x", "headers": headers, "body": "hi"}).body == b"hi"
    assert render({"call": "https://x", "body": "hi"}).body == b'"hi"'


def test_a_null_body_is_json_null():
    assert render({"call": "https://x", "body": None}).body == b"null"


def test_any_2xx_is_success_unless_others_are_expected():
    anything = render({"call": "https://x"})
    assert anything.succeeds(200)
    assert anything.succeeds(299)
    assert not anything.succeeds(302)
    exact = render({"call": "https://x", "expect": [404, 200]})
    assert exact.succeeds(404)
    assert not exact.succeeds(202)


def test_a_call_goes_through_the_outbox_unchanged():
    import orjson

    call = render(
        {
            "call": "https://x/ä",
            "headers": {"A": {"env": "TOKEN", "prefix": "Bearer "}, "B": {"file": "/run/x"}},
            "body": "ü",
            "expect": 200,
        }
    )
    assert Call.from_json(orjson.loads(orjson.dumps(call.to_json()))) == call


def test_a_secret_is_read_when_it_is_used_and_never_stored(monkeypatch, tmp_path):
    monkeypatch.setenv("ENSUE_TEST_TOKEN", "s3cr3t")
    (tmp_path / "token").write_text("fr0m-file\n")
    call = render(
        {
            "call": "https://x",
            "headers": {
                "A": {"env": "ENSUE_TEST_TOKEN", "prefix": "Bearer "},
                "B": {"file": str(tmp_path / "token")},
            },
        }
    )
    assert "s3cr3t" not in repr(call) + repr(call.to_json())
    assert [value.reveal() for _, value in call.headers] == ["Bearer s3cr3t", "fr0m-file"]


def test_a_secret_that_is_missing_is_named():
    for reference in (SecretRef("env", "ENSUE_NO_SUCH"), SecretRef("file", "/no/such")):
        with pytest.raises(ConfigurationError, match=reference.name) as caught:
            reference.reveal({})
        assert caught.value.code == "secret_missing"


def test_an_if_that_is_false_skips_the_action():
    assert render({"run": "f", "if": "event.data.n > 10"}) == Skipped()
    assert isinstance(render({"run": "f", "if": "event.data.n > 1"}), Launch)
    assert render({"run": "f", "if": False}) == Skipped()


@pytest.mark.parametrize(
    ("action", "code", "place"),
    [
        ({"run": "f", "if": "event.data.nope > 1"}, "field_missing", "if"),
        ({"run": "f", "if": "event.data.n"}, "type_error", "if"),
        ({"run": "f", "with": {"a": "${event.data.nope}"}}, "field_missing", "with.a"),
        ({"run": "f", "with": {"a": "${event.data.n / 0}"}}, "division_by_zero", "with.a"),
        ({"run": "f", "with": {"a": ["${1.0 / 0.0}"]}}, "result_not_json", "with.a[0]"),
        ({"run": "f", "tags": ["${event.data.nope}"]}, "field_missing", "tags[0]"),
        ({"run": "f", "delay": "${event.data.id}"}, "delay_invalid", "delay"),
        ({"run": "f", "delay": "${-5}"}, "delay_invalid", "delay"),
        ({"run": "f", "delay": "${event.data.list}"}, "delay_invalid", "delay"),
        ({"run": "f", "delay": "${9999}d"}, "delay_invalid", "delay"),
        ({"run": "f", "idempotency_key": "${''}"}, "idempotency_key_invalid", "idempotency_key"),
        ({"emit": "${event.data.n}"}, "type_invalid", "emit"),
        ({"emit": "${''}"}, "type_invalid", "emit"),
        ({"emit": "${'ensue.'}x"}, "type_reserved", "emit"),
        ({"emit": "x", "source": "${''}"}, "source_invalid", "source"),
        ({"emit": "x", "subject": "${''}"}, "subject_invalid", "subject"),
        ({"emit": "x", "time": "${event.data.id}"}, "time_invalid", "time"),
        ({"emit": "x", "time": "${event.data.n}"}, "time_invalid", "time"),
        ({"call": "${event.data.n}"}, "url_invalid", "call"),
        ({"call": "${event.data.id}://x"}, "url_invalid", "call"),
        ({"call": "https://x/${event.data.crlf}"}, "url_invalid", "call"),
        (
            {"call": "https://x", "headers": {"A": "${event.data.crlf}"}},
            "header_invalid",
            "headers.A",
        ),
        ({"call": "https://x", "body": "${event.data.nope}"}, "field_missing", "body"),
    ],
    ids=str,
)
def test_what_goes_wrong_is_the_actions_failure_with_its_field(action, code, place):
    failure = render(action)
    assert isinstance(failure, ActionFailure)
    assert (failure.code, failure.place) == (code, f"actions[0].{place}")


def test_a_body_beyond_a_mebibyte_is_refused():
    failure = render(
        {"call": "https://x", "body": "${event.data.big}"}, event(data={"big": "x" * 2**20})
    )
    assert failure.code == "body_too_large"


def test_one_action_that_fails_does_not_stop_the_others():
    rule = Rule.parse(
        {
            "name": "rule",
            "trigger": {"event": "x.y"},
            "actions": [{"run": "f", "with": {"a": "${event.data.nope}"}}, {"run": "g"}],
        }
    )
    activation = Firing.of(fired(), 1, NOW).activation(rule, {}, NOW)
    kinds = [type(action.render(activation)) for action in rule.actions]
    assert kinds == [ActionFailure, Launch]


def test_a_firing_has_one_id_by_what_it_is():
    assert firing_id(fired()) == firing_id(fired(event()))
    others = [
        fired(event(id="e2")),
        fired(event(source="/t")),
        fired(event(received=NOW + SECOND)),
        fired(occasion=Occasion("replay-1", NOW)),
        Fired("rule", 1, None, fired().events),
        Fired("rule", 0, "k", fired().events),
        Fired("rule", 0, 1, fired().events),
        Fired("rule", 0, "1", fired().events),
        Fired("other", 0, None, fired().events),
    ]
    ids = {firing_id(one) for one in others} | {firing_id(fired())}
    assert len(ids) == len(others) + 1


def test_runs_and_events_get_their_ids_from_the_action():
    firing = Firing.of(fired(), 1, NOW)
    request = firing.run_request(0, Launch("f", {}, (), 0, None, None))
    assert request.action == f"{firing.id}.0"
    assert request == firing.run_request(0, Launch("f", {}, (), 0, None, None))
    assert request.id != firing.run_request(1, Launch("f", {}, (), 0, None, None)).id
    emission = Emission("out", None, None, None, None)
    assert firing.emitted(0, emission, NOW).id == firing.emitted(0, emission, NOW).id
    assert firing.emitted(0, emission, NOW).id not in {
        request.id,
        firing.emitted(1, emission, NOW).id,
    }


def test_what_a_firing_causes_is_one_deeper_than_its_deepest_event():
    firing = Firing.of(fired(event(depth=4), event(id="e2", depth=1, correlationid="c")), 1, NOW)
    emitted = firing.emitted(0, Emission("out", None, None, {"a": 1}, None), NOW)
    request = firing.run_request(1, Launch("f", {}, (), 0, None, None))
    assert (emitted.depth, request.depth) == (5, 5)
    assert (emitted.causationid, request.causationid) == ("e2", "e2")
    assert (emitted.correlationid, request.correlationid) == ("c", "c")
    assert emitted.source == "/automations/rule"
    assert emitted.data == {"a": 1}


def test_an_emitted_event_is_never_of_the_future():
    firing = Firing.of(fired(), 1, NOW)
    assert firing.emitted(0, Emission("x", "/s", None, None, NOW + SECOND), NOW).time == NOW
    assert (
        firing.emitted(0, Emission("x", "/s", None, None, NOW - SECOND), NOW).time == NOW - SECOND
    )


def test_now_is_the_time_of_rendering():
    rule = Rule.parse({"name": "r", "trigger": {"event": "x"}, "actions": [{"run": "f"}]})
    activation = Firing.of(fired(), 1, NOW).activation(rule, {}, NOW)
    now = Expression.compile("now", scope=ACTION)
    assert now.evaluate(activation) == "2030-01-01T00:00:00Z"
