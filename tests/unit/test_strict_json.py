"""Strict JSON: the fast path and the exact one say the same, and each fault has its name."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from base.errors import EnsueError, InvalidInputError, TooLargeError
from events.strict_json import MAX_DEPTH, loads, loads_exactly


@pytest.mark.parametrize(
    ("raw", "code", "place"),
    [
        (b"", "body_empty", None),
        (b" \n\t", "body_empty", None),
        (b"NaN", "json_not_a_number", "$"),
        (b'{"a": [0, -Infinity]}', "json_not_a_number", "$.a[1]"),
        (b'{"data":{"items":[0,1,2,{"sku":1e999}]}}', "json_number_out_of_range", "$.data.items[3].sku"),
        (b'{"n": 18446744073709551616}', "json_number_out_of_range", "$.n"),
        (b"[-9223372036854775809]", "json_number_out_of_range", "$[0]"),
        (b'{"n":' + b"9" * 5000 + b"}", "json_number_out_of_range", "$.n"),
        (b'{"n":0.' + b"1" * 5000 + b"}", "json_number_out_of_range", "$.n"),
        (b'{"a":1,"b":{"c":1,"d":2,"c":3}}', "json_duplicate_key", "$.b.c"),
        (b'{"a":1,"\\u0061":2}', "json_duplicate_key", "$.a"),
        (b'{"x\\u003ay":1,"b":1,"b":2}', "json_duplicate_key", "$.b"),
        (b'{"a b":[{"x":"\\ud800"}]}', "json_lone_surrogate", '$["a b"][0].x'),
        (b'{"x":"\\udc00\\ud800"}', "json_lone_surrogate", "$.x"),
        (b'{"x":{"\\ud800":1}}', "json_lone_surrogate", "$.x"),
        (b'{"x":"a\\u0000b"}', "json_nul_character", "$.x"),
        (b'{"x":{"\\u0000":1}}', "json_nul_character", "$.x"),
        (b'{"x":"a\x00b"}', "json_invalid", "line 1, column 8"),
        (b'{\n "x": "\xff"}', "json_not_utf8", "line 2, column 8"),
        (b'"\xed\xa0\x80"', "json_not_utf8", "line 1, column 2"),
        (b"\xef\xbb\xbf{}", "json_byte_order_mark", "line 1, column 1"),
        (b'{"a": 1,\n "b": ', "json_truncated", "line 2, column 7"),
        (b'{"a": 1,\n "b": "x', "json_truncated", "line 2, column 9"),
        (b'{"a": tru', "json_truncated", "line 1, column 10"),
        (b'{"a": "\\u00', "json_truncated", "line 1, column 12"),
        (b'{"a": -', "json_truncated", "line 1, column 8"),
        (b'{"a": 1,\n "b" 2}', "json_invalid", "line 2, column 6"),
        (b"{'a': 1}", "json_invalid", "line 1, column 2"),
        (b"[1,]", "json_invalid", "line 1, column 4"),
        (b"[01]", "json_invalid", "line 1, column 3"),
        (b"{} {}", "json_invalid", "line 1, column 4"),
        (b"[" * 65 + b"]" * 65, "json_too_deep", "$[0][0][0][0][0][0][0][0]…"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "json_too_deep", "$.a.a.a.a.a.a.a.a…"),
        (b"[" * 500_000, "json_too_deep", "$"),
        (b"[" * 5_000 + b" " * 5_000 + b"]" * 5_000, "json_too_deep", "$"),
    ],
)  # fmt: skip
def test_each_fault_has_its_code_and_its_place(raw, code, place):
    with pytest.raises(InvalidInputError) as caught:
        loads(raw)
    assert (caught.value.code, caught.value.place) == (code, place)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"18446744073709551615", 18446744073709551615),
        (b"-9223372036854775808", -9223372036854775808),
        (b'"99999999999999999999999"', "99999999999999999999999"),
        (b'[": 99999999999999999999999"]', [": 99999999999999999999999"]),
        (b"0.12345678901234567890123", 0.12345678901234568),
        (rb'"\\u0000"', r"\u0000"),
        (b'"\\u003a"', ":"),
        (b'{"a":":::","b":"{[["}', {"a": ":::", "b": "{[["}),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        (b"null", None),
        (b"1e-999", 0.0),
    ],
)
def test_what_only_looks_suspicious_is_accepted(raw, value):
    assert loads(raw) == value


@pytest.mark.parametrize("padding", [b"", b" " * 5_000])
def test_sixty_four_levels_are_accepted_and_one_more_is_not(padding):
    assert loads(b"[" * MAX_DEPTH + padding + b"]" * MAX_DEPTH)
    with pytest.raises(InvalidInputError, match="64 levels"):
        loads(b"[" * (MAX_DEPTH + 1) + padding + b"]" * (MAX_DEPTH + 1))


def test_brackets_inside_strings_do_not_count_as_levels():
    assert loads(b'["' + b"[" * 500 + b'"]') == ["[" * 500]


def test_the_size_is_bounded_before_parsing():
    assert loads(b'"12345678"', max_bytes=10) == "12345678"
    with pytest.raises(TooLargeError):
        loads(b'"123456789"', max_bytes=10)


def test_a_long_key_is_not_repeated_in_full_in_the_error():
    key = b'"' + b"k" * 10_000 + b'":1'
    with pytest.raises(InvalidInputError) as caught:
        loads(b"{" + key + b"," + key + b"}")
    assert len(str(caught.value)) < 400


_TEXT = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    [":", "a:b", "{[", "\\u0000", "9" * 20, ", 9999999999999999999", "\0"]
)
_NUMBERS = (
    st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1])
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_FRAGMENTS = st.one_of(
    st.sampled_from(list(b'"\\{}[]:, \n0-.')).map(lambda byte: bytes([byte])),
    st.sampled_from([b"NaN", b"Infinity", b"1e999", b"e9", b"\\u0000", b"\\u003a", b"\\ud800"]),
    st.sampled_from([b"\xff", b"\x00", b"9" * 19, b"1" * 20, b"9" * 1_200]),
    st.sampled_from([b'"a":1,', b'"a":1,"a":2,', b"[" * 65, b"]" * 65]),
)


@st.composite
def _documents(draw):
    """JSON texts as different writers spell them, some of them damaged or doubled."""
    raw = json.dumps(
        draw(_VALUES),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1])),
        separators=draw(st.sampled_from([None, (",", ":"), (" ,", " : ")])),
    ).encode("utf-8")
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.integers(0, 3)))
        raw = raw[:start] + draw(_FRAGMENTS | st.just(b"")) + raw[end:]
    return raw


def _verdict(parse, raw):
    try:
        return "accepted", json.dumps(parse(raw))
    except EnsueError as error:
        return "refused", error.code


@settings(deadline=None)
@given(_documents())
@example(b'{"a\\u003a":1,"b":1,"b":2}')
@example(b"-")
@example(b"-0")
@example(b"1E5")
def test_the_fast_path_accepts_exactly_what_the_slow_one_accepts(raw):
    assert _verdict(loads, raw) == _verdict(loads_exactly, raw)
