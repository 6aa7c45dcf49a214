"""Cron, as Vixie's reads: five fields, and APScheduler to find the next time.

    minute  hour  day-of-month  month  day-of-week
    30      9     *             *      mon-fri

Where APScheduler differs it is told otherwise: its weekdays begin with Monday as 0, it wants
both the day of the month and the day of the week to fit where Vixie's is content with either
(as soon as both are restricted), and it takes the changes of the clock in its own way. So it
gets plain numbers, one trigger for each kind of day, and a wall clock that never changes;
`local_time` does the rest. As in Vixie's a field is restricted unless it begins with `*`,
and hours that begin with `*` count by elapsed time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from base.errors import ConfigurationError
from base.suggest import hint as nearest_hint
from base.time import Micros
from triggers.local_time import first_after, zone

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\w+))?")
_QUARTZ = re.compile(r"\?|#|(?<![A-Za-z])(?:L|W|LW)(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class _Field:
    """`names` are those of the values from `low` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> tuple[int, ...]:
        """Raises ValueError that says what is wrong with which part."""
        return tuple(sorted({value for part in text.split(",") for value in self._part(part)}))

    def _part(self, part: str) -> range:
        match = _PART.fullmatch(part)
        if match is None or (match[1] == "*" and match[2]):
            raise ValueError(f"{self.name}: `{part}` is not a value, a range, a list or a step")
        first, last, step = match.groups()
        if first == "*":
            low, high = self.low, self.high
        else:
            low = self._value(first)
            high = low if last is None else self._value(last)
            if last is not None and self.names == _WEEKDAYS and last.lower() == "sun":
                high = 7
        if low > high:
            raise ValueError(f"{self.name}: the range `{part}` runs backwards")
        if step is not None and last is None and first != "*":
            raise ValueError(
                f"{self.name}: `{part}` has a step and no range: `{first}-{self.high}/{step}`"
            )
        return range(low, high + 1, 1 if step is None else self._step(step))

    def _value(self, text: str) -> int:
        if text.lower() in self.names:
            return self.low + self.names.index(text.lower())
        # The length keeps out numbers that are too long to be read as numbers.
        if not (text.isascii() and text.isdigit()):
            known = f", {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise ValueError(
                f"{self.name}: `{text}` is not one of {self.low} to {self.high}{known}"
            )
        if len(text) > 4 or not self.low <= int(text) <= self.high:
            raise ValueError(f"{self.name}: {text} is not within {self.low} to {self.high}")
        return int(text)

    def _step(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) > 0):
            raise ValueError(f"{self.name}: a step is a number from 1, not `{text}`")
        return int(text)


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day-of-month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day-of-week", 0, 7, _WEEKDAYS)
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@dataclass(frozen=True, slots=True)
class Cron:
    """The values of the five fields; weekdays count from 0, Sunday.

    `either`: the day of the month or that of the week has to fit, instead of both.
    `elapsed`: hours count by elapsed time, instead of by the wall.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either: bool
    elapsed: bool
    timezone: str

    @classmethod
    def parse(cls, text: str, timezone: str, place: str) -> Cron:
        """Raises ConfigurationError that names the field."""
        fields = _expanded(text.strip(), place).split()
        if len(fields) != 5:
            raise ConfigurationError(
                f"cron has five fields (minute hour day-of-month month day-of-week), not {len(fields)}",
                code="trigger_invalid",
                place=place,
                hint="cron knows no seconds: `every: 30s` does" if len(fields) == 6 else None,
            )
        try:
            parsed = [field.parse(item) for field, item in zip(_FIELDS, fields, strict=True)]
        except ValueError as error:
            raise ConfigurationError(
                str(error), code="trigger_invalid", place=place, hint=_advice(text)
            ) from None
        minutes, hours, days, months, weekdays = parsed
        cron = cls(
            minutes=minutes,
            hours=hours,
            days=days,
            months=months,
            weekdays=tuple(sorted({day % 7 for day in weekdays})),
            either=not (fields[2].startswith("*") or fields[4].startswith("*")),
            elapsed=fields[1].startswith("*"),
            timezone=timezone,
        )
        if not (cron.either or cron.has_days):
            raise ConfigurationError(
                f"`{text.strip()}` never comes: no such day is in that month",
                code="trigger_invalid",
                place=place,
            )
        return cron

    @property
    def has_days(self) -> bool:
        """Whether any of the days of the month is in any of the months."""
        return any(min(self.days) <= _LONGEST[month - 1] for month in self.months)

    def next_after(self, instant: Micros) -> Micros | None:
        walls = partial(_walls, _triggers(self))
        return first_after(instant, zone(self.timezone), walls, elapsed=self.elapsed)

    def normalised(self) -> dict[str, Any]:
        fields = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return {
            "cron": [list(values) for values in fields],
            "either": self.either,
            "elapsed": self.elapsed,
            "timezone": self.timezone,
        }


def _expanded(text: str, place: str) -> str:
    if not text.startswith("@"):
        return text
    if text.lower() in NICKNAMES:
        return NICKNAMES[text.lower()]
    raise ConfigurationError(
        "a rule is not started by a boot: there is no `@reboot`"
        if text.lower() == "@reboot"
        else f"cron knows no `{text[:40]}`",
        code="trigger_invalid",
        place=place,
        hint=nearest_hint(text, NICKNAMES) or f"there are {', '.join(sorted(NICKNAMES))}",
    )


def _advice(text: str) -> str | None:
    if _QUARTZ.search(text):
        return "`?`, L, W and # are Quartz's: `rrule: FREQ=MONTHLY;BYMONTHDAY=-1` is the last day"
    return None


def _walls(triggers: tuple[CronTrigger, ...], start: datetime) -> Iterator[datetime]:
    moment = start.replace(tzinfo=UTC)
    while True:
        found = [trigger.get_next_fire_time(None, moment) for trigger in triggers]
        ahead = [at for at in found if at is not None]
        if not ahead:
            return
        yield min(ahead).replace(tzinfo=None)
        moment = min(ahead) + timedelta(microseconds=1)


@lru_cache(maxsize=1_024)
def _triggers(cron: Cron) -> tuple[CronTrigger, ...]:
    """One trigger, or two of which either may fit; none for a day that never comes.

    For that one APScheduler would search to the end of the calendar.
    """
    days = ",".join(map(str, cron.days))
    weekdays = ",".join(str((day - 1) % 7) for day in cron.weekdays)
    if not cron.either:
        return (_trigger(cron, days, weekdays),)
    by_weekday = _trigger(cron, "*", weekdays)
    return (_trigger(cron, days, "*"), by_weekday) if cron.has_days else (by_weekday,)


def _trigger(cron: Cron, days: str, weekdays: str) -> CronTrigger:
    # Imported here: 8 MiB that a server without such a rule does not need.
    from apscheduler.triggers.cron import CronTrigger

    return CronTrigger(
        minute=_listed(cron.minutes, 60),
        hour=_listed(cron.hours, 24),
        day=days,
        month=_listed(cron.months, 12),
        day_of_week=weekdays,
        timezone=UTC,
    )


def _listed(values: tuple[int, ...], count: int) -> str:
    return "*" if len(values) == count else ",".join(map(str, values))
