"""The index against asking every selector one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggers.condition import Numeric
from triggers.index import FEW, Index
from triggers.masks import Ranges
from triggers.reason import explain
from triggers.selector import Selector

TEXTS = st.text("aAbß", max_size=3)
NUMBERS = st.one_of(st.integers(-2, 2), st.sampled_from([0.5, 1.0, 2**53, 2**53 + 1, float(2**53)]))
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
NAMES = st.sampled_from(["a", "b", "c", "a.b", "b.c", "a.b.c"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
TYPES = ["x.a", "x.b", "y.a", "ensue.run.a", "ensue", "x"]
GLOBS = ["*", "x.*", "*.a", "?.a", "x.a", "ensue.*", "ensue*", "e*", "*a*", "x*a", "x"]


def wrapped(name: str, operands: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return operands.map(lambda operand: {name: operand})


def listed(operands: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(operands, st.lists(operands, min_size=1, max_size=2))


FOLDING = wrapped("equals-ignore-case", TEXTS)
WILDCARDS = st.sampled_from(["*", "a*", "*a", "*a*", "a*b", "a*A*b", "a", "*a*b", r"a\*"])
FILLED = st.text("aAbß", min_size=1, max_size=2)
SPANS = st.one_of(
    st.tuples(st.sampled_from(["=", "<", "<=", ">", ">="]), NUMBERS).map(list),
    st.tuples(NUMBERS, NUMBERS)
    .filter(lambda ends: ends[0] < ends[1])
    .map(lambda ends: [">", ends[0], "<=", ends[1]]),
)
CONDITIONS = st.one_of(
    SCALARS,
    FOLDING,
    wrapped("prefix", st.one_of(TEXTS, FOLDING)),
    wrapped("suffix", st.one_of(TEXTS, FOLDING)),
    wrapped("wildcard", WILDCARDS),
    wrapped("numeric", SPANS),
    wrapped("exists", st.booleans()),
    wrapped("cidr", st.just("10.0.0.0/8")),
    wrapped("anything-but", st.one_of(listed(TEXTS), listed(NUMBERS))),
    wrapped(
        "anything-but",
        st.one_of(
            wrapped("prefix", listed(FILLED)),
            wrapped("suffix", listed(FILLED)),
            wrapped("wildcard", listed(WILDCARDS)),
            wrapped("equals-ignore-case", listed(TEXTS)),
        ),
    ),
)
LEAVES = st.lists(CONDITIONS, min_size=1, max_size=3)
FLAT = st.dictionaries(NAMES, LEAVES, min_size=1, max_size=3)
PATTERNS = st.one_of(
    FLAT,
    st.lists(FLAT, min_size=2, max_size=3).map(lambda ways: {"$or": ways}),
    st.tuples(FLAT, st.lists(FLAT, min_size=2, max_size=2)).map(
        lambda parts: parts[0] | {"$or": parts[1]}
    ),
)
SELECTORS = st.fixed_dictionaries(
    {"type": st.one_of(st.sampled_from(GLOBS), st.lists(st.sampled_from(GLOBS), min_size=1, max_size=3))},
    optional={
        "source": st.sampled_from(["/a*", "*b", "/a/b", "?a?b"]),
        "subject": st.sampled_from(["s*", "*", "s?"]),
        "match": PATTERNS.map(lambda pattern: {"data": pattern}),
    },
).map(Selector.parse)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES), "source": st.sampled_from(["/a/b", "/a", "/b"])},
    optional={"subject": st.sampled_from(["s1", "t"]), "data": VALUES},
)
STEPS = st.lists(
    st.one_of(
        SELECTORS,
        SELECTORS,
        st.integers(0, 30).map(lambda number: ("remove", number)),
        EVENTS.map(lambda event: ("match", event)),
    ),
    max_size=40,
)


def brute_force(selectors: dict[int, Selector], event: dict[str, Any]) -> list[int]:
    return [key for key, selector in selectors.items() if selector.matches(event)]


@settings(max_examples=200, deadline=None)
@given(STEPS, st.lists(EVENTS, min_size=1, max_size=10))
def test_the_index_answers_as_asking_each_selector_does(steps, events):
    index: Index[int] = Index()
    selectors: dict[int, Selector] = {}
    for number, step in enumerate(steps):
        match step:
            case ("remove", which) if selectors:
                key = list(selectors)[which % len(selectors)]
                del selectors[key]
                index.remove(key)
            case ("match", event):
                assert index.match(event) == brute_force(selectors, event)
            case Selector():
                selectors[number] = step
                index.add(number, step)
    for event in events:
        assert index.match(event) == brute_force(selectors, event)
        for selector in selectors.values():
            assert (explain(selector, event) is None) is selector.matches(event)


@settings(max_examples=40, deadline=None)
@given(st.lists(PATTERNS, min_size=FEW + 1, max_size=30), st.lists(EVENTS, min_size=1, max_size=10))
def test_many_listeners_of_one_type_are_told_apart_by_their_fields(patterns, events):
    index: Index[int] = Index()
    selectors = dict(
        enumerate(Selector.parse({"match": {"data": pattern}}) for pattern in patterns)
    )
    for key, selector in selectors.items():
        index.add(key, selector)
    for event in [event | {"type": "x"} for event in events]:
        assert index.match(event) == brute_force(selectors, event)


def test_answers_come_in_the_order_of_adding_whatever_was_removed_between():
    index: Index[str] = Index()
    for key in "abcdefghijkl":
        index.add(key, Selector.parse("*"))
    for key in "adk":
        index.remove(key)
    for key in "xyz":
        index.add(key, Selector.parse("t"))
    assert index.match({"type": "t", "source": "/"}) == list("bcefghijlxyz")


def test_a_selector_met_in_several_ways_is_found_once():
    index: Index[str] = Index()
    index.add("either", Selector.parse({"match": {"$or": [{"data.a": 1}, {"data.b": 2}]}}))
    assert index.match({"type": "t", "source": "/", "data": {"a": 1, "b": 2}}) == ["either"]


def test_a_dotted_name_beside_its_object_is_seen_by_the_fields():
    index: Index[int] = Index()
    for key in range(FEW + 1):
        index.add(key, Selector.parse({"match": {"data": {"b": [key]}}}))
    assert index.match({"type": "t", "source": "/", "data": {"a": 1}, "data.b": 3}) == [3]


def test_a_key_is_there_once_and_goes_once():
    index: Index[str] = Index()
    index.add("a", Selector.parse("x"))
    assert "a" in index
    assert len(index) == 1
    with pytest.raises(KeyError):
        index.add("a", Selector.parse("y"))
    index.remove("a")
    assert "a" not in index
    with pytest.raises(KeyError):
        index.remove("a")
    assert index.match({"type": "x", "source": "/"}) == []


def test_an_emptied_index_holds_on_to_nothing():
    index: Index[int] = Index()
    forms = [
        {"type": ["a", "b.*", "*c*"], "source": "/x*", "match": {"data": {"n": [{"numeric": [">", 1]}, "x"]}}},
        {"type": "ensue.*", "match": {"data.t": [{"prefix": "p"}, {"suffix": {"equals-ignore-case": "S"}}, None]}},
        {"match": {"$or": [{"a": [{"equals-ignore-case": "x"}]}, {"b": [{"wildcard": "a*b"}, True, 1]}]}},
    ]  # fmt: skip
    for _ in range(3):
        for key, form in enumerate(forms):
            index.add(key, Selector.parse(form))
        index.match({"type": "b.x", "source": "/x"})
        for key in range(len(forms)):
            index.remove(key)
    assert index._fields == {}
    assert index._types.is_empty
    assert len(index._slots) == 4


def test_types_without_number_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("triggers.index.MAX_PLANS", 10)
    index: Index[str] = Index()
    index.add("a", Selector.parse("t*"))
    for number in range(100):
        assert index.match({"type": f"t{number}", "source": "/"}) == ["a"]
        assert len(index._plans) <= 10


@given(
    st.lists(
        st.tuples(st.none() | NUMBERS, st.none() | NUMBERS, st.booleans(), st.booleans()),
        max_size=12,
    ),
    st.lists(NUMBERS, min_size=1),
)
def test_a_range_is_hit_by_the_numbers_within_it(ends, values):
    spans = [
        Numeric(low, high, one, other)
        for low, high, one, other in ends
        if low is None or high is None or low < high or (low == high and one and other)
    ]
    ranges = Ranges()
    for at, span in enumerate(spans):
        ranges.put(span, 1 << at)
    for value in values:
        expected = sum(1 << at for at, span in enumerate(spans) if span.holds(value))
        assert ranges.hit(value) == expected
