"""Spans of time as Prefect writes them: seconds, `PT5M`, or `0:05:00`."""

from __future__ import annotations

import re
from typing import Any

from automations.importing.notes import Notes
from base.time import SECOND, format_duration

_ISO = re.compile(
    r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
_UNITS = (604_800, 86_400, 3_600, 60, 1)
_CLOCK = re.compile(r"(?:(\d+) days?,? )?(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def seconds(value: Any, notes: Notes) -> float:
    """A span of Prefect's: a number of seconds, or an ISO 8601 duration such as `PT5M`."""
    if value is None or isinstance(value, bool):
        return 0
    if isinstance(value, int | float):
        return value
    if (parsed := _iso(str(value))) is not None:
        return parsed
    notes.missing(f"`{value}`", "this is no span of time")
    return 0


def _iso(text: str) -> float | None:
    found = _ISO.fullmatch(text.strip())
    if found and any(found.groups()):
        return sum(
            float(part or 0) * unit for part, unit in zip(found.groups(), _UNITS, strict=True)
        )
    clock = _CLOCK.fullmatch(text.strip())
    if clock:
        days, hours, minutes, rest = (float(part or 0) for part in clock.groups())
        return days * 86_400 + hours * 3_600 + minutes * 60 + rest
    return float(text) if text.replace(".", "", 1).isdecimal() else None


def duration(span: float) -> str:
    """As rules say it."""
    return format_duration(round(span * SECOND))
