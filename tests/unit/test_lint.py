import pytest

from automations.lint import FlowShape, lint
from automations.reader import gather

FLOWS = {
    "triage-it": FlowShape(frozenset({"job"}), frozenset({"note"})),
    "open-flow": FlowShape(frozenset(), open_ended=True),
}


def findings(text, flows=FLOWS):
    return [
        (one.severity, one.problem.code, one.problem.line, one.problem.column)
        for one in lint(gather([("r.yaml", text.encode())]), flows)
    ]


def rule(trigger="event: a", actions="- run: open-flow"):
    return f"name: a\ntrigger: {{{trigger}}}\nactions:\n{actions}\n"


def test_a_rule_in_order_has_no_findings():
    assert findings(rule()) == []


def test_what_does_not_load_is_an_error():
    text = "name: a b\ntrigger: {event: a}\nactions: [{run: f}]"
    assert findings(text) == [("error", "rule_invalid", 1, 7)]
    assert findings("name: @a") == [("error", "yaml_invalid", 1, 7)]


def test_a_flow_that_does_not_exist_is_an_error_with_the_nearest_name():
    (finding,) = lint(gather([("r.yaml", rule(actions="- run: triag-it").encode())]), FLOWS)
    assert (finding.severity, finding.problem.code) == ("error", "flow_unknown")
    assert finding.problem.hint == "did you mean `triage-it`?"
    assert str(finding) == (
        "r.yaml:4:8: error: actions[0].run: there is no flow `triag-it` (did you mean `triage-it`?)"
    )


def test_without_any_flow_that_is_said():
    (finding,) = lint(gather([("r.yaml", rule().encode())]), {})
    assert finding.problem.hint == "there are no flows"


def test_flows_that_are_not_known_are_not_judged():
    assert findings(rule(actions="- run: anything"), None) == []


def test_either_spelling_finds_a_flow():
    assert findings(rule(actions="- {run: triage_it, with: {job: 1}}")) == []


def test_parameters_are_held_against_the_flow():
    assert findings(rule(actions="- run: triage-it\n  with: {jbo: 1, note: x}")) == [
        ("error", "parameter_missing", 4, 8),
        ("error", "parameter_unknown", 5, 10),
    ]
    assert findings(rule(actions="- {run: open-flow, with: {anything: 1}}")) == []


def test_a_rule_that_emits_what_it_listens_to_is_a_warning():
    assert findings(rule("event: a.*", "- emit: a.b")) == [("warning", "self_trigger", 4, 9)]


@pytest.mark.parametrize(
    ("trigger", "action"),
    [
        ("event: a.*", "- emit: b.a"),
        ("event: a.*, source: /elsewhere", "- emit: a.b"),
        ("event: a.*, source: /elsewhere", "- {emit: a.b, source: /here}"),
        ("event: a.*", "- emit: b.${event.id}"),
    ],
)
def test_a_rule_that_emits_something_else_is_fine(trigger, action):
    assert findings(rule(trigger, action)) == []


def test_an_emitted_source_counts():
    assert (
        findings(rule("event: a, source: /x/*", "- {emit: a, source: /x/y}"))[0][1]
        == "self_trigger"
    )
    assert findings(rule("event: a, source: /automations/*", "- emit: a"))[0][1] == "self_trigger"


def test_a_rule_that_listens_to_the_runs_it_starts_is_a_warning():
    assert findings(rule("event: ensue.run.completed")) == [("warning", "self_trigger", 4, 8)]
    assert findings(rule("event: ensue.run.*")) == [("warning", "self_trigger", 4, 8)]


def test_listening_to_the_runs_of_another_flow_is_fine():
    assert findings(rule("event: ensue.run.completed, match: {data: {flow: [triage-it]}}")) == []
    assert findings(rule("event: ensue.run.*, source: /flows/triage-it")) == []
    assert "self_trigger" not in [found[1] for found in findings(rule('event: "*"'))]


def test_a_trigger_that_every_event_is_held_against_is_a_warning():
    trigger = 'event: "*", match: {data: {x: [{anything-but: 1}]}}'
    assert findings(rule(trigger)) == [("warning", "not_indexable", 2, 10)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("event.data.total * 1.19 > 2.0", True),
        ("1.5 + event.data.total > 2.0", True),
        ("event.data.items.exists(i, i.n / 2.0 > 1.0)", True),
        ("{'a': [event.data.n - 0.5]} == {}", True),
        ("double(event.data.total) * 1.19 > 2.0", False),
        ("event.data.total * 2 > 2", False),
        ("event.data.total > 1.5", False),
        ("event.data.total + event.data.tax > 1.5", False),
    ],
)
def test_arithmetic_that_fails_for_integers_is_a_warning(source, found):
    expected = [("warning", "number_mix", 2, 28)] if found else []
    assert findings(rule(f'event: a, where: "{source}"')) == expected


def test_the_operator_that_mixes_has_a_caret():
    text = rule("event: a", "- run: open-flow\n  with: {x: '${event.data.a * 1.5}'}")
    (finding,) = lint(gather([("r.yaml", text.encode())]), FLOWS)
    assert finding.problem.line == 5
    assert finding.problem.message.split("\n")[1:] == [
        "  event.data.a * 1.5",
        "               ^",
    ]


@pytest.mark.parametrize(
    "actions",
    [
        "- {run: open-flow, if: event.data.a * 1.5 > 1.0}",
        "- {emit: x, data: '${event.data.a * 1.5}'}",
        "- {call: 'https://x/${event.data.a * 1.5}'}",
        "- {call: 'https://x/', body: ['${event.data.a * 1.5}']}",
        "- {call: 'https://x/', headers: {A: '${event.data.a * 1.5}'}}",
    ],
)
def test_expressions_are_looked_at_wherever_they_stand(actions):
    assert [finding[1] for finding in findings(rule(actions=actions))] == ["number_mix"]


def test_tests_that_cannot_be_read_are_errors():
    text = rule() + "tests:\n- given: [{typ: a}]\n  expect: []\n- {given: []}\n"
    assert findings(text) == [
        ("error", "field_unknown", 6, 12),
        ("error", "test_invalid", 8, 3),
    ]


def test_findings_come_in_the_order_of_files_and_lines():
    files = [("b.yaml", b"name: ["), ("a.yaml", rule(actions="- run: x\n- run: y").encode())]
    found = [(one.problem.file, one.problem.line) for one in lint(gather(files), FLOWS)]
    assert found == [("a.yaml", 4), ("a.yaml", 5), ("b.yaml", found[-1][1])]
