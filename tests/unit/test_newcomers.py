"""What people write who come from another tool, and the way out that they are told."""

from __future__ import annotations

import pytest

from automations.lint import lint
from automations.reader import gather
from base.suggest import duration_meant
from base.time import SECOND

NOW = 1_893_456_000 * SECOND


def problems(text):
    """Place, code and hint of all that keeps the rule from being read."""
    return [
        (one.message.split(": ")[0], one.code, one.hint)
        for one in gather([("r.yaml", text.encode())]).problems
    ]


def rule(trigger="{event: x}", actions="[{run: f}]", more=""):
    return f"name: a\ntrigger: {trigger}\nactions: {actions}\n{more}"


COUNT = "count: order.created, at_least: 3, within: 10m"
WHERE = "a condition is `where: event.data.total > 100`, or a `match` on the content"
IF = "on an action a condition is `if: event.data.total > 100`"
RUN = "write `run: my-flow`, and its parameters as `with: {…}`"
MEMBERS = "several at once are `all: […]`, `any: […]` or `sequence: […]`, `within: 10m`"


@pytest.mark.parametrize(
    ("trigger", "place", "hint"),
    [
        ("{absent: {event: beat}, for: 5m}", "trigger.absent", "write `absent: beat`"),
        (
            "{count: {event: x, match: {a: [1]}}, at_least: 3, within: 5m}",
            "trigger.count",
            "write `count: x`, and `match` beside it",
        ),
        ("{event: {type: x}}", "trigger.event", "write `event: x`"),
        (
            "{aggregate: {event: x}, function: avg, value: event.data.n, over: 5m, above: 1}",
            "trigger.aggregate",
            "write `aggregate: x`",
        ),
        (
            "{sequence: {event: x}, within: 5m}",
            "trigger.sequence",
            "[order.created, order.paid]",
        ),
        ("{sequence: [{type: x}], within: 5m}", "trigger.sequence[0]", "write `event: x`"),
        ("{type: event, expect: [x]}", "trigger", "write `event: x`"),
        ("{type: order.created}", "trigger", "write `event: order.created`"),
        ("{type: compound, require: all, triggers: []}", "trigger", MEMBERS),
        ("{platform: event, event_type: x}", "trigger", "write `event: x`"),
        (
            "{event: x, threshold: 3, within: 600}",
            "trigger.threshold",
            f"so many events are `{COUNT}`",
        ),
        ("{event: x, within: 10m}", "trigger.within", f"write `{COUNT}`"),
        ("{event: x, count: 3}", "trigger.count", f"write `{COUNT}`"),
        ("{event: x, for: 10m}", "trigger.for", "write `absent: heartbeat, for: 10m`"),
        ("{event: x, if: event.data.n > 1}", "trigger.if", WHERE),
        ("{event: x, when: event.data.n > 1}", "trigger.when", WHERE),
        ("{count: x, at_least: 2, within: 1h, if: 'true'}", "trigger.if", WHERE),
        (
            "{event: x, throttle: {at_most: 1, every: 1h}}",
            "trigger.throttle",
            "it stands on the rule, beside `trigger`",
        ),
        ("{or: [x, y]}", "trigger", "write `any: […]`"),
        ("{interval: 600}", "trigger", "write `every: 10m`"),
        (
            "{schedule: '0 9 * * *'}",
            "trigger",
            "a clock is `cron: '0 9 * * mon-fri'`, `every: 10m`, `rrule: …` or `at: …`",
        ),
        ("order.created", "trigger", "event: order.created"),
        ("{absent: x, for: 5 minutes}", "trigger.for", "write 5m"),
        ("{absent: x, for: PT1H30M}", "trigger.for", "write 1h30m"),
        ("{absent: x, for: '00:05:00'}", "trigger.for", "write 5m"),
        ("{absent: x, for: -5}", "trigger.for", "such as 10m"),
        ("{event: x, where: event.data.a == 1 and event.data.b == 2}", "trigger.where", "write &&"),
        ("{event: x, where: data.a == 1}", "trigger.where", "write event.data"),
    ],
)
def test_a_trigger_in_the_words_of_another_tool_is_led_on(trigger, place, hint):
    ((found, _, said),) = problems(rule(trigger))
    assert (found, said) == (place, hint)


@pytest.mark.parametrize("word", ["posture: Proactive", "posture: Reactive"])
def test_who_comes_from_prefect_is_told_of_the_import(word):
    ((_, _, hint),) = problems(rule(f"{{type: event, {word}, expect: [x], within: 600}}"))
    assert "Proactive `absent: …, for: 10m`" in hint
    assert "`ensue import prefect`" in hint


def test_a_minute_that_no_hour_has_is_named_with_its_bounds():
    (problem,) = gather([("r.yaml", rule("{cron: '61 * * * *'}").encode())]).problems
    assert (problem.line, problem.column) == (2, 17)
    assert problem.message == "trigger.cron: minute: 61 is not within 0 to 59"


