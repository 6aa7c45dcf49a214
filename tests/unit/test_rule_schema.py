import pytest
from jsonschema import Draft202012Validator

from automations import call_action, emit_action, flow_control, rehearsal_case, rule, run_action
from automations.rule import Rule
from automations.schema import rule_schema
from automations.source_schema import source_schema
from base.fields import FormError
from events.webhooks import hook, mapping, schemes
from triggers import event_trigger, kinds, schedule

RULES = Draft202012Validator(rule_schema())
SOURCES = Draft202012Validator(source_schema())

FULL = {
    "name": "a.b-c_1",
    "description": "",
    "tags": ["x"],
    "enabled": True,
    "shadow": False,
    "max_depth": 3,
    "breaker": 10,
    "throttle": {"at_most": 2, "every": "30m", "per": "subject"},
    "debounce": {"quiet": "30s", "max_wait": "5m", "per": ["subject", "data.host"]},
    "trigger": [
        {"event": "a.*", "source": "/s/*", "subject": ["x", "y"], "match": {"data": {"a": [1]}}},
        {"event": ["a", "b"], "where": "event.data.x > 1"},
        {
            "cron": "30 9 * * mon-fri",
            "timezone": "Europe/Berlin",
            "start": "2030-01-01",
            "catch_up": "all",
            "where": "!holiday(now, 'DE-BE')",
        },
        {"every": "90m"},
        {
            "count": "a.*",
            "source": "/s",
            "at_least": 3,
            "within": "10m",
            "per": ["subject", "data.host"],
            "allowed_lateness": "5m",
        },
        {
            "absent": ["a", "b"],
            "for": "5m",
            "per": "data.host",
            "expected": ["x", 5],
        },
        {"absent": "paid", "for": "1h", "after": {"event": "created", "where": "event.depth == 0"}},
        {
            "sequence": ["a", {"event": "b", "per": "data.id"}, {"any": ["c", "d"]}],
            "within": "1h",
            "per": "subject",
        },
        {"all": ["a", {"absent": "b", "for": "5m"}], "within": "1h"},
        {"any": ["a", "b", "c"], "at_least": 2, "within": "1h"},
        {
            "aggregate": "a",
            "value": "event.data.ms",
            "function": "p95",
            "over": "10m",
            "above": 250.5,
            "at_least": 20,
        },
        {"rrule": "FREQ=DAILY"},
        {"at": "2030-01-01T09:00:00Z"},
    ],
    "actions": [
        {
            "run": "my-flow",
            "with": {"a": "${event.id}"},
            "tags": "x",
            "delay": "1h30m",
            "pool": "big",
            "idempotency_key": "${event.id}",
            "if": "event.data.x > 1",
        },
        {"run": "my-flow", "delay": "${event.data.wait}"},
        {
            "emit": "x.y",
            "source": "/me",
            "subject": "${event.subject}",
            "data": None,
            "time": "2030-01-01T00:00:00Z",
        },
        {
            "call": "https://example.com/${event.id}",
            "method": "put",
            "headers": {"Authorization": {"env": "TOKEN", "prefix": "Bearer "}, "X-A": "b"},
            "body": [1, "${event.id}"],
            "timeout": 5,
            "expect": [200, 204],
        },
    ],
    "on_resolve": [{"run": "my-flow"}],
    "tests": [
        {
            "name": "t",
            "start": "2030-01-01T00:00:00Z",
            "given": [
                {
                    "at": "5s",
                    "type": "a",
                    "source": "/s",
                    "subject": "x",
                    "id": "1",
                    "data": {},
                    "time": "-30s",
                    "attributes": {"tenant": "a"},
                    "repeat": 2,
                    "every": "1m",
                },
                {"at": "1h"},
            ],
            "expect": [
                {"at": "1m", "run": "my-flow", "with": {}, "tags": [], "delay": "1m"},
                {"emit": "x", "error": "field_missing"},
                {"call": "https://x", "method": "PUT", "headers": {}, "body": 1},
            ],
        }
    ],
}


def names(definition):
    return set(rule_schema()["$defs"][definition]["properties"])


def test_both_schemas_are_valid_schemas():
    Draft202012Validator.check_schema(rule_schema())
    Draft202012Validator.check_schema(source_schema())


def test_the_schema_names_every_field_that_the_parser_takes_and_no_other():
    assert names("rule") == set(rule.FIELDS)
    assert names("event") == set(event_trigger.FIELDS)
    assert names("clock") == set(schedule.FIELDS)
    for kind, fields in kinds.FIELDS.items():
        assert names(kind) == set(fields)
    rule_fields = rule_schema()["$defs"]["rule"]["properties"]
    for control, fields in flow_control.FIELDS.items():
        assert set(rule_fields[control]["properties"]) == set(fields)
    assert names("run") == set(run_action.FIELDS)
    assert names("emit") == set(emit_action.FIELDS)
    assert names("call") == set(call_action.FIELDS)
    assert names("test") == set(rehearsal_case.TEST_FIELDS)
    assert names("given") == set(rehearsal_case.GIVEN_FIELDS)
    for expected in rule_schema()["$defs"]["expected"]["oneOf"]:
        (kind,) = expected["required"]
        known = {"at", "error", kind, *rehearsal_case.EXPECT_FIELDS[kind]}
        assert set(expected["properties"]) == known


