"""Time as the service knows it: integer microseconds since 1970-01-01T00:00:00Z.

One integer orders, subtracts and stores the same way in Python, SQLite and PostgreSQL,
and has no time zone to get wrong. RFC 3339 text is for the outside.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Micros = int
"""Microseconds: an instant since the epoch, or a span."""

SECOND: Micros = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})"
)
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (604_800 * SECOND, 86_400 * SECOND, 3_600 * SECOND, 60 * SECOND, SECOND, 1_000)
_LABELS = ("w", "d", "h", "m", "s", "ms")


def now() -> Micros:
    """The wall clock."""
    return time.time_ns() // 1_000


def parse_rfc3339(text: str) -> Micros:
    """The instant an RFC 3339 timestamp names, to the microsecond (further digits are cut).

    A leap second (`:60`) counts as the second before it. Raises ValueError otherwise.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time such as 2030-01-01T12:00:00Z")
    second, fraction, zone = match.groups()
    try:
        instant = _instant_of(second, zone)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time that exists: {error}") from None
    return instant + int(f"{fraction:0<6}"[:6]) if fraction else instant


def to_rfc3339(instant: Micros) -> str:
    """UTC with as many of the six digits as are needed: `2030-01-01T00:00:00.25Z`."""
    seconds, micros = divmod(instant, SECOND)
    text = _text_of(seconds)
    return f"{text}.{f'{micros:06d}'.rstrip('0')}Z" if micros else f"{text}Z"


# Events come in the order of time, so the second of one is nearly always that of the last.
@lru_cache(maxsize=1_024)
def _instant_of(second: str, zone: str) -> Micros:
    if second[17:] == "60":
        second = f"{second[:17]}59"
    return (datetime.fromisoformat((second + zone).upper()) - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=1_024)
def _text_of(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def to_datetime(instant: Micros) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def parse_duration(text: str | float) -> Micros:
    """`10m`, `1h30m`, `500ms`, or a plain number of seconds; never negative.

    Units from the largest to the smallest, each at most once: w d h m s ms.
    """
    if isinstance(text, bool):
        message = "a duration such as 10m, 1h30m or 500ms is wanted, not true or false"
        raise ValueError(message)  # noqa: TRY004 - callers tell of one kind of bad duration
    if isinstance(text, int | float):
        if not 0 <= text < 1e12:
            raise ValueError(f"a duration cannot be {text}")
        return round(text * SECOND)
    match = _DURATION.fullmatch(text.strip())
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration such as 10m, 1h30m or 500ms")
    return sum(int(n) * unit for n, unit in zip(match.groups(), _UNITS, strict=True) if n)


def format_duration(span: Micros) -> str:
    """The shortest exact spelling down to the millisecond: `1h30m`, `500ms`, `0s`."""
    parts, rest = [], span
    for unit, label in zip(_UNITS, _LABELS, strict=True):
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{label}")
    return "".join(parts) or "0s"
