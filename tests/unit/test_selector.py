"""Selectors: reading them, what they reach, and when two are the same."""

from __future__ import annotations

import json

import pytest

from base.errors import ConfigurationError
from triggers.selector import Selector

EVENT = {
    "type": "shop.order.created",
    "source": "/shop/eu",
    "subject": "order/1",
    "data": {"total": 5, "tags": ["a", "b"]},
}


class Always:
    def holds(self, event):
        return True


def test_a_bare_glob_is_a_selector():
    assert Selector.parse("shop.order.*").matches(EVENT)
    assert Selector.parse(["x.*", "shop.*"]).matches(EVENT)
    assert not Selector.parse("shop.item.*").matches(EVENT)


def test_everything_that_is_given_must_hold():
    form = {
        "type": "shop.*",
        "source": "/shop/*",
        "subject": "order/?",
        "match": {"data": {"total": 5}},
    }
    assert Selector.parse(form).matches(EVENT)
    for name, other in {
        "type": "x",
        "source": "/x",
        "subject": "x",
        "match": {"data": {"total": 6}},
    }.items():
        assert not Selector.parse(form | {name: other}).matches(EVENT)


def test_a_subject_is_asked_for_even_by_a_star():
    selector = Selector.parse({"type": "*", "subject": "*"})
    assert selector.matches(EVENT)
    assert not selector.matches({"type": "a", "source": "/"})


def test_a_pattern_on_the_source_and_a_glob_on_it_both_hold():
    selector = Selector.parse({"source": "/shop/*", "match": {"source": [{"suffix": "eu"}]}})
    assert selector.matches(EVENT)
    assert not selector.matches(EVENT | {"source": "/shop/us"})
    assert not selector.matches(EVENT | {"source": "/x/eu"})


def test_own_events_need_a_type_that_says_so():
    own = {"type": "ensue.run.completed", "source": "/flows/x"}
    assert not Selector.parse({"match": {"type": ["ensue.run.completed"]}}).matches(own)
    assert not Selector.parse(["*", "ensue*"]).matches(own)
    assert Selector.parse(["*", "ensue.*"]).matches(own)


def test_where_is_compiled_by_what_was_handed_in():
    seen = []

    def compile_where(text, place):
        seen.append((text, place))
        return Always()

    selector = Selector.parse({"type": "a", "where": " 1 == 1 "}, "rule.trigger", compile_where)
    assert seen == [(" 1 == 1 ", "rule.trigger.where")]
    assert selector.where == "1 == 1"
    assert isinstance(selector.predicate, Always)


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ({"type": "a", "where": "true"}, "selector.where"),
        ({"type": "a", "where": ""}, "selector.where"),
        ({"type": "a", "where": True}, "selector.where"),
        ({"tpye": "a"}, "selector"),
        ({"type": []}, "selector.type"),
        ({"type": ["a", ""]}, "selector.type[1]"),
        ({"source": 5}, "selector.source"),
        ({"match": ["a"]}, "selector.match"),
        (5, "selector"),
    ],
)
def test_a_bad_selector_is_refused_where_it_is_bad(form, place):
    with pytest.raises(ConfigurationError) as caught:
        Selector.parse(form)
    assert caught.value.place == place


def test_a_misspelt_field_is_told_the_right_one():
    with pytest.raises(ConfigurationError, match="did you mean `source`"):
        Selector.parse({"sorce": "a"})


SAME = [
    ("a", {"type": "a"}),
    ("a", ["a", "a"]),
    (["a", "b"], ["b", "a"]),
    (["*", "a"], "*"),
    (["*", "ensue.a", "b"], ["ensue.a", "*"]),
    ("a**", "a*"),
    ({}, "*"),
    ({"source": "*"}, "*"),
    ({"match": {"a": 1}}, {"match": {"a": [1.0]}}),
    ({"match": {"a": 1}}, {"match": {"a": [{"numeric": ["=", 1]}]}}),
    ({"match": {"a": {"b": ["x", "y"]}}}, {"match": {"a.b": ["y", "x", "y"]}}),
    ({"match": {"a": 1, "b": 2}}, {"match": {"b": 2, "a": 1}}),
    ({"match": {"$or": [{"a": 1}, {"b": 2}]}}, {"match": {"$or": [{"b": 2}, {"a": 1}]}}),
    ({"match": {"c": {"$or": [{"a": 1}, {"b": 2}]}}}, {"match": {"$or": [{"c.b": 2}, {"c.a": 1}]}}),
    ({"match": {"a": [{"anything-but": "x"}]}}, {"match": {"a": [{"anything-but": ["x"]}]}}),
    (
        {"match": {"a": [{"anything-but": {"prefix": ["x", "y"]}}]}},
        {"match": {"a": [{"anything-but": {"prefix": ["y", "x"]}}]}},
    ),
]

OTHER = [
    ("a", "b"),
    ("a", "A"),
    ("*", ["*", "ensue.*"]),
    ({"subject": "*"}, "*"),
    ({"match": {"a": 1}}, {"match": {"a": True}}),
    ({"match": {"a": 1}}, {"match": {"a": "1"}}),
    ({"match": {"a": 2**53}}, {"match": {"a": 2**53 + 1}}),
    ({"match": {"a": None}}, {"match": {"a": False}}),
    ({"match": {"a": [{"numeric": [">", 1]}]}}, {"match": {"a": [{"numeric": [">=", 1]}]}}),
    ({"match": {"a": [{"prefix": "x"}]}}, {"match": {"a": [{"prefix": {"equals-ignore-case": "x"}}]}}),
    ({"match": {"a": [{"anything-but": "x"}]}}, {"match": {"a": [{"anything-but": {"prefix": "x"}}]}}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_selectors_of_one_meaning_are_equal(one, other):
    one, other = Selector.parse(one), Selector.parse(other)
    assert one == other
    assert hash(one) == hash(other)
    assert one.normalised() == other.normalised()


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_selectors_of_different_meaning_differ(one, other):
    one, other = Selector.parse(one), Selector.parse(other)
    assert one != other
    assert one.normalised() != other.normalised()


def test_the_normalised_form_is_json():
    form = {
        "type": "a",
        "source": "b",
        "subject": "c",
        "match": {"x": [True, None, 1.5, {"cidr": "::/0"}]},
    }
    normalised = Selector.parse(form).normalised()
    assert json.loads(json.dumps(normalised)) == normalised


@pytest.mark.parametrize(
    "form",
    [
        "a", "a.*", "*.a", "*a*",
        {"source": "/x/*"},
        {"match": {"data": {"a": 1, "b": [{"anything-but": 2}]}}},
        {"match": {"a": [{"numeric": [">", 1]}]}},
        {"match": {"$or": [{"a": 1}, {"b": 2}]}},
        {"match": {"a": ["x", {"exists": False}]}},
    ],
)  # fmt: skip
def test_what_the_index_can_leave_aside_says_so(form):
    assert Selector.parse(form).is_indexable


@pytest.mark.parametrize(
    "form",
    [
        "*", "?*",
        {"match": {"a": [{"anything-but": 2}]}},
        {"match": {"a": [{"wildcard": "*abc*"}]}},
        {"match": {"a": [1, {"cidr": "10.0.0.0/8"}]}},
        {"match": {"a": [{"exists": False}]}},
        {"match": {"a": [{"numeric": ["<", 1]}, {"numeric": [">", 2]}]}},
        {"match": {"$or": [{"a": 1}, {"b": [{"anything-but": 2}]}]}},
    ],
)  # fmt: skip
def test_what_costs_every_event_an_evaluation_says_so(form):
    assert not Selector.parse(form).is_indexable
