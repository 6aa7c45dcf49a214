"""Rules of Amazon EventBridge as rules of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.importing import Draft, from_eventbridge, read_document
from automations.rehearsal import rehearse
from automations.rule import Rule
from base import yaml
from base.fields import Complaints
from events.webhooks import Hook, HookRequest, Surroundings, Verified
from triggers.pattern import Pattern
from triggers.schedule import Schedule

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "importing"
NOW = 1_893_456_000_000_000
DESTINATION = "arn:aws:events:eu-central-1:111122223333:api-destination/desk/1"
EVENT: dict[str, Any] = {
    "version": "0",
    "id": "e1",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "111122223333",
    "time": "2029-12-31T23:00:00Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:ec2:eu-central-1:111122223333:instance/i-1"],
    "detail": {"instance-id": "i-1", "state": "stopped"},
}


def drafts(document: Any) -> tuple[Draft, ...]:
    """The rules that come of it; all of them load."""
    found = from_eventbridge(document).drafts
    for draft in found:
        assert draft.loads
        Rule.parse(dict(draft.definition))
    return found


def one(pattern: Any = None, *targets: dict[str, Any], **more: Any) -> Draft:
    form = {"Name": "it", **({} if pattern is None else {"EventPattern": pattern}), **more}
    known = [{"ApiDestinationArn": DESTINATION, "InvocationEndpoint": "https://desk.example.com/*/in",
              "HttpMethod": "POST"}]  # fmt: skip
    [draft] = drafts({**form, "Targets": list(targets), "ApiDestinations": known})
    return draft


def notes(draft: Draft, kind: str) -> list[str]:
    return [note.place for note in draft.notes if note.kind == kind]


def documented_event(body: dict[str, Any]) -> dict[str, Any]:
    """What the hook on the page about importing makes of an event, as a test gives it."""
    text = (ROOT / "docs" / "how-to" / "import-rules.md").read_text()
    [block] = [part.split("```")[0] for part in text.split("```yaml\n")[1:] if "\n  aws:\n" in part]
    form = yaml.read(block)[0].value["webhooks"]["aws"]
    hook = Hook.parse("aws", {**form, "verify": "none"}, around=Surroundings(environ={}))
    request = HookRequest((("Content-Type", "application/json"),), json.dumps(body).encode())
    [event] = hook.events(request, Verified(), NOW)
    root = event.root()
    attributes = {"account": body["account"], "region": body["region"]}
    return {
        **{name: root[name] for name in ("id", "type", "source", "subject", "data", "time")},
        "attributes": attributes,
    }


def fires(definition: Any, body: dict[str, Any]) -> bool:
    tests = [{"given": [documented_event(body)], "expect": []}]
    rule = Rule.parse({**definition, "actions": [{"run": "it"}], "tests": tests})
    [result] = rehearse(rule)
    return not result.passed


def calls(draft: Draft, body: dict[str, Any]) -> list[Any]:
    """What the rule's actions do when it fires on an event: targets and fields."""
    tests = [{"given": [documented_event(body)], "expect": []}]
    [result] = rehearse(Rule.parse({**draft.definition, "tests": tests}))
    return [(row.actual.target, row.actual.fields) for row in result.rows if row.actual]


# ---- patterns ----


