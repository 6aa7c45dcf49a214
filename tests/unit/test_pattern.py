"""What patterns mean where it could be thought otherwise, and what bad ones are told."""

from __future__ import annotations

import pytest

from base.errors import ConfigurationError
from triggers.pattern import MAX_BRANCHES, Pattern


def holds(pattern, event):
    return Pattern.parse(pattern).matches(event)


def refusal(pattern):
    with pytest.raises(ConfigurationError) as caught:
        Pattern.parse(pattern)
    assert caught.value.code == "pattern_invalid"
    return caught.value


def test_a_bare_scalar_is_a_list_of_one():
    assert holds({"data": {"country": "DE"}}, {"data": {"country": "DE"}})
    assert holds({"data": {"new": True}}, {"data": {"new": True}})
    assert not holds({"data": {"country": "DE"}}, {"data": {"country": "FR"}})


def test_nesting_and_dots_say_the_same():
    event = {"data": {"order": {"id": 1}}}
    assert holds({"data.order.id": [1]}, event)
    assert holds({"data": {"order.id": [1]}}, event)
    assert holds({"data.order": {"id": [1]}}, event)
    assert holds({"data": {"order": {"id": [1]}}}, {"data": {"order.id": 1}})
    assert holds(
        {"data": {"order": {"id": [1], "tax": [2]}}}, {"data": {"order.id": 1, "order": {"tax": 2}}}
    )


def test_a_name_with_dots_inside_another_with_dots_is_found():
    assert holds({"a": {"b": {"c": {"d": [1]}}}}, {"a.b": {"c.d": 1}})
    assert holds({"a": {"b": {"c": {"d": [1]}}}}, {"a.b": [{"c": {"d": 2}}, {"c.d": 1}]})


def test_where_a_dotted_name_meets_a_nested_one_the_shorter_stands():
    event = {"a": {"b": 1}, "a.b": 2, "c": 3, "c.d": 4, "e.f.g": 5, "e.f": 6}
    assert holds({"a": {"b": [1]}, "c": [3], "e": {"f": [6]}}, event)
    assert holds({"a.b": [{"anything-but": 2}], "c.d": [{"exists": False}]}, event)
    assert holds({"e.f.g": [{"exists": False}]}, event)


def test_a_number_is_neither_a_boolean_nor_text():
    assert holds({"a": [1]}, {"a": 1.0})
    assert not holds({"a": [1]}, {"a": True})
    assert not holds({"a": [1, 2]}, {"a": True})
    assert not holds({"a": [True]}, {"a": 1})
    assert not holds({"a": [1]}, {"a": "1"})
    assert not holds({"a": [{"numeric": ["=", 1]}]}, {"a": True})
    assert holds({"a": [{"anything-but": 1}]}, {"a": True})


def test_large_integers_are_told_apart():
    beyond = 2**53 + 1
    assert holds({"a": [beyond]}, {"a": beyond})
    assert not holds({"a": [beyond]}, {"a": 2**53})
    assert not holds({"a": [beyond]}, {"a": float(2**53)})
    assert holds({"a": [{"numeric": [">", 2**63 - 2]}]}, {"a": 2**63 - 1})
    assert not holds({"a": [{"numeric": [">", 2**63 - 1]}]}, {"a": 2**63 - 1})


def test_null_is_a_value_and_empty_containers_are_none():
    assert holds({"a": [{"exists": True}]}, {"a": None})
    assert holds({"a": [None]}, {"a": None})
    assert holds({"a": [{"anything-but": "x"}]}, {"a": None})
    for empty in ([], {}, [[]], [{}]):
        assert holds({"a": [{"exists": False}]}, {"a": empty})
        assert not holds({"a": [{"exists": True}]}, {"a": empty})


def test_anything_but_needs_a_value():
    assert not holds({"a": [{"anything-but": "x"}]}, {"b": 1})
    assert holds({"a": [{"anything-but": "x"}]}, {"a": 7})
    assert holds({"a": [{"anything-but": {"prefix": "x"}}]}, {"a": 7})


def test_case_is_ignored_as_unicode_folds_it():
    assert holds({"a": [{"equals-ignore-case": "STRASSE"}]}, {"a": "straße"})
    assert holds({"a": [{"prefix": {"equals-ignore-case": "ÄR"}}]}, {"a": "ärger"})
    assert holds({"a": [{"suffix": {"equals-ignore-case": "ΓΟΣ"}}]}, {"a": "λόγος"})
    assert not holds({"a": [{"equals-ignore-case": "ARGER"}]}, {"a": "ärger"})


def test_fields_of_one_pattern_come_from_one_element_of_a_list():
    pattern = {"items": {"sku": ["A"], "count": [{"numeric": [">", 1]}]}}
    assert not holds(pattern, {"items": [{"sku": "A", "count": 1}, {"sku": "B", "count": 2}]})
    assert holds(pattern, {"items": [{"sku": "B", "count": 1}, {"sku": "A", "count": 2}]})
    assert holds(pattern, {"items": [[{"sku": "A", "count": 1}], [{"sku": "A", "count": 2}]]})


def test_a_field_inside_or_keeps_to_the_element_of_the_fields_outside():
    pattern = {
        "items": {"sku": ["A"]},
        "$or": [{"items": {"new": [True]}}, {"items": {"count": [3]}}],
    }
    assert not holds(pattern, {"items": [{"sku": "A"}, {"new": True}]})
    assert holds(pattern, {"items": [{"sku": "B"}, {"sku": "A", "count": 3}]})


def test_a_field_asked_twice_through_or_is_one_value():
    pattern = {"tag": ["a", "b"], "$or": [{"tag": [{"anything-but": "a"}]}, {"force": [True]}]}
    assert holds(pattern, {"tag": ["a", "b"]})
    assert not holds(pattern, {"tag": ["a", "c"]})


