"""What runs say, cut into lines that can be stored."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.log_lines import (
    MAX_LINE,
    MAX_LINES,
    LineCutter,
    LogLines,
    instant,
    storable,
    without_nul,
)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_however_the_bytes_arrive_the_lines_are_the_same(data, cuts):
    whole, parts = LineCutter(), LineCutter()
    expected = whole.feed(data) + whole.finish()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [line for a, b in itertools.pairwise(places) for line in parts.feed(data[a:b])]
    assert found + parts.finish() == expected


def test_an_endless_line_is_cut_at_the_bound_and_loses_nothing():
    cutter = LineCutter()
    lines = cutter.feed(b"x" * (2 * MAX_LINE + 10)) + cutter.finish()
    assert [len(line) for line in lines] == [MAX_LINE, MAX_LINE, 10]


def test_bytes_that_are_no_text_are_shown_as_what_they_are():
    assert LineCutter().feed(b"a\xffb\r\n") == ["a\\xffb"]


@given(st.text(st.characters(), max_size=200))
def test_whatever_is_said_can_be_stored(text):
    stored = storable(text)
    assert "\x00" not in stored
    stored.encode()


def test_a_lone_surrogate_can_be_stored():
    storable("a\udc80b").encode()


def test_a_long_line_says_that_it_was_cut():
    assert len(storable("x" * 100_000)) == MAX_LINE
    assert storable("x" * 100_000).endswith("[…]")


def said(lines, text):
    return lines.line(text, level=20, logger="stdout", time=0)


def test_numbers_rise_within_an_attempt_and_over_attempts():
    first, second = LogLines("r", 1), LogLines("r", 2)
    numbers = [said(lines, "x").seq for lines in (first, first, second, second)]
    assert numbers == sorted(set(numbers))


def test_a_run_that_says_too_much_is_told_so_once():
    lines = LogLines("r", 1)
    kept = [line for _ in range(MAX_LINES + 10) if (line := said(lines, "x"))]
    assert len(kept) == MAX_LINES + 1
    assert "What follows is not kept" in kept[-1].message
    assert said(LogLines("r", 2), "x").seq > kept[-1].seq


def test_nul_is_taken_out_of_results_wherever_it_is():
    assert without_nul({"a\x00": ["b\x00", 1, None]}) == {"a␀": ["b␀", 1, None]}


@pytest.mark.parametrize("value", [-1, 2**70, "x", None])
def test_what_is_no_instant_is_an_error(value):
    with pytest.raises((ValueError, TypeError)):
        instant(value)
