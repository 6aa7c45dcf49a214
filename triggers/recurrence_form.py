"""The text of a recurrence rule (RFC 5545 §3.3.10), read and checked.

    FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0

What the RFC does not allow is refused here, with its reason, and so is what a search could
lose itself in: seconds (`every` has them), counts without measure, and days that never come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from base.suggest import hint as nearest_hint
from base.time import Micros
from triggers.local_time import parse_local

Frequency = Literal["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]
FREQUENCIES: tuple[Frequency, ...] = (
    "YEARLY",
    "MONTHLY",
    "WEEKLY",
    "DAILY",
    "HOURLY",
    "MINUTELY",
)
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LARGEST = 10_000
"""The greatest INTERVAL and COUNT."""

_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NUMBERS: dict[str, tuple[int, int]] = {
    "BYSETPOS": (-366, 366),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYSECOND": (0, 59),
}
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_NUMBERS)
_ONLY_WITH: dict[str, tuple[Frequency, ...]] = {
    "BYWEEKNO": ("YEARLY",),
    "BYYEARDAY": ("YEARLY",),
    "BYMONTHDAY": ("YEARLY", "MONTHLY", "DAILY", "HOURLY", "MINUTELY"),
    "BYSETPOS": ("YEARLY", "MONTHLY", "WEEKLY"),
}
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?")

Day = tuple[int, int]
"""A weekday (0 is Monday), and which of its kind in the month or year; 0 means each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrenceForm:
    """The parts of a rule; an empty one was not given. `until` is inclusive."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: Micros | None = None
    week_start: int = 0
    days: tuple[Day, ...] = ()
    positions: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str, where: ZoneInfo) -> RecurrenceForm:
        """Raises ValueError that names the part. A local UNTIL is read on that zone's wall."""
        parts = _split(text)
        frequency = _frequency(parts)
        _check_together(parts, frequency)

        def numbers(name: str) -> tuple[int, ...]:
            return _numbers(name, parts[name]) if name in parts else ()

        form = cls(
            frequency=frequency,
            interval=_positive("INTERVAL", parts.get("INTERVAL", "1")),
            count=_positive("COUNT", parts["COUNT"]) if "COUNT" in parts else None,
            until=_until(parts["UNTIL"], where) if "UNTIL" in parts else None,
            week_start=_weekday(parts.get("WKST", "MO")),
            days=_days(parts["BYDAY"], frequency, parts) if "BYDAY" in parts else (),
            positions=numbers("BYSETPOS"),
            months=numbers("BYMONTH"),
            month_days=numbers("BYMONTHDAY"),
            year_days=numbers("BYYEARDAY"),
            weeks=numbers("BYWEEKNO"),
            hours=numbers("BYHOUR"),
            minutes=numbers("BYMINUTE"),
            seconds=numbers("BYSECOND"),
        )
        form.check_days()
        return form

    @property
    def is_beat(self) -> bool:
        """Whether it is a beat of absolute time, with no use for a calendar."""
        named = (self.months, self.month_days, self.days, self.hours, self.minutes, self.seconds)
        return self.frequency in {"HOURLY", "MINUTELY"} and not any(named)

    @property
    def leaves_day_open(self) -> bool:
        """Whether the day from which it counts says on which days it comes."""
        if self.frequency in {"HOURLY", "MINUTELY"}:
            return False
        named = (self.days, self.month_days, self.year_days, self.weeks)
        return self.interval > 1 or (self.frequency != "DAILY" and not any(named))

    def on_the_hour(self) -> RecurrenceForm:
        """With zero for what a rule by days leaves open of the time of day."""
        if self.frequency in {"HOURLY", "MINUTELY"}:
            return self
        return replace(
            self,
            hours=self.hours or (0,),
            minutes=self.minutes or (0,),
            seconds=self.seconds or (0,),
        )

    def check_days(self) -> None:
        """Raises ValueError for a day that none of the months has, such as February 30."""
        if not self.month_days:
            return
        longest = max(_LONGEST[month - 1] for month in self.months or range(1, 13))
        if min(map(abs, self.month_days)) > longest:
            raise ValueError("it never comes: no such day is in that month")


