import pytest

from automations.lint import FlowShape, lint
from automations.reader import gather
from base.time import SECOND

NOW = 1_893_456_000 * SECOND
FLOWS = {
    "triage-it": FlowShape(frozenset({"job"}), frozenset({"note"})),
    "open-flow": FlowShape(frozenset(), open_ended=True),
}


def findings(text, flows=FLOWS):
    return [
        (one.severity, one.problem.code, one.problem.line, one.problem.column)
        for one in lint(gather([("r.yaml", text.encode())]), flows, now=NOW)
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
    (finding,) = lint(
        gather([("r.yaml", rule(actions="- run: triag-it").encode())]), FLOWS, now=NOW
    )
    assert (finding.severity, finding.problem.code) == ("error", "flow_unknown")
    assert finding.problem.hint == "did you mean `triage-it`?"
    assert str(finding) == (
        "r.yaml:4:8: error: actions[0].run: there is no flow `triag-it` (did you mean `triage-it`?)"
    )


def test_without_any_flow_that_is_said():
    (finding,) = lint(gather([("r.yaml", rule().encode())]), {}, now=NOW)
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
    (finding,) = lint(gather([("r.yaml", text.encode())]), FLOWS, now=NOW)
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
    found = [(one.problem.file, one.problem.line) for one in lint(gather(files), FLOWS, now=NOW)]
    assert found == [("a.yaml", 4), ("a.yaml", 5), ("b.yaml", found[-1][1])]


def linted(text, flows=FLOWS):
    return lint(gather([("r.yaml", text.encode())]), flows, now=NOW)


def coded(text, code):
    return [one for one in linted(text, None) if one.problem.code == code]


def test_a_flow_of_on_resolve_is_looked_at_too():
    text = (
        "name: a\ntrigger: {absent: beat, for: 5m}\nactions:\n- run: open-flow\n"
        "on_resolve:\n- run: oepn-flow\n"
    )
    assert findings(text) == [("error", "flow_unknown", 6, 8)]


@pytest.mark.parametrize(
    ("trigger", "action"),
    [
        ("event: order.*", "- emit: order.${event.data.kind}"),
        ("event: '*.done'", "- emit: order.${event.data.kind}"),
        ("event: 'order.?'", "- emit: order.x"),
        ("count: a.*, at_least: 3, within: 1m", "- emit: a.b"),
        ("sequence: [x, {event: a.b}], within: 1m", "- emit: a.b"),
        ("all: [x, {count: a.b, at_least: 2, within: 1m}], within: 1m", "- emit: a.b"),
        ("absent: x, for: 1m, after: a.b", "- emit: a.b"),
        ("event: a, match: {data: {n: [1]}}", "- {emit: a, data: {n: '${event.data.n}'}}"),
        ("event: a, match: {data: {n: [1]}}", "- {emit: a, data: '${event.data}'}"),
        ("event: a, subject: x*", "- {emit: a, subject: '${event.subject}'}"),
        ("event: ensue.action.dead", "- call: https://example.com"),
    ],
)
def test_a_rule_that_may_set_itself_off_is_a_warning(trigger, action):
    assert [one[1] for one in findings(rule(trigger, action))] == ["self_trigger"]


@pytest.mark.parametrize(
    ("trigger", "action"),
    [
        ("event: order.*", "- emit: shop.${event.data.kind}"),
        ("event: order.created", "- emit: order.${event.data.kind}.done"),
        ("event: a, match: {data: {n: [1]}}", "- {emit: a, data: {n: 2}}"),
        ("event: a, match: {data: {n: [1]}}", "- emit: a"),
        ("event: a, subject: x*", "- {emit: a, subject: y}"),
        ("absent: a, for: 1m", "- emit: a"),
        (
            "event: ensue.action.dead, match: {data: {automation: [b]}}",
            "- call: https://example.com",
        ),
    ],
)
def test_a_rule_that_cannot_set_itself_off_is_not_warned_of(trigger, action):
    assert findings(rule(trigger, action)) == []


@pytest.mark.parametrize(
    "trigger",
    ["event: ensue.automation.*", "event: 'ensue.*'", "event: ensue.automation.fired"],
)
def test_a_rule_that_hears_of_its_own_firings_is_warned_of_with_the_way_out(trigger):
    (found,) = coded(rule(trigger, "- emit: x"), "self_trigger")
    assert (found.problem.line, found.problem.column) == (2, 10)
    assert found.problem.hint == "leave it out: match: {data: {automation: [{anything-but: a}]}}"


def test_a_rule_that_leaves_its_own_firings_out_is_fine():
    trigger = "event: ensue.automation.*, match: {data: {automation: [{anything-but: a}]}}"
    assert findings(rule(trigger, "- emit: x")) == []


def test_a_rule_that_hears_its_own_timers_is_warned_of():
    text = rule("event: ensue.timer.*", "- emit: x") + "debounce: {quiet: 10s}\n"
    (found,) = coded(text, "self_trigger")
    assert "`ensue.timer.due`" in found.problem.message


def chain(*steps, more=""):
    """A rule for each step `name: heard → emitted`."""
    return "---\n".join(
        f"name: {name}\ntrigger: {{event: {heard}}}\nactions:\n- {done}\n{more}"
        for name, heard, done in steps
    )


def test_rules_that_set_each_other_off_are_told_once_as_a_path_with_its_places():
    text = chain(
        ("c", "z", "emit: w"),
        ("a", "x", "emit: y"),
        ("b", "y", "run: verify"),
        ("d", "ensue.run.completed", "emit: x"),
    )
    (found,) = coded(text, "rules_in_circle")
    assert (found.severity, found.problem.line) == ("warning", 9)
    assert found.problem.message == (
        "actions[0].emit: these rules may set each other off: `a` emits y → `b` (r.yaml:14:1) "
        "runs verify, which gives ensue.run.completed → `d` (r.yaml:19:1) emits x → `a`"
    )
    assert found.problem.hint == (
        "let one of their triggers tell them apart; `max_depth` cuts each chain at depth 16"
    )


def test_what_cuts_a_circle_is_said():
    text = chain(
        ("a", "x", "emit: y"), ("b", "y", "emit: x"), more="throttle: {at_most: 1, every: 30m}\n"
    ).replace("name: b\n", "name: b\nmax_depth: 4\n")
    (found,) = coded(text, "rules_in_circle")
    assert found.problem.hint.endswith(
        "`max_depth` cuts each chain at depth 4, the throttle of `a` lets 1 through every 30m, "
        "the throttle of `b` lets 1 through every 30m"
    )


def test_a_count_in_a_circle_is_said_to_slow_it():
    text = chain(("a", "x", "emit: y"), ("b", "y", "emit: x")).replace(
        "{event: y}", "{count: y, at_least: 3, within: 1h}"
    )
    (found,) = coded(text, "rules_in_circle")
    assert found.problem.hint.endswith("at depth 16, `b` waits for 3 at a time")


def test_rules_that_look_after_failures_are_in_no_circle():
    text = chain(
        ("a", "ensue.action.dead", "run: open-flow"),
        ("b", "ensue.run.failed", "call: https://example.com"),
    )
    assert not coded(text, "rules_in_circle")


def test_a_figure_that_crosses_its_bound_closes_no_circle():
    figure = "{aggregate: y, function: avg, value: event.data.n, over: 1h, above: 3}"
    text = chain(("a", "x", "emit: y"), ("b", "y", "emit: x")).replace("{event: y}", figure)
    assert not coded(text, "rules_in_circle")


def test_each_circle_is_told_once_and_all_of_them_are():
    text = chain(
        ("a", "x", "emit: y"), ("b", "y", "emit: x"), ("c", "x", "emit: z"), ("d", "z", "emit: x")
    )
    told = [one.problem.message for one in coded(text, "rules_in_circle")]
    assert len(told) == len(set(told)) >= 2
    for name in "abcd":
        assert any(f"`{name}`" in one for one in told)


@pytest.mark.parametrize("off", ["enabled: false\n", "shadow: true\n"])
def test_a_rule_that_does_not_act_is_in_no_circle(off):
    text = chain(("a", "x", "emit: y"), ("b", "y", "emit: x"))
    assert coded(text, "rules_in_circle")
    assert not coded(text + off, "rules_in_circle")


def test_a_circle_may_lead_over_on_resolve():
    text = (
        "name: a\ntrigger: {absent: beat, for: 5m}\nactions: [{emit: alarm}]\n"
        "on_resolve:\n- emit: calm\n---\n"
        "name: b\ntrigger: {event: calm}\nactions: [{emit: beat}]\n"
    )
    (found,) = coded(text, "rules_in_circle")
    assert found.problem.line == 5
    assert not coded(text.replace("emit: calm", "emit: quiet"), "rules_in_circle")


def test_a_thousand_rules_are_searched_for_circles_in_no_time():
    steps = [(f"r{n}", f"t{n}", f"emit: t{n + 1}") for n in range(999)]
    text = chain(*steps, ("last", "t999", "emit: t0"))
    files = gather([("r.yaml", text.encode())])
    (found,) = lint(files, None, now=NOW)
    assert found.problem.code == "rules_in_circle"


@pytest.mark.parametrize(
    ("clock", "noted"),
    [
        ("rrule: FREQ=WEEKLY", True),
        ("rrule: FREQ=DAILY;INTERVAL=2", True),
        ("rrule: 'FREQ=WEEKLY;BYDAY=MO'", False),
        ("rrule: FREQ=DAILY", False),
        ("rrule: FREQ=HOURLY;INTERVAL=4", False),
        ("rrule: FREQ=WEEKLY, start: 2030-01-07", False),
    ],
)
def test_a_recurrence_that_counts_from_when_it_was_enabled_is_noted(clock, noted):
    found = [(one.severity, one.problem.code) for one in linted(rule(clock))]
    assert found == ([("note", "day_left_open")] if noted else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (rule("event: a", "- {emit: x, subject: '${vars.region}'}"), []),
        (rule("event: a", "- {emit: x, subject: '${vars.limits.low}'}"), []),
        (rule("event: a", "- {emit: x, subject: '${vars[\"region\"]}'}"), []),
        (rule("event: a", "- {emit: x, subject: '${vars.?zone.orValue(\"x\")}'}"), []),
        (
            rule("event: a", "- {emit: x, subject: '${vars.regoin}'}"),
            [("variable_unknown", "did you mean `vars.region`?")],
        ),
        (
            rule("event: a", "- {emit: x, if: vars.limits.height > 1}"),
            [("variable_unknown", "there are low")],
        ),
        (rule("cron: '@daily', where: '!holiday(now, vars.region)'"), []),
        (
            rule("cron: '@daily', where: '!holiday(now, vars.zone)'"),
            [("variable_unknown", "there are bad, limits, region")],
        ),
        (
            rule("cron: '@daily', where: '!holiday(now, vars.bad)'"),
            [
                (
                    "evaluation_error",
                    "every time without an answer is told by ensue.automation.error",
                )
            ],
        ),
    ],
)
def test_what_rules_want_of_the_settings_is_looked_for_there(text, found):
    variables = {"region": "DE-BE", "bad": "DE-XX", "limits": {"low": 1}}
    files = gather([("r.yaml", text.encode())])
    told = lint(files, None, now=NOW, variables=variables)
    assert [(one.problem.code, one.problem.hint) for one in told] == found
    assert not lint(files, None, now=NOW)