@pytest.mark.parametrize(
    ("pattern", "trigger"),
    [
        ({"source": ["aws.ec2"]}, {"event": "*", "source": "aws.ec2"}),
        ({"detail-type": ["A b"], "source": ["x", "y"]}, {"event": "A b", "source": ["x", "y"]}),
        ({"detail-type": [{"prefix": "order."}]}, {"event": "order.*"}),
        ({"source": [{"suffix": ".ec2"}]}, {"event": "*", "source": "*.ec2"}),
        ({"source": [{"wildcard": "aws.*.x"}]}, {"event": "*", "source": "aws.*.x"}),
        ({"source": ["a*b"]}, {"event": "*", "match": {"source": ["a*b"]}}),
        (
            {"source": ["x", {"anything-but": "y"}]},
            {"event": "*", "match": {"source": ["x", {"anything-but": "y"}]}},
        ),
        (
            {"detail-type": ["t"], "detail": {"a": [1], "b.c": [{"exists": False}]}},
            {"event": "t", "match": {"data": {"a": [1], "b.c": [{"exists": False}]}}},
        ),
        ({"detail.state": ["on"]}, {"event": "*", "match": {"data.state": ["on"]}}),
        (
            {"$or": [{"source": ["a"]}, {"detail": {"x": [1]}}]},
            {"event": "*", "match": {"$or": [{"source": ["a"]}, {"data": {"x": [1]}}]}},
        ),
        ({"resources": [{"prefix": "arn:"}]}, {"event": "*", "match": {"subject": [{"prefix": "arn:"}]}}),
        ({"account": ["1"], "region": ["eu"]}, {"event": "*", "match": {"account": ["1"], "region": ["eu"]}}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [json.dumps, dict])
def test_a_pattern_asks_for_the_same(pattern: Any, trigger: Any, form: Any) -> None:
    draft = one(form(pattern))
    assert draft.definition["trigger"] == trigger
    assert draft.loads


@pytest.mark.parametrize("pattern", ["not json", "[]", {}, {"planet": ["earth"]}, 7])
def test_a_pattern_that_says_nothing_is_told_and_the_rule_does_not_act(pattern: Any) -> None:
    draft = one(pattern)
    assert [place for place in notes(draft, "missing") if place.startswith("EventPattern")]
    assert draft.definition["shadow"] is True


TEXT = st.sampled_from(["aws.ec2", "aws.s3", "shop", "stopped", "a*b", "", "running"])
CONDITION = (
    TEXT
    | st.builds(lambda t: {"prefix": t}, TEXT)
    | st.builds(lambda t: {"suffix": t}, TEXT)
    | st.builds(lambda t: {"anything-but": t}, TEXT)
    | st.builds(lambda t: {"equals-ignore-case": t}, TEXT)
    | st.builds(lambda b: {"exists": b}, st.booleans())
    | st.just({"numeric": [">", 10]})
)
GROUP = st.lists(CONDITION, min_size=1, max_size=3)
FIELDS = {
    "source": GROUP, "detail-type": GROUP, "account": GROUP, "region": GROUP,
    "detail": st.dictionaries(st.sampled_from(["state", "size", "inner.a"]), GROUP, min_size=1),
}  # fmt: skip
PLAIN = st.fixed_dictionaries({}, optional=FIELDS).filter(bool)
PATTERN = PLAIN | st.builds(lambda one, two: {"$or": [one, two]}, PLAIN, PLAIN)
DETAIL = st.dictionaries(
    st.sampled_from(["state", "size"]), TEXT | st.integers(5, 15) | st.lists(TEXT, max_size=2)
)


@settings(max_examples=150, deadline=None)
@given(PATTERN, TEXT.filter(bool), TEXT.filter(bool), DETAIL)
def test_a_rule_fires_on_the_same_events_as_the_pattern(
    pattern: dict[str, Any], source: str, kind: str, detail: dict[str, Any]
) -> None:
    body = {**EVENT, "source": source, "detail-type": kind, "detail": detail}
    assert fires(one(pattern).definition, body) == Pattern.parse(pattern).matches(body)


def test_events_of_the_source_system_fire_an_imported_rule() -> None:
    document = read_document((DATA / "eventbridge-described.json").read_bytes(), "it")
    [draft] = drafts(document)
    for change, expected in (
        ({}, True),
        ({"state": "terminated"}, True),
        ({"state": "running"}, False),
        ({"instance-id": "i-0ld"}, False),
    ):
        body = {**EVENT, "detail": {**EVENT["detail"], **change}}
        assert fires(draft.definition, body) == expected
    assert not fires(draft.definition, {**EVENT, "source": "aws.s3"})


# ---- what is sent ----


def test_a_target_is_sent_what_it_was_sent_there() -> None:
    document = read_document((DATA / "eventbridge-described.json").read_bytes(), "it")
    [draft] = drafts(document)
    assert draft.loads
    (url, sent), (_, carried) = calls(draft, EVENT)
    assert url == "https://desk.example.com/instances/i-1?state=stopped&from=aws%20events"
    assert sent["method"] == "PUT"
    assert sent["headers"]["X-Region"] == "eu-central-1"
    assert sent["headers"]["X-Api-Key"] == {"env": "X_API_KEY"}
    assert sent["body"] == {
        "text": 'i-1 is stopped "now"',
        "state": "stopped",
        "at": "2029-12-31T23:00:00Z",
        "rule": "stopped-instances",
        "whole": EVENT,
    }
    assert carried["data"]["input"] == EVENT["detail"]
    assert "not-to-be-seen" not in json.dumps(draft.definition)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ({}, EVENT),
        ({"Input": '{"a": ["${x}"]}'}, {"a": ["${x}"]}),
        ({"Input": {"a": 1}}, {"a": 1}),
        ({"Input": "plain"}, "plain"),
        ({"InputPath": "$"}, EVENT),
        ({"InputPath": "$.detail"}, EVENT["detail"]),
        ({"InputPath": "$.detail.state"}, "stopped"),
        ({"InputPath": "$.detail.not.there"}, ""),
        ({"InputPath": "$.resources[0]"}, EVENT["resources"][0]),
        ({"InputPath": "$.resources"}, EVENT["resources"]),
        ({"InputPath": "$.detail-type"}, EVENT["detail-type"]),
        ({"InputTransformer": {"InputPathsMap": {"a": "$.detail"}, "InputTemplate": '{"x": <a>}'}},
         {"x": EVENT["detail"]}),
        ({"InputTransformer": {"InputPathsMap": {"a": "$.source"}, "InputTemplate": '"<a> ${a} <b>"'}},
         "aws.ec2 ${a} <b>"),
        ({"InputTransformer": {"InputPathsMap": {"a": "$.source"}, "InputTemplate": "<a> said"}},
         "aws.ec2 said"),
        ({"InputTransformer": {"InputTemplate": "<aws.events.event>"}},
         {name: value for name, value in EVENT.items() if name != "detail"}),
    ],
)  # fmt: skip
def test_input_becomes_a_body(target: dict[str, Any], body: Any) -> None:
    draft = one({"source": ["aws.ec2"]}, {"Id": "t", "Arn": DESTINATION, **target})
    assert draft.loads
    assert notes(draft, "missing") == []
    [(_, sent)] = calls(draft, EVENT)
    assert sent["body"] == body


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ({"Arn": "arn:aws:sqs:eu:1:q", "Id": "q"}, "Targets[0]"),
        ({"Arn": "arn:aws:events:eu:1:api-destination/other/2"}, "Targets[0].Arn"),
        ({"Arn": DESTINATION, "InputPath": "$.detail.*"}, "Targets[0].InputPath"),
        ({"Arn": DESTINATION, "SqsParameters": {}}, "Targets[0].SqsParameters"),
        (
            {"Arn": DESTINATION, "InputTransformer": {"InputTemplate": '"<aws.events.event.json> x"'}},
            "Targets[0].InputTransformer.InputTemplate",
        ),
        (
            {"Arn": DESTINATION, "InputTransformer": {"InputTemplate": '"<aws.events.rule-arn>"'}},
            "Targets[0].InputTransformer",
        ),
    ],
)  # fmt: skip
def test_what_has_no_equal_is_told_and_the_rule_does_not_act(
    target: dict[str, Any], place: str
) -> None:
    draft = one({"source": ["x"]}, target)
    assert place in notes(draft, "missing")
    assert draft.definition["shadow"] is True
    assert draft.loads


