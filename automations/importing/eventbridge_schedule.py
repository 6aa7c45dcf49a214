"""Schedules: `cron(…)`, `rate(…)` and `at(…)` as triggers on the clock.

EventBridge's cron has six fields, counts the days of the week from 1 for Sunday, and knows
`L`, `W` and `#`. What Vixie's cron cannot say is said by `rrule`, and a year by `where`.
"""

from __future__ import annotations

import re
from typing import Any

from automations.importing.notes import Notes
from automations.importing.parts import Form

_EXPRESSION = re.compile(r"\s*(cron|rate|at)\s*\(\s*(.*?)\s*\)\s*", re.DOTALL)
_RATE = re.compile(r"(\d+)\s+(minute|hour|day)s?")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_RRULE_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_NTH = re.compile(r"(\w{1,3})#([1-5])")
_LAST = re.compile(r"(\w{1,3})L")


def clock_trigger(expression: Any, timezone: str | None, notes: Notes) -> Form | None:
    """None, with a note, for what is no schedule."""
    found = _EXPRESSION.fullmatch(expression) if isinstance(expression, str) else None
    if found and found[1] == "rate" and (rate := _RATE.fullmatch(found[2])):
        notes.differs(
            f"`{expression}`",
            "it counts from when the rule was made; here it is aligned to the clock",
        )
        return {"every": f"{int(rate[1])}{rate[2][0]}"}
    if found and found[1] == "at" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", found[2]):
        return (
            {"at": f"{found[2]}Z"}
            if timezone in {None, "UTC"}
            else {"at": found[2], "timezone": timezone}
        )
    if found and found[1] == "cron" and len(fields := found[2].upper().split()) == 6:
        try:
            return {**_cron(fields), "timezone": timezone or "UTC"}
        except ValueError as error:
            notes.missing(f"`{expression}`", f"{error} has no equal", "See `cron` and `rrule`.")
            return None
    notes.missing(f"`{expression}`", "this is no schedule: cron(…), rate(…) and at(…) are read")
    return None


def _cron(fields: list[str]) -> Form:
    minute, hour, day, month, weekday, year = fields
    form: Form
    if set(day) & set("LW") or re.search(r"#|L", weekday.replace("JUL", "")):
        form = {"rrule": _rrule(fields)}
    else:
        days = "*" if weekday in {"?", "*"} else _list(_values(weekday, 1, 7, _DAYS), shift=-1)
        form = {
            "cron": " ".join((
                _vixie(minute, 0, 59),
                _vixie(hour, 0, 23),
                _vixie(day, 1, 31),
                _vixie(month, 1, 12),
                days,
            ))
        }  # fmt: skip
    if year != "*":
        years = ", ".join(str(one) for one in _values(year, 1970, 2199))
        form["where"] = f"now.getFullYear() in [{years}]"
    return form


def _vixie(field: str, low: int, high: int) -> str:
    """The same field; only a step from a start is spelled otherwise."""
    if field == "?":
        return "*"
    parts = []
    for part in field.split(","):
        start, slash, step = part.partition("/")
        if slash and start.isdecimal():
            start = f"{start}-{high}"
        _values(part, low, high, _MONTHS if high == 12 else ())
        parts.append(f"{start}{slash}{step}")
    return ",".join(parts)


def _values(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> list[int]:
    """All that a field means. Raises ValueError for what is none."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span in {"*", "?"}:
            begin, end = low, high
        else:
            begin = _value(first, low, high, names)
            end = _value(last, low, high, names) if dash else high if slash else begin
        stride = int(step) if slash and step.isdecimal() and int(step) else 1
        if slash and not step.isdecimal():
            raise ValueError(f"`{part}`")
        span_ = (
            range(begin, end + 1)
            if begin <= end
            else [*range(begin, high + 1), *range(low, end + 1)]
        )
        found.update(list(span_)[::stride])
    return sorted(found)


def _value(text: str, low: int, high: int, names: tuple[str, ...]) -> int:
    number = names.index(text) + low if text in names else int(text) if text.isdecimal() else -1
    if not low <= number <= high:
        raise ValueError(f"`{text}`")
    return number


def _list(values: list[int], shift: int = 0) -> str:
    return ",".join(str(value + shift) for value in values)


def _rrule(fields: list[str]) -> str:
    """Raises ValueError for the nearest weekday, which no recurrence rule can say."""
    minute, hour, day, month, weekday, _ = fields
    parts = ["FREQ=MONTHLY"]
    if month not in {"*", "?"}:
        parts.append(f"BYMONTH={_list(_values(month, 1, 12, _MONTHS))}")
    if day == "L":
        parts.append("BYMONTHDAY=-1")
    elif nth := _NTH.fullmatch(weekday):
        parts.append(f"BYDAY={nth[2]}{_RRULE_DAYS[_value(nth[1], 1, 7, _DAYS) - 1]}")
    elif weekday == "L":
        parts = ["FREQ=WEEKLY", *parts[1:], "BYDAY=SA"]
    elif last := _LAST.fullmatch(weekday):
        parts.append(f"BYDAY=-1{_RRULE_DAYS[_value(last[1], 1, 7, _DAYS) - 1]}")
    else:
        raise ValueError(f"`{day}`" if set(day) & set("LW") else f"`{weekday}`")
    parts += [f"BYHOUR={_list(_values(hour, 0, 23))}", f"BYMINUTE={_list(_values(minute, 0, 59))}"]
    return ";".join((*parts, "BYSECOND=0"))
