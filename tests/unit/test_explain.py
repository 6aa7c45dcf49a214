"""What each rule says of an event, with what it lacks."""

from __future__ import annotations

from automations.explain import best, explain, mentioned, nearness
from automations.rule import Rule
from automations.ruleset import Live, Ruleset
from events.event import Event, Stored


def live(name="r", *, paused=False, trigger=None, **fields):
    rule = {"name": name, "trigger": trigger or {"event": "order.created"}}
    return Live(Rule.parse({**rule, "actions": [{"run": "f"}], **fields}), 1, paused)


def stored(data=None, type_="order.created", **fields):
    event = Event(id="e1", source="/shop", type=type_, time=1, received=1, data=data, **fields)
    return Stored(7, event)


def verdict(rule, event):
    (found,) = explain(rule, event, Ruleset())
    return found


def test_a_rule_that_matches_misses_nothing_and_names_its_firing():
    found = verdict(live(), stored())
    assert (found.matched, found.missed, found.listens_to_type) == (True, (), True)
    assert found.firing is not None


def test_all_that_an_event_lacks_is_told_with_wanted_and_actual():
    trigger = {
        "event": "order.*",
        "source": "/shop",
        "match": {"data": {"country": ["DE"], "total": [{"numeric": [">", 5]}], "kind": ["a"]}},
    }
    found = verdict(live(trigger=trigger), stored({"country": "US", "total": 3, "kind": "a"}))
    told = {reason.path: (reason.wanted, reason.actual) for reason in found.missed}
    assert told == {
        "data.country": (["DE"], "US"),
        "data.total": ([{"numeric": [">", 5]}], 3),
    }
    assert found.firing is None


def test_another_type_is_all_that_is_told_of_it():
    found = verdict(live(), stored(type_="order.paid"))
    assert [reason.path for reason in found.missed] == ["type"]
    assert not found.listens_to_type


def test_a_where_is_told_with_the_values_it_names():
    trigger = {"event": "order.created", "where": "event.data.total > 5 && event.data.new"}
    found = verdict(live(trigger=trigger), stored({"total": 3, "new": True}))
    (reason,) = found.missed
    assert reason.path == "where"
    assert reason.wanted == trigger["where"]
    assert reason.actual == {"data.total": 3, "data.new": True}
    assert found.no_answer is None


def test_a_where_without_an_answer_says_why():
    trigger = {"event": "order.created", "where": "event.data.total > 5"}
    found = verdict(live(trigger=trigger), stored({}))
    assert found.no_answer == "field_missing"
    assert "total" in (found.missed[0].note or "")


def test_a_function_is_not_taken_for_a_field_and_long_values_are_cut():
    event = stored({"items": ["x" * 300], "name": "ada"}).event
    found = mentioned("event.data.items.exists(i, i == event.data.?name.orValue('x'))", event)
    assert found["data.name"] == "ada"
    assert len(found["data.items"]) == 201


def test_what_would_hold_a_rule_back_is_told():
    deep = stored(depth=16)
    held = verdict(live(paused=True, enabled=False, shadow=True), deep)
    assert held.matched
    assert held.guards == ("paused", "disabled", "shadow", "too_deep")
    assert verdict(live(max_depth=20), deep).guards == ()


def test_of_several_triggers_those_that_match_are_told_or_the_closest_one():
    rule = live(
        trigger=[
            {"event": "order.paid"},
            {"event": "order.created", "match": {"data": {"a": [1], "b": [1]}}},
            {"event": "order.created", "match": {"data": {"a": [1], "b": [2]}}},
        ]
    )
    found = explain(rule, stored({"a": 1, "b": 2}), Ruleset())
    assert [one.trigger for one in best(found)] == [2]
    missed = explain(rule, stored({"a": 1, "b": 3}), Ruleset())
    assert [one.trigger for one in best(missed)] == [1]
    assert max(missed, key=nearness).trigger == 0
