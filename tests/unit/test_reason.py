"""Why an event was not selected, in words that a person can act on."""

from __future__ import annotations

from triggers.reason import OWN_EVENTS, SAME_ELEMENT, Reason, explain
from triggers.selector import Selector


def why(form, event):
    return explain(Selector.parse(form), {"type": "t", "source": "/s", **event})


def test_an_event_that_is_selected_has_no_reason():
    assert why("t", {}) is None
    assert why({"match": {"data": {"a": 1}}}, {"data": {"a": 1}}) is None


def test_the_type_comes_first():
    assert why({"type": ["a", "b.*"], "source": "/x"}, {}) == Reason("type", ["a", "b.*"], "t")


def test_an_own_event_out_of_reach_says_what_would_reach_it():
    assert why("*", {"type": "ensue.run.failed"}) == Reason(
        "type", ["*"], "ensue.run.failed", note=OWN_EVENTS
    )


def test_the_failing_field_says_what_was_wanted_and_what_it_was():
    form = {"match": {"data": {"country": ["DE"], "total": [{"numeric": [">=", 1000]}]}}}
    event = {"data": {"country": "DE", "total": 999}}
    assert why(form, event) == Reason("data.total", [{"numeric": [">=", 1000]}], 999)


def test_a_source_that_differs_is_told_as_a_glob():
    assert why({"source": "/x/*"}, {}) == Reason("source", [{"glob": "/x/*"}], "/s")


def test_a_missing_field_is_told_from_null():
    missing = why({"match": {"data": {"a": 1}}}, {"data": {}})
    null = why({"match": {"data": {"a": 1}}}, {"data": {"a": None}})
    assert missing == Reason("data.a", [1], None, missing=True)
    assert null == Reason("data.a", [1], None)
    assert missing.as_json() == {"path": "data.a", "wanted": [1], "actual": None, "missing": True}


def test_all_values_of_a_list_are_shown():
    assert why({"match": {"data": {"a": [1]}}}, {"data": {"a": [2, 3]}}) == Reason(
        "data.a", [1], [2, 3]
    )


def test_fields_met_by_different_elements_are_told_so():
    form = {"match": {"data": {"items": {"sku": ["A"], "count": [2]}}}}
    event = {"data": {"items": [{"sku": "A", "count": 1}, {"sku": "B", "count": 2}]}}
    assert why(form, event) == Reason(
        "data.items",
        {"data.items.sku": ["A"], "data.items.count": [2]},
        {"data.items.sku": ["A", "B"], "data.items.count": [1, 2]},
        note=SAME_ELEMENT,
    )


def test_the_alternative_that_came_closest_is_explained():
    form = {"match": {"data": {"$or": [{"a": 1, "b": 1}, {"c": 1, "d": 1}]}}}
    assert why(form, {"data": {"c": 1}}) == Reason("data.d", [1], None, missing=True)


def test_of_two_demands_on_one_field_the_failing_one_is_named():
    form = {
        "match": {"data": {"a": [1, 2], "$or": [{"a": [{"anything-but": 1}]}, {"b": 1, "c": 1}]}}
    }
    assert why(form, {"data": {"a": 1}}) == Reason("data.a", [{"anything-but": 1}], 1)


def test_conditions_on_one_and_on_true_are_told_apart():
    assert why({"match": {"data": {"a": [True]}}}, {"data": {"a": True}}) is None
    assert why({"match": {"data": {"a": [1]}}}, {"data": {"a": True}}) is not None
    assert why({"match": {"data": {"a": [1]}}}, {"data": {"a": 1}}) is None
    assert why({"match": {"data": {"a": [True]}}}, {"data": {"a": 1}}) is not None
