"""How windows are told, one kind after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ensue.cli.explain import window_line
from ensue.cli.output import Output
from ensue.cli.windows import deaf, nothing, place, told

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def part(name: str, seen: float | None = None, *, holds: bool = False) -> dict[str, Any]:
    return {"name": name, "seen": None if seen is None else at(seen), "holds": holds}


def window(kind: str, have: int = 0, need: int = 0, **given: Any) -> dict[str, Any]:
    plain = {"path": "", "trigger": 0, "until": None, "holds": False, "since": None, "parts": []}
    plain |= {"measure": None, "suppressed": 0, "events": 0, "more": False, "listens": True}
    return {"automation": "r", "kind": kind, "have": have, "need": need, **plain, **given}


STEPS = [part("order.created", -9), part("order.paid", -3), part("order.sent")]
MEMBERS = [part("built", -9), part("absent alarm", -60, holds=True), part("approved")]
AVERAGE = {"function": "avg", "figure": 15.0, "above": 100}


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (window("count", 2, 3, until=at(6)), "2 of 3, 6m left"),
        (window("count", 2, 3, until=at(-6)), "2 of 3, over since 6m"),
        (window("count", 10_000, 10_000, more=True, until=at(6)), "10000+ of 10000, 6m left"),
        (
            window("sequence", 2, 3, parts=STEPS, until=at(240)),
            "2 of 3, waits for order.sent, 4h left",
        ),
        (
            window("all", 2, 3, parts=MEMBERS, until=at(51)),
            (
                "2 of 3, 51m left; seen built 9m ago, absent alarm (holds, since 1h ago); "
                "missing approved"
            ),
        ),
        (
            window("absent", parts=[part("beat")], since=at(-2), until=at(3)),
            "no beat for 2m; fires in 3m",
        ),
        (
            window("absent", parts=[part("beat", -2)], since=at(-2), until=at(3)),
            "last beat 2m ago; fires in 3m",
        ),
        (
            window("absent", parts=[part("beat", -20)], since=at(-20), holds=True),
            "last beat 20m ago: it fired, and holds until one comes",
        ),
        (
            window(
                "absent", parts=[part("paid"), part("ordered", -20)], since=at(-20), until=at(40)
            ),
            "ordered 20m ago, and no paid; fires in 40m",
        ),
        (
            window("aggregate", 40, 1, measure=AVERAGE),
            "avg 15 over 40 values; fires above 100",
        ),
        (
            window("aggregate", 1, 1, holds=True, measure={**AVERAGE, "figure": 1234.56}),
            "avg 1,235 over 1 value, above 100: it fired, and holds",
        ),
        (
            window("aggregate", 3, 10, measure={"function": "ratio", "figure": None, "below": 0.9}),
            "3 of 10 values that it takes; fires below 0.9",
        ),
        (
            window("aggregate", 10_000, 1, more=True, measure={**AVERAGE, "figure": None}),
            "more than 10,000 values, too many to look at; fires above 100",
        ),
        (window("clock", until=at(300)), "next in 5h"),
        (window("throttle", 1, 3, until=at(12)), "1 of 3 passed, one fewer in 12m"),
        (
            window("throttle", 1, 1, suppressed=1_200, until=at(12)),
            "closed, 1,200 suppressed; opens in 12m",
        ),
        (window("debounce", 1, events=1, until=at(0.5)), "1 firing with 1 event, goes in 30s"),
        (window("batch", 37, 100, events=40, until=at(1)), "37 of 100 with 40 events, goes in 1m"),
    ],
)
def test_a_window_is_told_in_a_line(shown: dict[str, Any], said: str) -> None:
    assert told(shown, NOW).plain == said


def test_a_trigger_is_named_by_its_kind_and_place() -> None:
    assert place(window("count")) == "count"
    assert place(window("count", trigger=1)) == "2: count"
    assert place(window("count", trigger=1, path="0.1")) == "2: 0.1 count"
    assert place(window("throttle", path="#throttle")) == "throttle"


def test_where_there_is_nothing_it_says_why() -> None:
    assert nothing({"remembers": True}, "r") == "Nothing is partially matched."
    assert nothing({"remembers": False}, "r").startswith("r keeps no windows")
    assert nothing({"remembers": False}, None).startswith("No automation keeps windows")


def test_automations_that_hear_nothing_are_named_once() -> None:
    assert deaf([window("count", listens=False), window("count", listens=False)]) == ["r"]
    assert deaf([window("count")]) == []


def test_explain_tells_the_window_that_an_event_went_to() -> None:
    output = Output(as_json=False, color=False)
    output.now = NOW
    joined = window("count", 2, 3, key="db-1", until=at(6), remembered=True)
    assert window_line(output, joined).plain == "window db-1: 2 of 3, 6m left"
    gone = {**joined, "remembered": False}
    assert window_line(output, gone).plain == "window db-1: 2 of 3, 6m left; without this event"
    empty = window("count", 0, 3, key=None, remembered=False)
    assert window_line(output, empty).plain == "window: empty by now"