def test_a_stage_of_api_gateway_is_called() -> None:
    arn = "arn:aws:execute-api:eu-west-1:111122223333:abc123/prod/PUT/orders"
    draft = one({"source": ["x"]}, {"Id": "t", "Arn": arn, "Input": "1"})
    [action] = draft.definition["actions"]
    url = "https://abc123.execute-api.eu-west-1.amazonaws.com/prod/orders"
    assert action == {"call": url, "method": "PUT", "body": 1}
    assert notes(draft, "differs") == ["Targets[0].Arn"]


# ---- schedules ----


@pytest.mark.parametrize(
    ("expression", "trigger"),
    [
        ("rate(1 minute)", {"every": "1m"}),
        ("rate(12 hours)", {"every": "12h"}),
        ("rate(7 days)", {"every": "7d"}),
        ("cron(0 10 * * ? *)", {"cron": "0 10 * * *", "timezone": "UTC"}),
        ("cron(15 12 ? * MON-FRI *)", {"cron": "15 12 * * 1,2,3,4,5", "timezone": "UTC"}),
        ("cron(0/5 8-17 ? * 2-6 *)", {"cron": "0-59/5 8-17 * * 1,2,3,4,5", "timezone": "UTC"}),
        ("cron(*/10 * 1 JAN,JUL ? *)", {"cron": "*/10 * 1 JAN,JUL *", "timezone": "UTC"}),
        ("cron(0 0 ? * SAT-MON *)", {"cron": "0 0 * * 0,1,6", "timezone": "UTC"}),
        (
            "cron(0 17 ? * 6L *)",
            {"rrule": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0", "timezone": "UTC"},
        ),
        (
            "cron(30 9 ? 1-3 MON#2 *)",
            {"rrule": "FREQ=MONTHLY;BYMONTH=1,2,3;BYDAY=2MO;BYHOUR=9;BYMINUTE=30;BYSECOND=0",
             "timezone": "UTC"},
        ),
        (
            "cron(0 8 L * ? *)",
            {"rrule": "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=8;BYMINUTE=0;BYSECOND=0", "timezone": "UTC"},
        ),
        (
            "cron(0 8 1 1 ? 2030-2032)",
            {"cron": "0 8 1 1 *", "where": "now.getFullYear() in [2030, 2031, 2032]", "timezone": "UTC"},
        ),
        ("at(2031-05-01T08:00:00)", {"at": "2031-05-01T08:00:00Z"}),
    ],
)  # fmt: skip
def test_a_schedule_keeps_its_times(expression: str, trigger: dict[str, Any]) -> None:
    draft = one(None, ScheduleExpression=expression)
    assert draft.definition["trigger"] == trigger
    assert "ScheduleExpression" not in notes(draft, "missing")
    complaints = Complaints("trigger_invalid")
    assert Schedule.parse(trigger, "trigger", complaints), complaints.found


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        # The rehearsal begins at midnight of Tuesday, 1 January 2030.
        ("rate(12 hours)", ["12h", "24h", "36h"]),
        ("cron(30 2 ? * 3-4 *)", ["2h30m", "26h30m"]),
        ("cron(0 9 ? * 3#1 *)", ["9h"]),
        ("cron(0 9 * * ? 2031)", []),
    ],
)
def test_a_rule_fires_at_the_times_of_the_schedule(expression: str, times: list[str]) -> None:
    expect = [{"at": at, "run": "it"} for at in times]
    tests = [{"given": [{"at": "47h"}], "expect": expect}]
    definition = one(None, ScheduleExpression=expression).definition
    [result] = rehearse(Rule.parse({**definition, "actions": [{"run": "it"}], "tests": tests}))
    assert result.passed, result.rows


