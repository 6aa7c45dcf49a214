"""Automations of Prefect as rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from automations.importing import Draft, Imported, from_prefect, read_document, written
from automations.rehearsal import rehearse
from automations.rule import Rule
from base import yaml
from events.webhooks import Hook, HookRequest, Surroundings, Verified

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "importing"
NOW = 1_893_456_000_000_000
FLOW = "5b1f3c52-8a5a-4e79-8f0f-8d4a5e0d6b21"
FAILED = {"type": "event", "posture": "Reactive", "expect": ["prefect.flow-run.Failed"]}


def imported(form: Any, **names: str) -> Imported:
    """What comes of it; whatever comes is a rule that loads."""
    result = from_prefect(form, names)
    for draft in result.drafts:
        assert [note for note in draft.notes if note.kind == "refused"] == []
        assert draft.loads
        Rule.parse(dict(draft.definition))
    return result


def one(trigger: dict[str, Any], *actions: dict[str, Any], **more: Any) -> Draft:
    form = {"name": "it", "trigger": trigger, "actions": list(actions), **more}
    [draft] = imported(form).drafts
    return draft


def trigger_of(trigger: dict[str, Any]) -> Any:
    return one(trigger).definition["trigger"]


def action_of(action: dict[str, Any], trigger: dict[str, Any] | None = None) -> Any:
    return one(trigger or FAILED, action).definition["actions"][0]


def notes(draft: Draft, kind: str) -> list[tuple[str, str]]:
    return [(note.place, note.what) for note in draft.notes if note.kind == kind]


# ---- triggers ----


@pytest.mark.parametrize(
    ("form", "becomes"),
    [
        (FAILED, {"event": "ensue.run.failed"}),
        ({"expect": ["prefect.flow-run.*"]}, {"event": "ensue.run.*"}),
        ({"expect": ["prefect.flow-run.C*"]}, {"event": [
            "ensue.run.completed", "ensue.run.crashed", "ensue.run.cancelling", "ensue.run.cancelled",
        ]}),
        ({"expect": ["prefect.task-run.Completed"]}, {"event": "ensue.task.completed"}),
        ({"expect": ["prefect.automation.triggered"]}, {"event": "ensue.automation.fired"}),
        ({"expect": ["order.paid", "order.*"]}, {"event": ["order.paid", "order.*"]}),
        ({}, {"event": "*"}),
        ({"match": {"prefect.resource.id": "prefect.flow-run.*"}}, {"event": "ensue.run.*"}),
        ({"expect": ["a", "prefect.flow-run.Late"]}, [{"event": "ensue.run.late"}, {"event": "a"}]),
        ({"expect": ["a"], "threshold": 3, "within": 60}, {"count": "a", "at_least": 3, "within": "1m"}),
        (
            {"expect": ["a"], "threshold": 2, "within": "PT1H30M", "for_each": ["prefect.resource.id"]},
            {"count": "a", "at_least": 2, "within": "1h30m", "per": "subject"},
        ),
        (
            {"expect": ["b"], "after": ["a"], "within": 30},
            {"sequence": ["a", "b"], "within": "30s"},
        ),
        (
            {"posture": "Proactive", "expect": ["b"], "after": ["a"], "within": 300,
             "for_each": ["prefect.resource.id"]},
            {"absent": "b", "for": "5m", "per": "subject", "after": "a"},
        ),
        ({"posture": "Proactive", "expect": ["b"]}, {"absent": "b", "for": "10s"}),
        (
            {"expect": ["prefect.flow-run.Failed"], "threshold": 2, "within": 9,
             "for_each": ["related:flow:prefect.resource.name"]},
            {"count": "ensue.run.failed", "at_least": 2, "within": "9s", "per": "data.flow"},
        ),
        (
            {"expect": ["a"], "for_each": ["hall", "prefect.resource.id"], "threshold": 2, "within": 9},
            {"count": "a", "at_least": 2, "within": "9s", "per": ["data.resource.hall", "subject"]},
        ),
        (
            {"type": "compound", "require": "all", "within": 60, "triggers": [
                {"expect": ["a"]}, {"expect": ["b"], "match": {"x": "1"}}]},
            {"all": ["a", {"event": "b", "match": {"data": {"resource": {"x": ["1"]}}}}], "within": "1m"},
        ),
        (
            {"type": "compound", "require": 2, "within": 60, "triggers": [
                {"expect": [name]} for name in "abc"]},
            {"any": ["a", "b", "c"], "at_least": 2, "within": "1m"},
        ),
        (
            {"type": "compound", "require": "any", "within": None, "triggers": [
                {"expect": ["a"]}, {"posture": "Proactive", "expect": ["b"], "within": 60}]},
            [{"event": "a"}, {"absent": "b", "for": "1m"}],
        ),
        (
            {"type": "sequence", "within": 60, "triggers": [
                {"expect": ["a"]},
                {"type": "compound", "require": "all", "within": 9, "triggers": [
                    {"expect": ["b"]}, {"expect": ["c"]}]}]},
            {"sequence": ["a", {"all": ["b", "c"], "within": "9s"}], "within": "1m"},
        ),
        (
            {"type": "metric", "metric": {"name": "duration", "operator": ">", "threshold": 60, "range": 3600}},
            {"aggregate": ["ensue.run.completed", "ensue.run.failed", "ensue.run.timed_out",
                           "ensue.run.crashed"],
             "value": "event.data.duration", "function": "avg", "over": "1h", "above": 60},
        ),
    ],
)  # fmt: skip
def test_a_trigger_waits_for_the_same(form: dict[str, Any], becomes: Any) -> None:
    assert trigger_of(form) == becomes
    assert Rule.parse({"name": "it", "trigger": becomes, "actions": [{"run": "it"}]})


def test_reacting_once_in_a_span_becomes_a_throttle() -> None:
    draft = one({"expect": ["a"], "within": 60, "for_each": ["prefect.resource.id"]})
    assert draft.definition["trigger"] == {"event": "a"}
    assert draft.definition["throttle"] == {"at_most": 1, "every": "1m", "per": "subject"}


@pytest.mark.parametrize(
    ("labels", "conditions"),
    [
        ({"match": {"prefect.resource.id": "prefect.flow-run.*"}}, {}),
        (
            {"match_related": {"prefect.resource.role": "flow", "prefect.resource.name": ["a_b", "c*"]}},
            {"match": {"data": {"flow": ["a-b", {"prefix": "c"}]}}},
        ),
        (
            {"match_related": [{"prefect.resource.id": "prefect.tag.a", "prefect.resource.role": "tag"},
                               {"prefect.resource.id": ["prefect.tag.b", "!prefect.tag.c*"]}]},
            {"match": {"data": {"tags": ["a"]}},
             "where": 'event.data["tags"].exists(t, (t == "b" || !t.startsWith("c")))'},
        ),
        ({"match": {"prefect.state-type": "FAILED"}}, {"match": {"data": {"state": ["failed", "timed_out"]}}}),
        ({"match": {"prefect.state-name": ["Crashed"]}}, {"match": {"data": {"state": ["crashed"]}}}),
        ({"match": {"prefect.run-count": "3"}}, {"match": {"data": {"attempt": [3]}}}),
    ],
)  # fmt: skip
def test_labels_of_runs_become_what_our_events_say(
    labels: dict[str, Any], conditions: dict[str, Any]
) -> None:
    draft = one({"expect": ["prefect.flow-run.Failed"], **labels})
    assert draft.definition["trigger"] == {"event": "ensue.run.failed", **conditions}
    assert notes(draft, "missing") == notes(draft, "refused") == []


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ({"match": {"prefect.resource.name": "cute-*"}}, "match.prefect.resource.name"),
        ({"match": {"prefect.resource.id": "prefect.flow-run.925e"}}, "match.prefect.resource.id"),
        ({"match": {"prefect.state-name": "Odd"}}, "match.prefect.state-name"),
        ({"match_related": {"prefect.resource.id": "prefect.deployment.37ca"}}, "match_related"),
        ({"match_related": [{}, {"prefect.resource.role": "work-pool"}]}, "match_related[1]"),
        ({"for_each": ["prefect.resource.name"], "threshold": 2, "within": 9}, "for_each"),
        ({"expect": ["prefect.flow-run.heartbeat"]}, "expect"),
        ({"expect": ["!a"]}, "expect"),
        ({"posture": "Proactive", "threshold": 3, "within": 60}, "threshold"),
        ({"within": "soon"}, "within"),
        ({"colour": "red"}, "colour"),
        ({"type": "odd"}, "type"),
        ({"type": "metric", "metric": {"name": "lateness"}}, "metric"),
        ({"type": "compound", "require": "all", "triggers": []}, "triggers"),
    ],
)
def test_what_has_no_equal_is_told_and_the_rule_does_not_act(
    form: dict[str, Any], place: str
) -> None:
    draft = one({"expect": ["prefect.flow-run.Failed"], **form})
    assert f"trigger.{place}" in [where for where, _ in notes(draft, "missing")]
    assert draft.definition["shadow"] is True


S1, S2 = ({"subject": subject} for subject in ("scale.1", "scale.2"))


@pytest.mark.parametrize(
    ("trigger", "given", "times"),
    [
        (
            {"expect": ["a"], "threshold": 3, "within": 600, "for_each": ["prefect.resource.id"]},
            [{"type": "a", **S1}, {"type": "a", **S2}, {"at": "5m", "type": "a", **S1},
             {"at": "6m", "type": "a", **S1}, {"at": "7m", "type": "a", **S1}],
            ["6m"],
        ),
        (
            {"posture": "Proactive", "after": ["a"], "expect": ["b"], "within": 60,
             "for_each": ["prefect.resource.id"]},
            [{"type": "a", **S1}, {"type": "a", **S2}, {"at": "30s", "type": "b", **S1}, {"at": "10m"}],
            ["1m"],
        ),
        (
            {"after": ["a"], "expect": ["b"], "within": 60},
            [{"type": "b"}, {"at": "1s", "type": "a"}, {"at": "2s", "type": "b"}, {"at": "3s", "type": "b"}],
            ["2s"],
        ),
        (
            {"type": "compound", "require": "all", "within": 3600, "triggers": [
                {"expect": ["a"]}, {"expect": ["b"]}]},
            [{"type": "b"}, {"at": "30m", "type": "a"}, {"at": "40m", "type": "a"}],
            ["30m"],
        ),
        (
            {"type": "sequence", "within": 3600, "triggers": [{"expect": ["a"]}, {"expect": ["b"]}]},
            [{"type": "b"}, {"at": "1m", "type": "a"}, {"at": "2m", "type": "b"}],
            ["2m"],
        ),
    ],
)  # fmt: skip
def test_a_rule_fires_when_the_automation_would(
    trigger: dict[str, Any], given: list[dict[str, Any]], times: list[str]
) -> None:
    """As Prefect's documentation tells it, where spans that slide and spans in a row agree."""
    tests = [{"given": given, "expect": [{"at": at, "run": "it"} for at in times]}]
    definition = {**one(trigger).definition, "actions": [{"run": "it"}], "tests": tests}
    [result] = rehearse(Rule.parse(definition))
    assert result.passed, result.rows


