"""`rrule`: recurrence by the calendar's rules (RFC 5545), which dateutil works out.

dateutil walks from DTSTART on, each time anew, and where nothing ever fits it walks to the
year 9999. So a search does not begin at DTSTART: it begins one period before the time that
is asked about, which is a whole number of intervals later. And it does not take place now:
the Gregorian calendar repeats itself every 400 years, weekdays included, so the search is
moved by a multiple of them to where the end of the calendar is near. A rule with COUNT has
to be walked from its start; its times are found once and kept.

Times stand on the wall; `local_time` makes instants of them. Hours and minutes that recur
without being named (FREQ=HOURLY) count by elapsed time, as `*` hours do in cron; where
nothing else is named either (FREQ=HOURLY;INTERVAL=2), a wall in UTC gives them exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from base.errors import ConfigurationError
from base.time import SECOND, Micros
from triggers.local_time import first_after, to_instant, to_wall, zone
from triggers.recurrence_form import RecurrenceForm

if TYPE_CHECKING:
    from dateutil.rrule import rrule

_CYCLE = 400
_LAST = 9_899
"""Searches begin in the last cycle before this year, and so have a century at least."""

_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - it stands on the wall
_UNITS = {
    "WEEKLY": timedelta(weeks=1),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
    "MINUTELY": timedelta(minutes=1),
}


@dataclass(frozen=True, slots=True)
class Recurrence:
    """`anchor` is DTSTART, and None until it is known when the rule was enabled."""

    form: RecurrenceForm
    timezone: str
    anchor: Micros | None
    is_even: bool = False
    """Whether what the rule leaves open of the time of day is zero, and not the anchor's."""

    @classmethod
    def parse(cls, text: str, timezone: str, start: Micros | None, place: str) -> Recurrence:
        """Raises ConfigurationError that names the part of the rule."""
        try:
            form = RecurrenceForm.parse(text, zone(timezone))
            _check_possible(form, to_wall(start, zone(timezone)) if start is not None else None)
        except ValueError as error:
            raise ConfigurationError(str(error), code="trigger_invalid", place=place) from None
        return cls(form, timezone, start)

    def since(self, enabled: Micros) -> Recurrence:
        """Without a start of its own it counts from the day on which it was enabled.

        What the rule leaves open of the time of day is zero, not the second at which somebody
        happened to enable it. COUNT counts what comes after that.
        """
        if self.anchor is not None:
            return self
        where = zone(self.timezone)
        day = to_wall(enabled, where).replace(hour=0, minute=0, second=0, microsecond=0)
        form = self.form
        anchored = replace(self, anchor=to_instant(day, where), is_even=True)
        if form.count is None:
            return anchored
        first: Micros | None = (enabled // SECOND + 1) * SECOND
        if form.frequency in {"HOURLY", "MINUTELY"}:
            unbound = replace(anchored, form=replace(form, count=None))
            first = unbound.next_after(enabled) or first
        return replace(anchored, anchor=first)

    def next_after(self, instant: Micros) -> Micros | None:
        if self.anchor is None:
            raise ValueError("a recurrence counts from when it was enabled: ask `since` first")
        form = self.form.on_the_hour() if self.is_even else self.form
        where = zone("UTC" if form.is_beat else self.timezone)
        anchor = to_wall(self.anchor, where).replace(microsecond=0)
        search = partial(_counted if form.count else _walls, form, anchor)
        found = first_after(instant, where, search, elapsed=self._is_elapsed)
        until = form.until
        return None if found is None or (until is not None and found > until) else found

    @property
    def _is_elapsed(self) -> bool:
        form = self.form
        return form.frequency in {"HOURLY", "MINUTELY"} and not form.hours and form.count is None

    def normalised(self) -> dict[str, Any]:
        form = self.form
        values = {name: getattr(form, name) for name in form.__slots__}
        given = {name: value for name, value in values.items() if value not in {None, ()}}
        return {"rrule": given | {"days": [list(d) for d in form.days]}, "timezone": self.timezone}


def _check_possible(form: RecurrenceForm, anchor: datetime | None) -> None:
    """Raises ValueError for a rule that never comes.

    As long as the day is not known from which it counts, an interval may or may not meet the
    days: then it is asked whether the rule would come without one. The hours and minutes count
    from midnight.
    """
    unbound = replace(form, count=None)
    if anchor is None and form.frequency not in {"HOURLY", "MINUTELY"}:
        unbound = replace(unbound, interval=1)
    if next(_walls(unbound, anchor or _SOME_DAY, anchor or _SOME_DAY), None) is None:
        raise ValueError("it never comes: no day fits all of it")


def _counted(form: RecurrenceForm, anchor: datetime, start: datetime) -> Iterator[datetime]:
    return (wall for wall in _all(form, anchor) if wall >= start)


@lru_cache(maxsize=64)
def _all(form: RecurrenceForm, anchor: datetime) -> tuple[datetime, ...]:
    return tuple(_found(form, anchor, anchor, anchor))


def _walls(form: RecurrenceForm, anchor: datetime, start: datetime) -> Iterator[datetime]:
    """All times from `start` on, of a rule without COUNT."""
    start = max(start, anchor)
    if form.frequency in {"HOURLY", "MINUTELY"} and (form.months or form.month_days or form.days):
        # Day by day is much faster than minute by minute.
        days = RecurrenceForm(
            frequency="DAILY", months=form.months, month_days=form.month_days, days=form.days
        )
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        day = next(_found(days, midnight, midnight, midnight), None)
        if day is None:
            return iter(())
        start = max(start, day)
    return _found(form, anchor, _begin(form, anchor, start), start)


def _found(
    form: RecurrenceForm, anchor: datetime, begin: datetime, start: datetime
) -> Iterator[datetime]:
    """What dateutil finds from `start` on, of the rule as it is from `begin` on."""
    years = max(0, (_LAST - begin.year) // _CYCLE) * _CYCLE
    try:
        rule = _rule(form, anchor, begin.replace(year=begin.year + years))
        for wall in rule.xafter(start.replace(year=start.year + years), inc=True):
            yield wall.replace(year=wall.year - years)
    except ValueError:
        # So dateutil says that an interval never meets the hours or minutes asked for.
        return


def _begin(form: RecurrenceForm, anchor: datetime, start: datetime) -> datetime:
    """A time to walk from, a whole number of intervals after the anchor and before `start`.

    It leaves one interval between: of the period it is in, the beginning may be cut off.
    """
    if form.frequency == "YEARLY":
        ahead = _whole(start.year - anchor.year, form.interval)
        return anchor.replace(year=anchor.year + ahead, month=1, day=1) if ahead else anchor
    if form.frequency == "MONTHLY":
        first = anchor.year * 12 + anchor.month - 1
        ahead = _whole(start.year * 12 + start.month - 1 - first, form.interval)
        year, month = divmod(first + ahead, 12)
        return anchor.replace(year=year, month=month + 1, day=1) if ahead else anchor
    unit = _UNITS[form.frequency]
    return anchor + _whole((start - anchor) // unit, form.interval) * unit


def _whole(distance: int, interval: int) -> int:
    return max(0, distance // interval - 1) * interval


def _rule(form: RecurrenceForm, anchor: datetime, begin: datetime) -> rrule:
    """What the rule leaves open comes from the anchor, wherever the walk begins."""
    from dateutil import rrule as dateutil

    months, month_days, days = form.months, form.month_days, _numbered(form)
    if not (form.weeks or form.year_days or form.month_days or form.days):
        if form.frequency == "YEARLY":
            months, month_days = months or (anchor.month,), (anchor.day,)
        elif form.frequency == "MONTHLY":
            month_days = (anchor.day,)
        elif form.frequency == "WEEKLY":
            days = ((anchor.weekday(), 0),)
    return dateutil.rrule(
        getattr(dateutil, form.frequency),
        dtstart=begin,
        interval=form.interval,
        count=form.count,
        wkst=form.week_start,
        bysetpos=form.positions or None,
        bymonth=months or None,
        bymonthday=month_days or None,
        byyearday=form.year_days or None,
        byweekno=form.weeks or None,
        byweekday=[dateutil.weekday(day, number or None) for day, number in days] or None,
        byhour=form.hours or None,
        byminute=form.minutes or None,
        bysecond=form.seconds or None,
    )


def _numbered(form: RecurrenceForm) -> tuple[tuple[int, int], ...]:
    """The days; where some have numbers all get them: dateutil wants both sorts to fit."""
    if not any(number for _, number in form.days):
        return form.days
    last = 53 if form.frequency == "YEARLY" and not form.months else 5
    return tuple(
        (day, n) for day, number in form.days for n in ([number] if number else range(1, last + 1))
    )