def test_a_calendar_that_a_variable_names_wrongly_is_told_by_its_name():
    text = rule("cron: '@daily', where: '!holiday(now, vars.bad)'")
    files = gather([("r.yaml", text.encode())])
    (found,) = lint(files, None, now=NOW, variables={"bad": "DE-XX"})
    assert 'there is no holiday calendar "DE-XX"' in found.problem.message


def test_where_each_rule_sets_off_each_not_all_circles_are_told():
    text = chain(*((f"r{n}", "t", "emit: t") for n in range(60)))
    assert len(coded(text, "rules_in_circle")) == 100


@pytest.mark.parametrize(
    "clock",
    [
        "at: 2020-01-01T00:00",
        "rrule: FREQ=DAILY;UNTIL=20200101T000000Z, start: 2019-01-01",
        "rrule: FREQ=DAILY;COUNT=3, start: 2019-01-01",
    ],
)
def test_a_clock_that_never_fires_again_is_a_warning(clock):
    (found,) = linted(rule(clock))
    assert (found.severity, found.problem.code) == ("warning", "never_fires")
    assert (found.problem.line, found.problem.column) == (2, 13 + len(clock.split(":")[0]))
    assert "never fires" in found.problem.message


@pytest.mark.parametrize("clock", ["at: 2040-01-01T00:00", "cron: '0 0 29 2 *'", "every: 1h"])
def test_a_clock_that_fires_is_fine(clock):
    assert linted(rule(clock)) == ()