# ---- labels: held to what Prefect's documentation says of them ----

ID = "prefect.resource.id"
LABELS = st.sampled_from([ID, "prefect.resource.name", "prefect.resource.role", "hall"])
VALUES = st.sampled_from(["scale.1", "scale.12", "north", "south", "a*b", "n?"])
WANTED = st.builds(
    lambda negated, text, star: f"{'!' * negated}{text}{'*' * star}",
    st.booleans(),
    VALUES | st.sampled_from(["s", "sca", ""]),
    st.booleans(),
)
SPEC = st.dictionaries(LABELS, WANTED | st.lists(WANTED, min_size=1, max_size=3), max_size=3)
RESOURCE = st.fixed_dictionaries({ID: VALUES}, optional={
    "prefect.resource.name": VALUES, "prefect.resource.role": VALUES, "hall": VALUES,
})  # fmt: skip


def label_holds(wanted: str, value: str | None) -> bool:
    if value is None:
        return False
    text = wanted.removeprefix("!")
    same = value.startswith(text[:-1]) if text.endswith("*") else value == text
    return same != wanted.startswith("!")


def includes(spec: dict[str, Any], resources: list[dict[str, str]]) -> bool:
    return not spec or any(
        all(
            any(label_holds(w, one.get(label)) for w in ([wanted] if isinstance(wanted, str) else wanted))
            for label, wanted in spec.items()
        )
        for one in resources
    )  # fmt: skip


