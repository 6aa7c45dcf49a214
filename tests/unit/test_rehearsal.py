import pytest

from automations.comparison import differences
from automations.rehearsal import rehearse
from automations.rule import Rule
from base.fields import FormError
from base.time import SECOND


def rehearsed(given, expect, *, variables=None, start=None, **change):
    rule = {
        "name": "r",
        "trigger": {"event": "job.failed"},
        "actions": [{"run": "triage", "with": {"job": "${event.subject}"}}],
    } | change
    test = {"given": given, "expect": expect} | ({"start": start} if start else {})
    (result,) = rehearse(Rule.parse(rule | {"tests": [test]}), variables)
    return result


def failed(subject="a", **given):
    return {"type": "job.failed", "subject": subject, **given}


def told(result):
    """The differences, as (place, wanted, actual)."""
    return [(d.place, d.wanted, d.actual) for row in result.rows for d in row.differences]


def test_what_a_match_sets_off_is_compared_with_what_was_expected():
    assert rehearsed([failed()], [{"run": "triage", "with": {"job": "a"}}]).passed


def test_a_difference_is_told_with_its_place():
    result = rehearsed([failed()], [{"run": "triage", "with": {"job": "b"}}])
    assert not result.passed
    assert told(result) == [("with.job", "b", "a")]


def test_expect_is_the_complete_list():
    too_few = rehearsed([failed("a"), failed("b")], [{"run": "triage", "with": {"job": "a"}}])
    assert not too_few.passed
    assert [(row.expected is None, row.actual is None) for row in too_few.rows] == [
        (False, False),
        (True, False),
    ]
    too_many = rehearsed([], [{"run": "triage"}])
    assert not too_many.passed
    assert too_many.rows[0].actual is None


def test_nothing_may_be_expected():
    assert rehearsed([{"type": "job.succeeded"}], []).passed
    assert not rehearsed([failed()], []).passed


def test_order_counts():
    given = [failed("a"), failed("b")]
    assert not rehearsed(
        given, [{"run": "triage", "with": {"job": "b"}}, {"run": "triage", "with": {"job": "a"}}]
    ).passed


def test_what_is_missing_stands_out_beside_what_is_there():
    actions = [{"run": "one"}, {"run": "two"}, {"run": "three"}]
    result = rehearsed([failed()], [{"run": "one"}, {"run": "three"}], actions=actions)
    assert [(r.expected and r.expected.target, r.actual.target) for r in result.rows] == [
        ("one", "one"),
        (None, "two"),
        ("three", "three"),
    ]


def test_repeated_events_come_at_their_times_with_fresh_ids():
    result = rehearsed(
        [failed(at="5s", repeat=3, every="1m"), {"at": "1h"}],
        [
            {"at": "5s", "run": "triage"},
            {"at": "1m5s", "run": "triage"},
            {"at": "2m5s", "run": "triage"},
        ],
    )
    assert result.passed
    ids = [m.event.id for m in result.timeline if m.kind == "given"]
    assert len(set(ids)) == 3
    assert result.timeline[-1].kind == "passes"
    assert result.timeline[-1].at == 3600 * SECOND


def test_at_defaults_to_that_of_the_entry_before():
    result = rehearsed(
        [failed("a"), failed("b", at="1m"), failed("c")],
        [{"at": at, "run": "triage"} for at in ("0s", "1m", "1m")],
    )
    assert result.passed


def test_entries_are_sorted_by_time_stably():
    result = rehearsed(
        [failed("late", at="1m"), failed("first", at="0s"), failed("second", at="0s")],
        [{"run": "triage", "with": {"job": job}} for job in ("first", "second", "late")],
    )
    assert result.passed


def test_without_at_the_time_is_not_compared():
    assert rehearsed([failed(at="7s")], [{"run": "triage"}]).passed
    assert told(rehearsed([failed(at="7s")], [{"at": "8s", "run": "triage"}])) == [
        ("at", "8s", "7s")
    ]


def test_the_clock_starts_in_2030_or_where_it_is_told():
    actions = [{"run": "f", "with": {"now": "${now}", "time": "${event.time}"}}]
    default = {"now": "2030-01-01T00:01:00Z", "time": "2030-01-01T00:01:00Z"}
    assert rehearsed([failed(at="1m")], [{"run": "f", "with": default}], actions=actions).passed
    other = {"now": "2024-02-29T00:00:00Z", "time": "2024-02-28T23:59:30Z"}
    assert rehearsed(
        [failed(time="-30s")],
        [{"run": "f", "with": other}],
        actions=actions,
        start="2024-02-29T00:00:00Z",
    ).passed


@pytest.mark.parametrize(
    ("time", "seen"),
    [
        ("2029-12-31T00:00:00Z", "2029-12-31T00:00:00Z"),
        ("-1h", "2029-12-31T23:00:00Z"),
        ("+1h", "2030-01-01T00:00:00Z"),
    ],
)
def test_an_events_time_is_absolute_or_an_offset_and_never_of_the_future(time, seen):
    actions = [{"run": "f", "with": {"time": "${event.time}"}}]
    expect = [{"run": "f", "with": {"time": seen}}]
    assert rehearsed([failed(time=time)], expect, actions=actions).passed