def test_a_rule_with_every_field_is_taken_by_both():
    RULES.validate(FULL)
    RULES.validate([FULL])
    Rule.parse(FULL)


WRONG = [
    {"name": "a b"},
    {"nmae": "x"},
    {"enabled": "yes"},
    {"max_depth": 0},
    {"breaker": 0},
    {"trigger": {"event": "a", "wher": "x"}},
    {"trigger": {"event": 5}},
    {"trigger": []},
    {"throttle": {"at_most": 1}},
    {"throttle": {"at_most": 0, "every": "1m"}},
    {"debounce": {"quite": "1m"}},
    {"debounce": "1m"},
    {"batch": {"size": 5}},
    {"batch": {"within": "1m"}},
    {"trigger": {"cron": "@daily", "every": "1d"}},
    {"trigger": {"count": "a", "within": "1h"}},
    {"trigger": {"count": "a", "at_least": 0, "within": "1h"}},
    {"trigger": {"sequence": [], "within": "1h"}},
    {"trigger": {"all": ["a", {"every": "1h"}], "within": "1h"}},
    {"trigger": {"absent": "a", "for": "1h", "expected": [None]}},
    {"trigger": {"aggregate": "a", "value": "1", "function": "sum", "over": "1h"}},
    {"trigger": {"aggregate": "a", "value": "1", "function": "mode", "over": "1h", "above": 1}},
    {"trigger": {"every": "1h", "per": "subject"}},
    {"trigger": {"cron": "@daily", "catch_up": "some"}},
    {"actions": []},
    {"actions": [{"run": "x", "emit": "y"}]},
    {"actions": [{"rnu": "x"}]},
    {"actions": [{"run": "x", "delay": "soon"}]},
    {"actions": [{"run": "x", "delay": -5}]},
    {"actions": [{"call": "https://x", "method": "BREW"}]},
    {"actions": [{"call": "https://x", "expect": 99}]},
    {"actions": [{"call": "https://x", "headers": {"A": {"secret": "x"}}}]},
    {"actions": [{"call": "https://x", "headers": {"A": 5}}]},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_what_the_parser_refuses_the_schema_refuses(change):
    wrong = FULL | change
    assert not RULES.is_valid(wrong)
    with pytest.raises(FormError):
        Rule.parse(wrong)


@pytest.mark.parametrize("name", rule_schema()["$defs"]["rule"]["required"])
def test_what_is_required_is_required_by_both(name):
    lacking = {key: value for key, value in FULL.items() if key != name}
    assert not RULES.is_valid(lacking)
    with pytest.raises(FormError):
        Rule.parse(lacking)


def test_the_schema_of_sources_names_every_field_that_their_parser_takes():
    definitions = source_schema()["$defs"]
    assert set(definitions["hook"]["properties"]) == set(hook.FIELDS)
    assert set(definitions["event"]["properties"]) == set(mapping.FIELDS)
    verify = definitions["hook"]["properties"]["verify"]["oneOf"][1:]
    named = [one["properties"]["scheme"]["const"] for one in verify]
    assert tuple(named) == schemes.SCHEMES


def test_sources_as_people_write_them_are_valid():
    SOURCES.validate(
        {
            "webhooks": {
                "github": {"verify": {"scheme": "github", "secret": {"env": "GITHUB_SECRET"}}},
                "shop": {
                    "verify": {
                        "scheme": "hmac-sha256",
                        "header": "X-Shop-Signature",
                        "encoding": "hex",
                        "secret": [{"file": "/run/secrets/a"}, {"file": "/run/secrets/b"}],
                    },
                    "event": {"type": "shop.${body.kind}", "source": "/shop", "data": "${body}"},
                },
                "lab": {"verify": "none"},
            }
        }
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhooks": {"a": {}}},
        {"webhooks": {"a": {"verify": "github"}}},
        {"webhooks": {"a": {"verify": {"scheme": "github", "secret": "inline"}}}},
        {"webhooks": {"a": {"verify": {"scheme": "hmac-sha256", "secret": {"env": "A"}}}}},
        {"webhooks": {"a": {"verify": "none", "evnt": {}}}},
        {"webhoks": {}},
    ],
    ids=str,
)
def test_sources_that_cannot_be_are_not_valid(wrong):
    assert not SOURCES.is_valid(wrong)
