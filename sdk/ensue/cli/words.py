"""Times, spans and sizes as a person says them; and as a person types them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_SPAN: Final = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_WEIGHTS: Final = (604_800.0, 86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONG_AGO: Final = timedelta(days=30)


def parse_time(text: str) -> datetime:
    """An RFC 3339 time. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_span(text: str) -> timedelta:
    """`10m`, `1h30m`, `7d`. Raises ValueError."""
    match = _SPAN.fullmatch(text.strip())
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not a span such as 10m, 1h30m or 7d")
    pairs = zip(match.groups(), _WEIGHTS, strict=True)
    return timedelta(seconds=sum(int(count) * weight for count, weight in pairs if count))


def instant(text: str, now: datetime) -> str:
    """A moment in RFC 3339, from one, or from a span back from now: `2h` is two hours ago."""
    try:
        moment = now - parse_span(text)
    except ValueError:
        moment = parse_time(text)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def relative(text: str | None, now: datetime) -> str:
    """`12s ago`, `in 5m`; beyond a month the date."""
    if not text:
        return ""
    moment = parse_time(text)
    span = now - moment
    if abs(span) > _LONG_AGO:
        return moment.astimezone().strftime("%Y-%m-%d")
    if abs(span) < timedelta(seconds=1):
        return "now"
    return f"{coarse(span)} ago" if span > timedelta(0) else f"in {coarse(-span)}"


def coarse(span: timedelta) -> str:
    """The two largest units at most, and only one beyond an hour's worth: `1m 5s`, `3h`, `2d`."""
    seconds = int(span.total_seconds())
    for index, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            if unit == "m" and rest and count < 10:
                return f"{count}m {rest}s"
            if unit in {"d", "h"} and count < 3:
                smaller, smaller_size = _UNITS[index + 1]
                more = rest // smaller_size
                return f"{count}{unit} {more}{smaller}" if more else f"{count}{unit}"
            return f"{count}{unit}"
    return "0s"


def took(seconds: float | None) -> str:
    """How long something took: `4ms`, `1.2s`, `3m 12s`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{round(seconds * 1_000)}ms"
    return f"{seconds:.1f}s" if seconds < 60 else coarse(timedelta(seconds=seconds))


def size(count: int | None) -> str:
    """Bytes: `512 B`, `1.4 KiB`."""
    if count is None:
        return ""
    if count < 1_024:
        return f"{count} B"
    return f"{count / 1_024:.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"


def harmless(text: str) -> str:
    """Text from anywhere, with control characters shown instead of obeyed by a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