def test_a_key_begins_at_the_event_without_its_name():
    (problem,) = gather(
        [("r.yaml", rule("{count: x, at_least: 2, within: 1h, per: event.data.n}").encode())]
    ).problems
    assert problem.message.endswith("`per` begins at the event, without its name: data.n")


@pytest.mark.parametrize(
    ("action", "place", "hint"),
    [
        ("{type: run-deployment, deployment_id: x}", "actions[0]", f"`type` is left out: {RUN}"),
        (
            "{type: pause-automation}",
            "actions[0]",
            "`type` is left out: write `pause: {automation: NAME}`",
        ),
        ("{type: do-nothing}", "actions[0]", "`type` is left out: such as `run: my-flow`"),
        ("{flow: f}", "actions[0]", RUN),
        ("{run_playbook: {name: p}}", "actions[0]", RUN),
        (
            "{webhook: https://x}",
            "actions[0]",
            "write `call: https://example.com/hook`, with `method`, `headers` and `body`",
        ),
        ("run-deployment", "actions[0]", "- run: my-flow"),
        ("{run: {flow: f}}", "actions[0].run", RUN),
        ("{run: f, parameters: {a: 1}}", "actions[0].parameters", "write `with: {…}`"),
        ("{run: f, when: 'true'}", "actions[0].when", IF),
        ("{emit: f, where: 'true'}", "actions[0].where", f"{IF}; `where` stands in a trigger"),
    ],
)
def test_an_action_in_the_words_of_another_tool_is_led_on(action, place, hint):
    ((found, _, said),) = problems(rule(actions=f"[{action}]"))
    assert (found, said) == (place, hint)


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ("when: event.data.n > 1", "a condition stands in the trigger"),
        ("if: event.data.n > 1", "a condition stands in the trigger"),
        ("where: event.data.n > 1", "a condition stands in the trigger"),
        ("condition: event.data.n > 1", "a condition stands in the trigger"),
        ("schedule: 0 9 * * *", "a clock is a trigger"),
        ("on: x", "write `trigger:"),
        ("kind: Sensor", "this is a resource of Kubernetes"),
        ("hosts: all", "a rule has `name`, `trigger` and `actions`"),
        ("cooldown: 5m", "write `throttle:"),
        ("trigers: x", "did you mean `trigger`?"),
        ("colour: red", "there are actions, "),
    ],
)
def test_a_field_of_a_rule_in_the_words_of_another_tool_is_led_on(more, hint):
    ((place, code, said),) = problems(rule(more=more))
    assert (place, code) == (more.split(":")[0], "field_unknown")
    assert said.startswith(hint)


def found(text):
    return [
        (one.severity, one.problem.code, one.problem.message.split(": ")[0], one.problem.hint)
        for one in lint(gather([("r.yaml", text.encode())]), now=NOW)
    ]


def test_an_expression_of_jinja_is_told_to_be_text():
    text = rule(actions="[{run: f, with: {a: '{{ event.data.n }}'}}]")
    assert found(text) == [
        (
            "warning",
            "text_not_expression",
            "actions[0].with.a",
            "an expression is written ${event.data.n}, in CEL",
        )
    ]
    assert not found(rule(actions="[{run: f, with: {a: '${event.data.n}'}}]"))


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("'>= 5'", 'write [{numeric: [">=", 5]}]'),
        ("['< 0.5']", 'write [{numeric: ["<", 0.5]}]'),
        ("'!= 3'", "write [{anything-but: 3}]"),
    ],
)
def test_a_comparison_in_a_pattern_is_told_to_be_text(value, hint):
    for trigger in (
        f"{{event: x, match: {{data: {{n: {value}}}}}}}",
        f"{{event: x, match: {{$or: [{{data: {{n: {value}}}}}, {{subject: a}}]}}}}",
        f"{{all: [y, {{event: x, match: {{data.n: {value}}}}}], within: 1h}}",
    ):
        ((severity, code, _, said),) = found(rule(trigger))
        assert (severity, code, said) == ("warning", "text_not_condition", hint)


def test_what_a_condition_compares_with_is_left_alone():
    assert not found(rule("{event: x, match: {data: {n: [{prefix: '>= 5'}]}}}"))


def test_a_bare_number_is_told_to_be_seconds():
    text = rule(
        "{count: x, at_least: 3, within: 600}",
        "[{run: f, delay: 90, with: {timeout: 5}}]",
        "throttle: {at_most: 1, every: 3600}",
    )
    assert found(text) == [
        ("note", "seconds_counted", "trigger.within", "write 10m"),
        ("note", "seconds_counted", "actions[0].delay", "write 1m30s"),
        ("note", "seconds_counted", "throttle.every", "write 1h"),
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5 minutes", "write 5m"),
        ("1 Hour", "write 1h"),
        ("30 sec", "write 30s"),
        ("2 weeks", "write 2w"),
        ("P1DT2H", "write 1d2h"),
        ("P0D", None),
        ("P", None),
        ("1:30:00", "write 1h30m"),
        ("soon", None),
        (-1, "such as 10m"),
    ],
)
def test_durations_as_others_spell_them_are_translated(text, meant):
    assert duration_meant(text) == meant