@pytest.mark.parametrize(
    "expression",
    ["cron(0 8 3W * ? *)", "cron(0 8 LW * ? *)", "cron(61 8 * * ? *)", "cron(0 8 * *)", "rate(soon)",
     "often", "", 7, "cron(0 8 ? * 8 *)", "cron(0 8 ? * X#2 *)", "at(noon)"],
)  # fmt: skip
def test_a_schedule_that_has_no_equal_is_told(expression: Any) -> None:
    draft = one(None, ScheduleExpression=expression)
    assert "ScheduleExpression" in notes(draft, "missing")
    assert draft.definition["trigger"] == {"event": "imported.never"}
    assert draft.definition["shadow"] is True


def test_a_rule_with_a_pattern_and_a_schedule_becomes_two() -> None:
    both = drafts(
        {"Name": "it", "EventPattern": {"source": ["x"]}, "ScheduleExpression": "rate(1 hour)"}
    )
    assert [(draft.name, draft.definition["trigger"]) for draft in both] == [
        ("it", {"event": "*", "source": "x"}),
        ("it-schedule", {"every": "1h"}),
    ]


# ---- the document ----


def test_a_template_says_what_a_deployed_stack_says() -> None:
    document = read_document((DATA / "eventbridge-template.yaml").read_bytes(), "it")
    found = {draft.name: draft for draft in drafts(document)}
    assert [*found] == ["large-orders-prod", "LastFriday", "Sweeper-Hourly", "Sweeper-Returned"]
    large = found["large-orders-prod"]
    assert large.definition["trigger"]["event"] == "order.*"
    assert large.definition["actions"][0] == {
        "call": "https://desk.example.com/prod/orders",
        "headers": {"X-Desk-Key": {"env": "DESKCONNECTION_API_KEY"}, "X-Stage": "prod"},
        "body": "${event.?data.orValue({})}",
    }
    account = "Resources.LargeOrders.Properties.EventPattern.account[0]"
    assert account in notes(large, "missing")
    assert found["LastFriday"].definition["actions"][0]["body"] == {
        "report": "month",
        "note": "costs $${x}",
    }
    assert found["Sweeper-Hourly"].definition["enabled"] is False
    assert found["Sweeper-Returned"].definition["trigger"] == {"event": "order.returned"}
    assert "never-written-down" not in "".join(str(draft) for draft in found.values())


def test_a_list_of_rules_is_read() -> None:
    document = read_document((DATA / "eventbridge-listed.json").read_bytes(), "it")
    found = drafts(document)
    assert [(draft.name, draft.definition.get("enabled", True)) for draft in found] == [
        ("nightly", True), ("often", False), ("uploads", True),
    ]  # fmt: skip
    assert all(notes(draft, "missing") == [f"Rules[{n}].Targets"] for n, draft in enumerate(found))
    assert "Rules[2].EventBusName" in notes(found[2], "differs")


def test_what_is_no_rule_is_told() -> None:
    assert from_eventbridge(None).drafts == ()
    for document, place in (
        ({"Name": "x"}, ""),
        ([7], "[0]"),
        ({"Rules": [{"Name": "x"}], "NextToken": "t", "Targets": [{}]}, "Rules[0]"),
        ({"Resources": {"A": {"Type": "AWS::Scheduler::Schedule"}}}, "Resources.A"),
    ):
        found = from_eventbridge(document)
        assert found.drafts == ()
        assert place in [note.place for note in found.notes]