def test_no_element_has_it_is_said_of_all_elements():
    pattern = {"items": {"error": [{"exists": False}]}}
    assert holds(pattern, {"items": [{"a": 1}, {"b": 1}]})
    assert not holds(pattern, {"items": [{"a": 1}, {"error": 1}]})


@pytest.mark.parametrize("first", ["a", "z"])
def test_the_element_that_another_field_chose_may_lack_it_whatever_the_names(first):
    pattern = {"items": {first: [1], "m": [{"exists": False}]}}
    assert holds(pattern, {"items": [{first: 1}, {"m": 1}]})
    assert not holds(pattern, {"items": [{first: 1, "m": 1}, {"x": 1}]})


def test_a_path_may_carry_conditions_and_have_fields_below():
    pattern = {"a": [1, {"exists": False}], "a.b": [2]}
    assert holds(pattern, {"a": {"b": 2}})
    assert not holds(pattern, {"a": 1})
    assert holds({"a": [1], "a.b": [{"exists": False}]}, {"a": 1})
    assert holds({"a": [1], "a.b": [{"exists": False}]}, {"a": [0, 1]})


def test_addresses_are_compared_as_addresses():
    pattern = {"ip": [{"cidr": "10.1.2.3/8"}, {"cidr": "2001:db8::/32"}]}
    assert holds(pattern, {"ip": "10.200.0.1"})
    assert holds(pattern, {"ip": "2001:0db8:0::ffff"})
    assert not holds(pattern, {"ip": "11.0.0.1"})
    assert not holds(pattern, {"ip": "2001:db9::1"})
    for no_address in ("", "10", "10.0.0.1 ", "x" * 1000, 167772161, None):
        assert not holds(pattern, {"ip": no_address})


@pytest.mark.parametrize(
    ("pattern", "place", "hint"),
    [
        ({"data": {"a": [{"prefx": "x"}]}}, "match.data.a[0]", "did you mean `prefix`?"),
        ({"a": [{"prefix": {"equal-ignore-case": "x"}}]}, "match.a[0].prefix", "did you mean `equals-ignore-case`?"),
        ({"a": [{"anything-but": {"sufix": "x"}}]}, "match.a[0].anything-but", "did you mean `suffix`?"),
        ({"a": {"numeric": [">", 1]}}, "match.a", "write [{numeric: …}]; for a field of that name `a.numeric`"),
        ({"a": []}, "match.a", "leave the field out"),
        ({"a": ["x", {"wildcard": "a**"}]}, "match.a[1].wildcard", r"a star itself is `\*`, a backslash `\\`"),
        ({"a": [{"cidr": "10.0.0.0/33"}]}, "match.a[0].cidr", "as 10.0.0.0/8"),
        ({"a": [{"numeric": 5}]}, "match.a[0].numeric", 'as [">=", 0, "<", 10]'),
        ({"a": [{"numeric": ["!=", 5]}]}, "match.a[0].numeric", "there are = < <= > >="),
        ({"$or": [{"a": [1]}, {"b": [{"x": 1}]}]}, "match.$or[1].b[0]", None),
        ({"a": {"b": [1]}, "a.b": [2]}, "match.a.b", None),
        ({"a": {}}, "match.a", None),
        ({"a": [[1]]}, "match.a[0]", None),
        ({1: [1]}, "match", None),
        ({"a": [float("inf")]}, "match.a[0]", None),
        ({"a": [{"wildcard": "a\\b"}]}, "match.a[0].wildcard", r"a star itself is `\*`, a backslash `\\`"),
        ({"a": [{"anything-but": []}]}, "match.a[0].anything-but", None),
        ({"a": [{"anything-but": {"wildcard": []}}]}, "match.a[0].anything-but.wildcard", None),
        ({"a": [{"anything-but": [True]}]}, "match.a[0].anything-but", None),
        ({"a": [object()]}, "match.a[0]", "quote it"),
    ],
)  # fmt: skip
def test_a_bad_pattern_is_refused_where_it_is_bad(pattern, place, hint):
    error = refusal(pattern)
    assert error.place == place
    if hint is not None:
        assert error.hint == hint


def test_a_field_may_be_called_like_a_condition():
    assert holds({"a.prefix": ["x"]}, {"a": {"prefix": "x"}})
    assert holds({"a": {"prefix": ["x"], "b": [1]}}, {"a": {"prefix": "x", "b": 1}})


def test_too_many_combinations_of_alternatives_are_refused():
    alternatives = {"$or": [{"x": [number]} for number in range(32)]}
    assert len(Pattern.parse({"a": alternatives}).branches) == 32
    assert refusal({"a": alternatives, "b": alternatives}).place == "match"
    nested = {"$or": [{"a": alternatives, "b": alternatives}, {"c": [1]}]}
    assert f"{MAX_BRANCHES:,}" in refusal(nested).message


def test_a_path_without_end_is_refused():
    pattern = [1]
    for _ in range(500):
        pattern = {"a": pattern}
    assert "segments" in refusal(pattern).message
    assert "segments" in refusal({".".join("a" * 100): [1]}).message


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"a": [1e999]}',
        '{"a": [1e-999]}',
        '{"a": [NaN]}',
        "[" * 100_000,
        '{"a": [' + "9" * 5000 + "]}",
    ],
)
def test_text_that_is_no_json_or_has_numbers_out_of_range_is_refused(text):
    with pytest.raises(ConfigurationError, match="not JSON"):
        Pattern.from_json(text)


def test_zero_is_within_range_however_it_is_written():
    assert Pattern.from_json('{"a": [0.0, -0.0, 0e5]}').matches({"a": 0})
