"""`notify` as it is written, rendered and expected in tests; and the channels it names."""

from __future__ import annotations

import orjson
import pytest

from automations.channel_lint import channel_findings
from automations.firing import Firing
from automations.notify_action import MAX_MESSAGE, Notification
from automations.reader import gather
from automations.rehearsal import rehearse
from automations.rule import Rule
from base.channel import parse_channels
from base.errors import ConfigurationError
from base.fields import FormError
from base.secret import SecretRef
from base.time import parse_rfc3339
from events.event import Event, Stored
from triggers.sink import Fired

NOW = parse_rfc3339("2030-01-01T00:00:00Z")


def render(action):
    rule = Rule.parse({"name": "rule", "trigger": {"event": "x.y"}, "actions": [action]})
    data = {"id": "a1", "n": 5, "tags": ["a", 1], "no": None, "long": "x" * (MAX_MESSAGE + 1)}
    event = Event(id="e", source="/s", type="x.y", time=NOW, received=NOW, data=data)
    firing = Firing.of(Fired("rule", 0, None, (Stored(1, event),)), 1, NOW)
    return rule.actions[0].render(firing.activation(rule, {}, NOW))


def test_a_message_is_made_out_of_the_event():
    assert render(
        {
            "notify": "team",
            "title": "Order ${event.data.id}",
            "message": "${event.data.n}",
            "tags": ["t-${event.data.n}"],
        }
    ) == Notification("team", "Order a1", "5", ("t-5",))
    assert render({"notify": "team", "message": "m", "tags": "a"}).tags == ("a",)
    assert render({"notify": "team", "message": "m", "tags": "${event.data.tags}"}).tags == (
        "a",
        "1",
    )


def test_a_url_is_named_and_never_written_down():
    named = render({"notify": {"env": "TEAM"}, "message": "m"})
    assert named == Notification(SecretRef("env", "TEAM"), "", "m")
    assert (str(named), named.target) == ("env TEAM", "notify:env TEAM")


def test_a_message_goes_through_the_outbox_unchanged():
    for to in ("team", SecretRef("file", "/run/team")):
        given = Notification(to, "t", "ü", ("a", "b"))
        assert Notification.from_json(orjson.loads(orjson.dumps(given.to_json()))) == given


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"message": "${event.data.no}"}, "message_invalid"),
        ({"message": "${event.data.long}"}, "message_invalid"),
        ({"message": "${event.data.nope}"}, "field_missing"),
        ({"message": "m", "tags": "${event.data.n}"}, "tags_invalid"),
    ],
)
def test_what_makes_no_message_fails_the_action(fields, code):
    assert render({"notify": "team"} | fields).code == code


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"notify": "team"}, "actions[0]: `message` is missing"),
        ({"notify": "slack://s3cr3t", "message": "m"}, "actions[0].notify: a URL holds secrets"),
        ({"notify": "a b", "message": "m"}, "actions[0].notify: this names no channel"),
        ({"notify": {"url": "s3cr3t"}, "message": "m"}, "actions[0].notify: a secret is named"),
        ({"notify": "team", "message": "m", "body": "b"}, "actions[0].body: there is no field"),
        ({"notify": "team", "message": 5}, "actions[0].message: must be text, not 5"),
    ],
)
def test_a_mistake_names_its_place_and_repeats_no_secret(action, complaint):
    with pytest.raises(FormError) as caught:
        render(action)
    [found] = [str(one) for one in caught.value.complaints]
    assert found.startswith(complaint)
    assert "s3cr3t" not in found


def test_what_is_said_can_be_expected():
    rule = {
        "name": "r",
        "trigger": {"event": "x.y"},
        "actions": [
            {"notify": "team", "title": "T", "message": "${event.subject} is late"},
            {"notify": {"env": "TEAM"}, "message": "m", "tags": "night"},
        ],
        "tests": [
            {
                "given": [{"type": "x.y", "subject": "a1"}],
                "expect": [
                    {"notify": "team", "message": "a1 is late"},
                    {"notify": {"env": "TEAM"}, "tags": ["night"]},
                ],
            },
            {
                "given": [{"type": "x.y", "subject": "a2"}],
                "expect": [{"notify": "team", "message": "a1 is late"}, {"notify": "other"}],
            },
        ],
    }
    right, wrong = rehearse(Rule.parse(rule))
    assert right.passed
    assert [row.agrees for row in wrong.rows] == [False, False]


# -- channels ------------------------------------------------------------------------------------


def test_a_channel_has_one_address_or_several_with_tags():
    channels = parse_channels(
        {
            "team": {"url": {"env": "A"}},
            "oncall": {"urls": [{"env": "B", "tags": ["day"]}, {"file": "/c", "tags": ["night"]}]},
        }
    )
    assert [one.name for one in channels["team"].chosen(["any"])] == []
    assert [one.name for one in channels["team"].chosen([])] == ["env A"]
    oncall = channels["oncall"]
    assert [one.name for one in oncall.chosen([])] == ["env B", "file /c"]
    assert [one.name for one in oncall.chosen(["night", "noon"])] == ["file /c"]


@pytest.mark.parametrize(
    "form",
    [
        "s3cr3t",
        {"team": "slack://s3cr3t"},
        {"team": {"url": "slack://s3cr3t"}},
        {"team": {"urls": ["slack://s3cr3t"]}},
        {"team": {"urls": []}},
        {"team": {"url": {"env": "A"}, "urls": [{"env": "A"}]}},
        {"team": {"url": {"env": "A", "tags": "s3cr3t"}}},
        {"team": {"url": {"value": "s3cr3t"}}},
        {"a b": {"url": {"env": "A"}}},
        {"team": {}},
    ],
)
def test_what_is_no_channel_is_refused_and_not_repeated(form):
    with pytest.raises(ConfigurationError) as caught:
        parse_channels(form)
    assert "s3cr3t" not in str(caught.value) + repr(caught.value.hint)
    assert (caught.value.place or "").startswith("channels")


def test_channels_that_rules_name_are_held_against_the_settings():
    channels = parse_channels(
        {"team": {"url": {"env": "A"}}, "oncall": {"urls": [{"env": "B", "tags": ["day"]}]}}
    )

    def found(*actions):
        text = "name: r\ntrigger: {event: a}\nactions:\n" + "".join(f"- {{{a}}}\n" for a in actions)
        loaded = gather([("r.yaml", text.encode())])
        assert loaded.problems == ()
        return [
            (one.problem.code, one.problem.line, one.problem.hint)
            for one in channel_findings(loaded, channels)
        ]

    assert found("notify: team, message: m", "notify: {env: B}, message: m", "run: f") == []
    assert found("notify: tean, message: m") == [("channel_unknown", 4, "did you mean `team`?")]
    assert found("notify: oncall, message: m, tags: day") == []
    assert found("notify: oncall, message: m, tags: [night]") == [("channel_empty", 4, None)]
    assert found('notify: oncall, message: m, tags: ["${event.subject}"]') == []