def test_defaults_of_given_events():
    actions = [{"run": "f", "with": {"source": "${event.source}", "tenant": "${event.tenant}"}}]
    expect = [{"run": "f", "with": {"source": "/test", "tenant": "acme"}}]
    assert rehearsed([failed(attributes={"tenant": "acme"})], expect, actions=actions).passed


def test_an_event_that_came_before_changes_nothing():
    result = rehearsed([failed(id="1"), failed(id="1")], [{"run": "triage"}])
    assert result.passed
    assert [moment.kind for moment in result.timeline] == ["given", "fired", "duplicate"]


def test_an_expected_failure_passes_and_an_unexpected_one_fails():
    actions = [{"run": "triage", "with": {"x": "${event.data.nope}"}}]
    given = [failed(data={})]
    expected = rehearsed(given, [{"run": "triage", "error": "field_missing"}], actions=actions)
    assert expected.passed
    unexpected = rehearsed(given, [{"run": "triage"}], actions=actions)
    assert told(unexpected) == [("error", None, "field_missing")]
    assert "event.data.nope" in unexpected.rows[0].actual.message
    absent = rehearsed([failed()], [{"run": "triage", "error": "field_missing"}])
    assert told(absent) == [("error", "field_missing", None)]


def test_a_where_without_an_answer_is_no_match_and_is_noted():
    trigger = {"event": "job.failed", "where": "event.data.nope == 1"}
    result = rehearsed([failed(data={})], [], trigger=trigger)
    assert result.passed
    assert [(m.kind, m.note) for m in result.timeline[1:]] == [
        ("unanswered", "there is no field `event.data.nope`")
    ]


def test_match_and_where_decide():
    trigger = {
        "event": "job.*",
        "match": {"data": {"env": ["prod"]}},
        "where": "event.data.n > 2",
    }
    given = [
        failed("a", data={"env": "prod", "n": 3}),
        failed("b", data={"env": "prod", "n": 2}),
        failed("c", data={"env": "test", "n": 3}),
    ]
    assert rehearsed(given, [{"run": "triage", "with": {"job": "a"}}], trigger=trigger).passed


def test_each_trigger_of_a_list_fires_on_its_own():
    trigger = [{"event": "job.*"}, {"event": "*.failed"}]
    actions = [{"run": "f", "with": {"n": "${firing.trigger}"}}]
    expect = [{"run": "f", "with": {"n": 0}}, {"run": "f", "with": {"n": 1}}]
    assert rehearsed([failed()], expect, trigger=trigger, actions=actions).passed


def test_emitted_events_are_fed_back_one_level_deeper():
    trigger = {"event": ["job.failed", "job.retried"]}
    actions = [
        {
            "emit": "job.retried",
            "data": {"depth": "${event.depth}"},
            "if": "event.type == 'job.failed'",
        },
        {"run": "f", "with": {"type": "${event.type}", "depth": "${event.depth}"}},
    ]
    result = rehearsed(
        [failed()],
        [
            {"emit": "job.retried", "source": "/automations/r", "data": {"depth": 0}},
            {"run": "f", "with": {"type": "job.failed", "depth": 0}},
            {"run": "f", "with": {"type": "job.retried", "depth": 1}},
        ],
        trigger=trigger,
        actions=actions,
    )
    assert result.passed
    assert [m.kind for m in result.timeline] == ["given", "fired", "emitted", "fired"]


def test_a_loop_ends_at_max_depth():
    result = rehearsed(
        [failed()], [{"emit": "job.failed"}] * 3, actions=[{"emit": "job.failed"}], max_depth=3
    )
    assert result.passed
    assert result.timeline[-1].kind == "looped"


def test_a_rule_that_fires_too_often_is_paused():
    result = rehearsed(
        [failed(repeat=5, every="10s"), failed(at="10m")], [{"run": "triage"}] * 3, breaker=3
    )
    assert result.passed
    kinds = [m.kind for m in result.timeline]
    assert (kinds.count("breaker"), kinds.count("paused")) == (1, 2)


def test_the_breaker_counts_a_sliding_minute():
    assert rehearsed([failed(repeat=5, every="30s")], [{"run": "triage"}] * 5, breaker=3).passed
    assert rehearsed([failed(repeat=4, every="30s")], [{"run": "triage"}] * 2, breaker=2).passed


def test_neither_enabled_nor_shadow_matters():
    assert rehearsed([failed()], [{"run": "triage"}], enabled=False, shadow=True).passed


def test_either_spelling_of_a_flow_is_the_same():
    assert rehearsed([failed()], [{"run": "my-flow"}], actions=[{"run": "my_flow"}]).passed