def documented_hook(name: str) -> Hook:
    """The hook as the page on importing shows it, for anybody."""
    text = (ROOT / "docs" / "how-to" / "import-rules.md").read_text()
    [block] = [
        part.split("```")[0] for part in text.split("```yaml\n")[1:] if f"\n  {name}:\n" in part
    ]
    form = yaml.read(block)[0].value["webhooks"][name]
    return Hook.parse(name, {**form, "verify": "none"}, around=Surroundings(environ={}))


def fires(definition: Any, hook: Hook, body: Any) -> bool:
    """Whether the rule fires on what the hook makes of a body."""
    request = HookRequest((("Content-Type", "application/json"),), json.dumps(body).encode())
    [event] = hook.events(request, Verified(), NOW)
    root = {
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "data": event.data,
    }
    tests = [{"given": [{**root, "id": event.id}], "expect": []}]
    rule = Rule.parse({**definition, "actions": [{"run": "it"}], "tests": tests})
    [result] = rehearse(rule)
    return not result.passed


@settings(max_examples=150, deadline=None)
@given(
    SPEC,
    st.lists(SPEC, max_size=3),
    RESOURCE,
    st.lists(RESOURCE, max_size=3),
    st.sampled_from(["parcel.weighed", "parcel.lost"]),
)
def test_a_rule_fires_on_the_same_foreign_events_as_the_automation(
    match: dict[str, Any],
    related: list[dict[str, Any]],
    resource: dict[str, str],
    relatives: list[dict[str, str]],
    name: str,
) -> None:
    trigger = {"expect": ["parcel.w*"], "match": match, "match_related": related}
    draft = one(trigger)
    assume(not notes(draft, "missing"))
    body = {
        "id": "e1", "occurred": "2029-12-31T23:00:00Z", "event": name,
        "resource": resource, "related": relatives, "payload": {},
    }  # fmt: skip
    there = (
        name.startswith("parcel.w")
        and includes(match, [resource])
        and all(includes(one, relatives) for one in related)
    )
    assert fires(draft.definition, documented_hook("prefect"), body) == there, draft.definition


