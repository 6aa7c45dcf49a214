from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ensue.cli import words

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"),
        (-0.9, "now"),
        (-12, "12s ago"),
        (-65, "1m 5s ago"),
        (-60, "1m ago"),
        (-3_599, "59m ago"),
        (-3_700, "1h 1m ago"),
        (-5 * 3_600, "5h ago"),
        (-2 * 86_400 - 3_600, "2d 1h ago"),
        (-20 * 86_400, "20d ago"),
        (300, "in 5m"),
    ],
)
def test_a_time_is_told_from_now(seconds: float, said: str) -> None:
    assert words.relative(at(seconds), NOW) == said


def test_beyond_a_month_the_date_is_told() -> None:
    assert words.relative("2029-06-15T12:00:00Z", NOW) == "2029-06-15"


def test_no_time_is_nothing() -> None:
    assert words.relative(None, NOW) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (0.0042, "4ms"), (1.24, "1.2s"), (59.9, "59.9s"), (192, "3m 12s"), (7_200, "2h")],
)
def test_how_long_it_took(seconds: float | None, said: str) -> None:
    assert words.took(seconds) == said


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2h", "2030-01-01T10:00:00Z"),
        ("1d12h", "2029-12-31T00:00:00Z"),
        ("2029-12-01T00:00:00Z", "2029-12-01T00:00:00Z"),
        ("2029-12-01T01:00:00+01:00", "2029-12-01T00:00:00Z"),
        ("2029-12-01", "2029-12-01T00:00:00Z"),
    ],
)
def test_a_moment_is_typed_as_a_time_or_as_a_span_back(typed: str, meant: str) -> None:
    assert words.instant(typed, NOW) == meant


@pytest.mark.parametrize("typed", ["", "yesterday", "2", "h2", "99-99-99"])
def test_what_is_neither_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        words.instant(typed, NOW)


@pytest.mark.parametrize(
    ("count", "said"),
    [(None, ""), (0, "0 B"), (1_023, "1023 B"), (1_434, "1.4 KiB"), (3 << 20, "3.0 MiB")],
)
def test_sizes(count: int | None, said: str) -> None:
    assert words.size(count) == said


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert words.harmless("a\x1b[31mb\x9bc\td\n") == "a\\x1b[31mb\\x9bc\td\n"