def test_variables_of_the_settings_are_seen():
    actions = [{"run": "f", "with": {"x": "${vars.limit}"}}]
    expect = [{"run": "f", "with": {"x": 5}}]
    assert rehearsed([failed()], expect, actions=actions, variables={"limit": 5}).passed


def test_an_action_that_was_skipped_is_not_listed():
    assert rehearsed([failed()], [], actions=[{"run": "f", "if": "false"}]).passed


def test_a_call_is_compared_by_its_request():
    actions = [
        {
            "call": "https://x/${event.subject}",
            "headers": {"X-Job": "${event.subject}", "Authorization": {"env": "T"}},
            "body": {"job": "${event.subject}", "more": 1},
        }
    ]
    expect = [
        {
            "call": "https://x/a",
            "method": "POST",
            "headers": {"x-job": "a", "authorization": {"env": "T"}},
            "body": {"job": "a"},
        }
    ]
    assert rehearsed([failed()], expect, actions=actions).passed
    assert told(rehearsed([failed()], [{"call": "https://x/b"}], actions=actions)) == [
        ("call", "https://x/b", "https://x/a")
    ]


def test_a_text_body_is_compared_as_text():
    actions = [{"call": "https://x", "headers": {"Content-Type": "text/plain"}, "body": "hi!"}]
    assert rehearsed([failed()], [{"call": "https://x", "body": "hi!"}], actions=actions).passed


def test_tags_delay_pool_and_key_are_compared():
    actions = [
        {"run": "f", "tags": ["a", "b"], "delay": "90s", "pool": "p", "idempotency_key": "k"}
    ]
    right = {"run": "f", "tags": ["a", "b"], "delay": "1m30s", "pool": "p", "idempotency_key": "k"}
    assert rehearsed([failed()], [right], actions=actions).passed
    for change in ({"tags": ["a"]}, {"delay": "1m"}, {"pool": "q"}, {"idempotency_key": "l"}):
        assert not rehearsed([failed()], [right | change], actions=actions).passed


def test_another_kind_of_action_is_a_difference():
    result = rehearsed([failed()], [{"emit": "triage"}])
    assert told(result) == [("", "emit", "run")]


@pytest.mark.parametrize(
    ("wanted", "actual", "agrees"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": 1}, {}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": None}, {}, False),
        ([1, 2], [1, 2], True),
        ([1], [1, 2], False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        (1, 1.0, True),
        (1, "1", False),
        (1, True, False),
        (False, 0, False),
        ("a", "a", True),
        ([], {}, False),
    ],
)
def test_maps_are_deep_subsets_and_lists_whole(wanted, actual, agrees):
    assert (differences(wanted, actual, "x") == []) is agrees


def test_a_missing_value_is_told_from_null():
    (difference,) = differences({"a": None}, {}, "with")
    assert (difference.place, difference.missing) == ("with.a", True)


@pytest.mark.parametrize(
    ("test", "complaint"),
    [
        ({"expect": []}, "tests[0]: `given` is a list of events"),
        ({"given": []}, "tests[0]: `expect` is a list of what is expected ([] is nothing)"),
        ({"given": {}, "expect": []}, "tests[0].given: `given` is a list"),
        ({"gven": []}, "tests[0].gven: there is no field `gven` here (did you mean `given`?)"),
        ({"given": [5], "expect": []}, "tests[0].given[0]: an event is a map, not 5"),
        ({"given": [{"typ": "x"}], "expect": []}, "tests[0].given[0].typ: there is no field `typ`"),
        ({"given": [{"at": -5}], "expect": []}, "tests[0].given[0].at: a duration cannot be -5"),
        ({"given": [{"type": 5}], "expect": []}, "tests[0].given[0].type: must be text"),
        ({"given": [{"repeat": 0}], "expect": []}, "tests[0].given[0].repeat: must be at least 1"),
        ({"given": [{"type": "x", "time": "soon"}], "expect": []}, "tests[0].given[0].time: "),
        (
            {"given": [{"type": "x", "attributes": {"A": 1}}], "expect": []},
            "tests[0].given[0].attr",
        ),
        ({"given": [], "expect": [{}]}, "tests[0].expect[0]: says one of run, emit, call"),
        ({"given": [], "expect": [5]}, "tests[0].expect[0]: says one of run, emit, call"),
        (
            {"given": [], "expect": [{"run": "x", "data": 1}]},
            "tests[0].expect[0].data: there is no",
        ),
        ({"given": [], "expect": [], "start": "now"}, "tests[0].start: 'now' is not an RFC 3339"),
    ],
    ids=str,
)
def test_a_test_that_cannot_be_read_says_why(test, complaint):
    rule = Rule.parse(
        {"name": "r", "trigger": {"event": "x"}, "actions": [{"run": "f"}], "tests": [test]}
    )
    with pytest.raises(FormError) as caught:
        rehearse(rule)
    assert str(caught.value.complaints[0]).startswith(complaint)


def test_a_test_without_a_name_is_called_by_its_place():
    assert rehearsed([], []).name == "tests[0]"
