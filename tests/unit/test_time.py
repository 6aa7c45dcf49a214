"""Instants and spans, from text and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.ids import derived_id, new_id
from base.time import SECOND, format_duration, parse_duration, parse_rfc3339, to_rfc3339

INSTANTS = st.integers(min_value=0, max_value=253_402_300_799 * SECOND)


@given(INSTANTS)
def test_an_instant_written_and_read_is_the_same(instant):
    assert parse_rfc3339(to_rfc3339(instant)) == instant


@given(st.datetimes(timezones=st.timezones()))
def test_every_offset_names_the_same_instant_as_the_standard_library(moment):
    offset = moment.utcoffset()
    if offset is None or offset.total_seconds() % 60:
        return  # RFC 3339 has no offsets with seconds
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert parse_rfc3339(moment.isoformat()) == pytest.approx(expected * SECOND, abs=1_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.5z", 1_500_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
        ("2016-12-31T23:59:60Z", 1_483_228_799 * SECOND),
    ],
)
def test_rfc3339_is_read_to_the_microsecond(text, expected):
    assert parse_rfc3339(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2030-01-01", "2030-01-01T00:00:00", "2030-02-30T00:00:00Z", "20300101T000000Z",
     "2030-01-01T24:00:00Z", "2030-01-01T00:00:00+25:00", "２030-01-01T00:00:00Z "],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="is not a"):
        parse_rfc3339(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("1h30m", 5400), ("500ms", 0.5), ("1w2d", 777_600), (3, 3), (0.25, 0.25)],
)
def test_durations_are_read(text, seconds):
    assert parse_duration(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "-5", "5", "m", "1m1h", "1.5h", True, -1, float("nan")])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9).map(lambda ms: ms * 1_000))
def test_a_duration_written_and_read_is_the_same(span):
    assert parse_duration(format_duration(span)) == span


def test_ids_sort_by_time_and_derived_ones_are_always_the_same():
    assert new_id(5 * SECOND) < new_id(6 * SECOND)
    assert len({new_id(0) for _ in range(1_000)}) == 1_000
    assert derived_id(7, "rule", "1") == derived_id(7, "rule", "1")
    assert derived_id(7, "rule", "1") != derived_id(7, "rule1", "")