def test_an_event_as_prefect_sends_it_fires_an_imported_rule() -> None:
    document = read_document((DATA / "prefect-warehouse.yaml").read_bytes(), "it")
    draft = next(d for d in imported(document).drafts if d.name == "parcel-weighed")
    body = {
        "id": "e1", "occurred": "2029-12-31T23:00:00Z", "event": "parcel.weighed",
        "resource": {ID: "scale.7", "hall": "north"},
        "related": [{ID: "carrier.1", "prefect.resource.role": "carrier", "prefect.resource.name": "swift"}],
        "payload": {"weight": 3},
    }  # fmt: skip
    hook = documented_hook("prefect")
    assert fires(draft.definition, hook, body)
    assert not fires(
        draft.definition, hook, {**body, "resource": {ID: "scale.7", "hall": "south-2"}}
    )
    assert not fires(draft.definition, hook, {**body, "related": []})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"flow": "load-orders", "tags": ["prod", "x"]}, True),
        ({"flow": "load-stock-eu", "tags": ["prod"]}, True),
        ({"flow": "load-orders", "tags": ["test"]}, False),
        ({"flow": "other", "tags": ["prod"]}, False),
    ],
)
def test_the_end_of_a_run_fires_an_imported_rule(data: dict[str, Any], expected: bool) -> None:
    document = read_document((DATA / "prefect-warehouse.yaml").read_bytes(), "it")
    definition = imported(document).drafts[0].definition
    tests = [{
        "given": [{"type": "ensue.run.failed", "subject": "r1", "data": data}],
        "expect": [{"run": "it"}] if expected else [],
    }]  # fmt: skip
    rule = Rule.parse({**definition, "actions": [{"run": "it"}], "tests": tests})
    assert [result.passed for result in rehearse(rule)] == [True]


# ---- actions ----