@pytest.mark.parametrize(
    "clock", ["cron: '0 0 30 2 *'", "rrule: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]
)
def test_a_time_that_no_calendar_has_is_refused_when_the_rule_is_read(clock):
    (found,) = linted(rule(clock))
    assert (found.severity, found.problem.code) == ("error", "trigger_invalid")
    assert found.problem.line == 2


# -- what rules do to what is there ------------------------------------------------------------


def test_a_flow_that_is_steered_and_does_not_exist_is_an_error():
    assert findings(rule(actions="- cancel: {flow: triage_it}")) == []
    assert findings(rule(actions="- pause: {flow: triag-it}")) == [("error", "flow_unknown", 4, 17)]
    assert findings(rule(actions="- pause: {flow: triag-it}"), None) == []


def test_a_rule_that_is_steered_and_not_among_these_is_a_warning():
    text = rule(actions="- pause: {automation: b}") + "---\nname: b\ntrigger: {event: [b\n"
    assert ("warning", "automation_unknown", 4, 23) in findings(text.partition("---")[0])
    two = rule(actions="- pause: {automation: b}") + "---\n" + rule().replace("name: a", "name: b")
    assert findings(two) == []
    assert findings(rule(actions='- pause: {automation: "${event.data.rule}"}')) == []


def test_a_rule_that_retries_without_end_is_told_how_to_end_it():
    on = "event: ensue.run.failed"
    (found,) = lint(gather([("r.yaml", rule(on, "- retry: {}").encode())]), FLOWS, now=NOW)
    assert (found.severity, found.problem.code) == ("warning", "self_trigger")
    assert found.problem.hint == (
        "answer the first attempt only, match: {data: {attempt: [1]}}, or throttle it"
    )
    assert findings(rule(f"{on}, match: {{data: {{attempt: [1]}}}}", "- retry: {}")) == []
    throttled = rule(on, "- retry: {}") + "throttle: {every: 1d, per: subject}\n"
    assert findings(throttled) == []


def test_rules_that_pause_and_resume_each_other_go_round():
    text = (
        "name: a\ntrigger: {event: ensue.automation.paused}\n"
        "actions: [{resume: {automation: b}}]\n---\n"
        "name: b\ntrigger: {event: ensue.automation.resumed}\n"
        "actions: [{pause: {automation: b}}]\n"
    )
    assert [code for _, code, _, _ in findings(text)] == ["rules_in_circle"]