def _split(text: str) -> dict[str, str]:
    bare = text.strip().upper().removeprefix("RRULE:")
    if "\n" in bare or bare.startswith(("DTSTART", "EXDATE", "RDATE", "EXRULE")):
        raise ValueError("it is one rule and no more; `start:` says from when it counts")
    parts: dict[str, str] = {}
    for part in bare.removesuffix(";").split(";"):
        name, equals, value = part.strip().partition("=")
        if not (equals and name and value):
            raise ValueError(f"`{part[:40]}` is not NAME=VALUE")
        if name not in _PARTS:
            advice = nearest_hint(name, _PARTS) or f"there are {', '.join(_PARTS)}"
            raise ValueError(f"there is no {name[:40]}: {advice}")
        if name in parts:
            raise ValueError(f"{name} stands twice")
        parts[name] = value
    return parts


def _frequency(parts: dict[str, str]) -> Frequency:
    if "FREQ" not in parts:
        raise ValueError("FREQ is missing, such as FREQ=WEEKLY")
    for frequency in FREQUENCIES:
        if parts["FREQ"] == frequency:
            return frequency
    if parts["FREQ"] == "SECONDLY":
        raise ValueError("FREQ=SECONDLY is too fine for a calendar: `every: 30s` has seconds")
    raise ValueError(f"FREQ: `{parts['FREQ'][:40]}` is not one of {', '.join(FREQUENCIES)}")


def _check_together(parts: dict[str, str], frequency: Frequency) -> None:
    for name, allowed in _ONLY_WITH.items():
        if name in parts and frequency not in allowed:
            raise ValueError(f"{name} does not go with FREQ={frequency}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("it ends by COUNT or by UNTIL, not by both")
    if "BYSETPOS" in parts and not any(n.startswith("BY") and n != "BYSETPOS" for n in parts):
        raise ValueError("BYSETPOS picks from a set that another BY… names, and there is none")


def _numbers(name: str, text: str) -> tuple[int, ...]:
    low, high = _NUMBERS[name]
    found = set()
    for item in text.split(","):
        number = _number(name, item.strip())
        if not low <= number <= high or (number == 0 and low < 0):
            bounds = f"1 to {high} or -1 to {low}" if low < 0 else f"{low} to {high}"
            raise ValueError(f"{name}: {number} is not within {bounds}")
        found.add(number)
    return tuple(sorted(found))


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise ValueError(f"{name}: `{text[:40]}` is not a whole number")
    return int(text)


def _positive(name: str, text: str) -> int:
    number = _number(name, text)
    if not 1 <= number <= LARGEST:
        raise ValueError(f"{name}: {number} is not within 1 to {LARGEST:,}")
    return number


def _weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise ValueError(f"WKST: `{text[:40]}` is not one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text)


def _days(text: str, frequency: Frequency, parts: dict[str, str]) -> tuple[Day, ...]:
    last = 53 if frequency == "YEARLY" and "BYMONTH" not in parts else 5
    found = set()
    for item in text.split(","):
        match = _DAY.fullmatch(item.strip())
        if match is None:
            raise ValueError(f"BYDAY: `{item[:40]}` is not a day such as MO, 1MO or -1FR")
        number = int(match[1] or 0)
        if match[1] and not 1 <= abs(number) <= last:
            raise ValueError(f"BYDAY: {number} is not within 1 to {last} or -1 to -{last}")
        if number and (frequency not in {"MONTHLY", "YEARLY"} or "BYWEEKNO" in parts):
            other = "BYWEEKNO" if "BYWEEKNO" in parts else f"FREQ={frequency}"
            raise ValueError(f"BYDAY: the number in `{item}` does not go with {other}")
        found.add((WEEKDAYS.index(match[2]), number))
    return tuple(sorted(found))


def _until(text: str, where: ZoneInfo) -> Micros:
    """A day alone lasts to its end."""
    match = _UNTIL.fullmatch(text)
    if match is None:
        raise ValueError(f"UNTIL: `{text[:40]}` is not a time such as 20301231T235959Z")
    year, month, day, hour, minute, second, utc = match.groups()
    clock = f"{hour}:{minute}:{second}" if hour else "23:59:59"
    try:
        datetime.fromisoformat(f"{year}-{month}-{day}T{clock}")
        return parse_local(f"{year}-{month}-{day}T{clock}{utc or ''}", where)
    except ValueError as error:
        raise ValueError(f"UNTIL: `{text}` is not a time that exists: {error}") from None