@pytest.mark.parametrize(
    ("form", "becomes"),
    [
        (
            {"type": "run-deployment", "deployment_id": FLOW, "parameters": {"a": 1}, "schedule_after": "PT2M"},
            {"run": "load-orders", "with": {"a": 1}, "delay": "2m"},
        ),
        ({"type": "cancel-flow-run"}, {"cancel": {"run": "${event.subject}"}}),
        ({"type": "suspend-flow-run"}, {"pause": {"run": "${event.subject}"}}),
        ({"type": "resume-flow-run"}, {"resume": {"run": "${event.subject}"}}),
        ({"type": "pause-deployment", "deployment_id": FLOW}, {"pause": {"flow": "load-orders"}}),
        ({"type": "resume-deployment", "source": "inferred"}, {"resume": {"flow": "${event.data.flow}"}}),
        ({"type": "change-flow-run-state", "state": "CANCELLED"}, {"cancel": {"run": "${event.subject}"}}),
        ({"type": "change-flow-run-state", "state": "SCHEDULED"}, {"retry": {"run": "${event.subject}"}}),
        (
            {"type": "send-notification", "block_document_id": FLOW, "subject": "s", "body": "b"},
            {"notify": "load-orders", "title": "s", "message": "b"},
        ),
        (
            {"type": "call-webhook", "block_document_id": "w", "payload": '{"id": "{{ event.id }}"}'},
            {"call": "https://example.com/in", "body": {"id": "${event.id}"}},
        ),
        (
            {"type": "call-webhook", "block_document_id": "w", "payload": "costs ${x}"},
            {"call": "https://example.com/in", "body": "costs $${x}"},
        ),
    ],
)  # fmt: skip
def test_an_action_does_the_same(form: dict[str, Any], becomes: Any) -> None:
    automation = {"name": "it", "trigger": FAILED, "actions": [form]}
    names = {FLOW: "load-orders", "w": "https://example.com/in"}
    [draft] = imported(automation, **names).drafts
    assert draft.definition["actions"] == [becomes]
    assert notes(draft, "missing") == []


@pytest.mark.parametrize(
    "form",
    [
        {"type": "delete-flow-run"},
        {"type": "declare-incident"},
        {"type": "pause-work-pool", "work_pool_id": "p"},
        {"type": "run-deployment", "source": "inferred"},
        {"type": "change-flow-run-state", "state": "COMPLETED", "name": "costs ${x}"},
        {"type": "from-the-future", "x": [1]},
    ],
)
def test_an_action_without_an_equal_becomes_an_event_that_carries_it(form: dict[str, Any]) -> None:
    draft = one(FAILED, form)
    [action] = draft.definition["actions"]
    assert action["emit"] == f"prefect.action.{form['type']}"
    said = {name: value for name, value in form.items() if name != "type"}
    assert json.loads(json.dumps(action["data"]["action"]).replace("$${", "${")) == said
    assert notes(draft, "missing")[0][0] == "actions[0]"
    assert draft.definition["shadow"] is True
    assert draft.loads


def test_what_is_done_to_a_run_says_where_it_differs() -> None:
    told = notes(one(FAILED, {"type": "suspend-flow-run"}), "differs")
    assert told == [("actions[0]", "`suspend-flow-run`")]
    assert notes(one(FAILED, {"type": "cancel-flow-run"}), "differs") == []
    foreign = one({"expect": ["my.event"]}, {"type": "cancel-flow-run"})
    assert ("actions[0]", "the run") in notes(foreign, "differs")


def test_an_id_nobody_named_is_told() -> None:
    draft = one(FAILED, {"type": "run-deployment", "deployment_id": FLOW})
    assert draft.definition["actions"] == [{"run": "flow-5b1f3c52"}]
    [note] = [note for note in draft.notes if note.kind == "missing"]
    assert note.place == "actions[0].deployment_id"
    assert f"--name {FLOW}=NAME" in note.advice


def test_a_message_without_a_text_says_its_title() -> None:
    for body in (None, "", " "):
        form = {
            "type": "send-notification",
            "block_document_id": FLOW,
            "subject": "s",
            "body": body,
        }
        action = one(FAILED, form).definition["actions"][0]
        assert (action["title"], action["message"]) == ("s", "s")
    assert action_of({"type": "send-notification"})["message"] == "Automation"


def test_nothing_to_do_is_left_out_and_told() -> None:
    draft = one(FAILED, {"type": "do-nothing"}, {"type": "cancel-flow-run"})
    assert [*draft.definition["actions"]] == [{"cancel": {"run": "${event.subject}"}}]
    assert notes(draft, "info") == [("actions[0]", "`do-nothing`")]


