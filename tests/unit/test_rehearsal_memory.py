"""`ensue test` for rules that remember, on the virtual clock."""

from __future__ import annotations

from automations.rehearsal import rehearse
from automations.rule import Rule


def rehearsed(trigger, given, expect, *, variables=None, **change):
    rule = {
        "name": "r",
        "trigger": trigger,
        "actions": [{"run": "act", "with": {"key": "${firing.key}", "n": "${firing.count}"}}],
        "tests": [{"given": given, "expect": expect}],
    } | change
    (result,) = rehearse(Rule.parse(rule), variables)
    return result


def passes(*arguments, **options):
    result = rehearsed(*arguments, **options)
    assert result.passed, [d for row in result.rows for d in row.differences] or result.rows
    return result


def test_three_failures_within_ten_minutes():
    given = [
        {"at": "0s", "type": "job.failed", "subject": "a", "repeat": 3, "every": "1m"},
        {"at": "1h"},
    ]
    trigger = {"count": "job.failed", "at_least": 3, "within": "10m", "per": "subject"}
    passes(trigger, given, [{"at": "2m", "run": "act", "with": {"key": "a", "n": 3}}])


def test_a_heartbeat_that_is_missing_and_comes_back():
    given = [
        {"type": "heartbeat", "subject": "a"},
        {"at": "5m", "type": "heartbeat", "subject": "a"},
        {"at": "12m", "type": "heartbeat", "subject": "a"},
    ]
    trigger = {"absent": "heartbeat", "for": "5m", "per": "subject"}
    result = passes(
        trigger,
        given,
        [{"at": "10m", "run": "act", "with": {"key": "a"}}, {"at": "12m", "emit": "back"}],
        on_resolve=[{"emit": "back"}],
    )
    told = [(moment.at // 60_000_000, moment.kind) for moment in result.timeline]
    assert told[-5:] == [
        (10, "rang"),
        (10, "fired"),
        (12, "given"),
        (12, "resolved"),
        (12, "emitted"),
    ]


def test_expected_keys_are_missed_from_the_start_of_the_test():
    trigger = {"absent": "heartbeat", "for": "5m", "per": "subject", "expected": ["a", "b"]}
    given = [{"at": "1m", "type": "heartbeat", "subject": "a"}, {"at": "5m"}]
    passes(trigger, given, [{"at": "5m", "run": "act", "with": {"key": "b", "n": 0}}])


def test_one_thing_and_then_another():
    trigger = {"sequence": ["a", "b"], "within": "1h", "per": "subject"}
    given = [
        {"type": "b", "subject": "x"},
        {"at": "1m", "type": "a", "subject": "x"},
        {"at": "2m", "type": "b", "subject": "y"},
        {"at": "3m", "type": "b", "subject": "x"},
    ]
    passes(trigger, given, [{"at": "3m", "run": "act", "with": {"key": "x", "n": 2}}])


def test_all_of_them_in_any_order():
    trigger = {"all": ["a", "b", "c"], "within": "1h"}
    given = [{"at": f"{at}m", "type": kind} for at, kind in enumerate("cab")]
    passes(trigger, given, [{"at": "2m", "run": "act", "with": {"key": None, "n": 3}}])


def test_a_rate_below_its_bound():
    trigger = {
        "aggregate": "job.*",
        "value": "event.type == 'job.done'",
        "function": "ratio",
        "over": "1h",
        "below": 0.7,
        "at_least": 3,
    }
    given = [
        {"at": f"{at}m", "type": f"job.{end}"} for at, end in enumerate(["done", "done", "failed"])
    ]
    passes(trigger, [*given, {"at": "4h"}], [{"at": "2m", "run": "act", "with": {"n": 3}}])


def test_a_clock_fires_at_its_times_unless_its_condition_is_against_it():
    trigger = {"cron": "0 9 * * *", "where": "!holiday(now, 'DE') && vars.open"}
    # The first of January is a holiday.
    passes(
        trigger,
        [{"at": "3d"}],
        [{"at": "1d9h", "run": "act"}, {"at": "2d9h", "run": "act"}],
        variables={"open": True},
    )


def test_the_clock_stops_at_the_last_entry_and_what_is_pending_is_dropped():
    trigger = {"absent": "heartbeat", "for": "5m"}
    passes(trigger, [{"at": "4m59s"}], [])
    passes(trigger, [{"at": "5m"}], [{"at": "5m", "run": "act"}])


def test_what_a_rule_emits_when_a_timer_rings_is_fed_back():
    trigger = [{"absent": "ping", "for": "5m"}, {"event": "pong"}]
    passes(
        trigger,
        [{"at": "5m"}],
        [{"emit": "pong"}, {"run": "done"}],
        actions=[
            {"emit": "pong", "if": "event == null"},
            {"run": "done", "if": "event != null"},
        ],
    )


def test_a_match_that_does_not_count_says_why():
    trigger = {"count": "a", "at_least": 2, "within": "1m", "per": "data.k"}
    result = passes(trigger, [{"type": "a"}, {"type": "a", "data": {"k": 1}}], [])
    (note,) = [moment.note for moment in result.timeline if moment.kind == "unanswered"]
    assert "data.k" in note


def test_a_throttle_holds_back_on_the_virtual_clock():
    given = [{"type": "a", "repeat": 3, "every": "20m"}]
    expect = [{"at": "0s", "run": "act"}, {"at": "40m", "run": "act"}]
    result = passes({"event": "a"}, given, expect, throttle={"every": "30m"})
    assert [m.at // 60_000_000 for m in result.timeline if m.kind == "throttled"] == [20]


def test_a_burst_is_one_firing_after_it_is_quiet():
    given = [{"type": "a", "repeat": 4, "every": "10s"}, {"at": "2m"}]
    expect = [{"at": "1m", "run": "act", "with": {"n": 4}}]
    passes({"event": "a"}, given, expect, debounce={"quiet": "30s"})


def test_a_batch_is_full_or_its_time_is_over():
    given = [{"type": "a", "repeat": 5, "every": "1s"}, {"at": "2m"}]
    expect = [
        {"at": "2s", "run": "act", "with": {"n": 3}},
        {"at": "1m3s", "run": "act", "with": {"n": 2}},
    ]
    passes({"event": "a"}, given, expect, batch={"size": 3, "within": "1m"})


def test_a_condition_that_was_gathered_is_over_when_it_clears_or_once_it_was_told():
    given = [
        {"type": "heartbeat", "subject": "a"},
        {"type": "heartbeat", "subject": "b"},
        {"at": "6m", "type": "heartbeat", "subject": "a"},
        {"at": "10m", "type": "heartbeat", "subject": "b"},
        {"at": "10m30s"},
    ]
    passes(
        {"absent": "heartbeat", "for": "5m", "per": "subject"},
        given,
        [{"at": "8m", "run": "act"}, {"at": "8m", "emit": "back"}, {"at": "10m", "emit": "back"}],
        on_resolve=[{"emit": "back"}],
        debounce={"quiet": "3m"},
    )