def test_what_runs_on_trigger_and_on_resolve_is_told_apart() -> None:
    draft = one(
        {"posture": "Proactive", "expect": ["a"], "within": 60, "for_each": [ID]},
        {"type": "cancel-flow-run"},
        actions_on_trigger=[{"type": "suspend-flow-run"}],
        actions_on_resolve=[{"type": "resume-flow-run"}],
    )
    assert draft.definition["actions"] == [
        {"cancel": {"run": "${firing.key}"}},
        {"pause": {"run": "${firing.key}"}},
    ]
    assert draft.definition["on_resolve"] == [{"resume": {"run": "${firing.key}"}}]


# ---- templates ----


@pytest.mark.parametrize(
    ("template", "own", "becomes"),
    [
        ("{{ event.id }} at {{event.occurred}}", True, "${event.id} at ${event.time}"),
        ("{{ flow_run.state.message }}", True, "${event.data.message}"),
        (
            "{{ flow.name }}: {{ flow_run.parameters }}",
            True,
            "${event.data.flow}: ${event.data.parameters}",
        ),
        ("{{ event.resource.id }}", True, "${event.subject}"),
        ("{{ event.resource.id }}", False, "${event.subject}"),
        ("{{ event.resource.name }}", False, '${event.data.resource["prefect.resource.name"]}'),
        ("{{ event.payload.items[0]['a-b'] }}", False, '${event.data.payload.items[0]["a-b"]}'),
        ("{{ event.payload.in }}", False, '${event.data.payload["in"]}'),
        ("costs ${5}", True, "costs $${5}"),
        ("{{ automation.name }}", True, "${automation.name}"),
    ],
)
def test_a_plain_template_becomes_cel(template: str, own: bool, becomes: str) -> None:
    trigger = FAILED if own else {"expect": ["a"]}
    form = {"type": "run-deployment", "deployment_id": FLOW, "parameters": {"t": [template]}}
    draft = one(trigger, form)
    assert draft.definition["actions"][0]["with"] == {"t": [becomes]}
    assert draft.loads


@pytest.mark.parametrize(
    "template",
    [
        "{{ flow_run|ui_url }}",
        "{{ flow_run.name }}",
        "{% if x %}{{ event.id }}{% endif %}",
        "{{ a + b }}",
    ],
)
def test_a_template_that_is_more_than_a_path_stands_with_a_note(template: str) -> None:
    form = {"type": "run-deployment", "deployment_id": FLOW, "parameters": {"t": template}}
    draft = one(FAILED, form)
    assert ("{{" in draft.definition["actions"][0]["with"]["t"]) or "{%" in template
    assert "actions[0].parameters.t" in [place for place, _ in notes(draft, "missing")]


# ---- the document ----


def test_one_a_list_and_a_map_of_automations_are_read() -> None:
    form = {"name": "it", "trigger": FAILED, "actions": []}
    assert [draft.name for draft in imported(form).drafts] == ["it"]
    assert [draft.name for draft in imported([form, form]).drafts] == ["it", "it-2"]
    both = imported({"automations": [form], "version": 2})
    assert [draft.name for draft in both.drafts] == ["it"]
    assert [note.place for note in both.notes] == ["version"]
    assert imported(None).drafts == ()


def test_an_automation_knows_another_by_its_id() -> None:
    first = {"id": "a1", "name": "Keep watch!", "trigger": FAILED, "actions": []}
    second = {"name": "b", "trigger": FAILED, "actions": [
        {"type": "pause-automation", "automation_id": "a1"}]}  # fmt: skip
    drafts = imported([first, second]).drafts
    assert drafts[0].name == "keep-watch"
    assert drafts[1].definition["actions"] == [{"pause": {"automation": "keep-watch"}}]


@pytest.mark.parametrize("broken", ["text", 7, [None], {"name": 3}, {"trigger": [], "actions": {}}])
def test_what_is_no_automation_is_told_and_breaks_nothing(broken: Any) -> None:
    for draft in imported(broken).drafts:
        assert notes(draft, "missing")
        assert draft.definition["shadow"] is True
        assert yaml.read(written(draft, "it"))[0].value == draft.definition
