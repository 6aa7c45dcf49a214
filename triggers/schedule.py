"""Schedules: the triggers that a clock sets off.

    trigger:
      cron: "30 9 * * mon-fri"         # or every: 10m, rrule: FREQ=…, at: 2030-01-01T09:00
      timezone: Europe/Berlin
      start: 2030-01-01                # nothing before; what `every` and `rrule` count from
      catch_up: latest                 # of what a stop has missed: all, latest or none
      where: "!holiday(now, 'DE-BE')"

A schedule is pure: it says when the next time is after an instant, and which times came due
between two. What it does not remember is when it was enabled. Where that matters, `since`
takes it, and it must be the same instant for as long as the rule's trigger stays the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from base.errors import ConfigurationError
from base.fields import Complaints, Fields, described
from base.time import SECOND, Micros, to_rfc3339
from events.expression import Expression
from triggers.cron import Cron
from triggers.foreign_words import TRIGGER_WORDS
from triggers.holidays import clock_condition
from triggers.interval import LONGEST, SHORTEST, Interval
from triggers.local_time import BEGIN, END, parse_local, zone
from triggers.moment import Moment
from triggers.recurrence import Recurrence

Clock = Cron | Interval | Recurrence | Moment
CLOCKS: Mapping[str, type[Clock]] = {
    "cron": Cron,
    "every": Interval,
    "rrule": Recurrence,
    "at": Moment,
}
KINDS = tuple(CLOCKS)
FIELDS = (*KINDS, "timezone", "start", "catch_up", "where")

CatchUp = Literal["all", "latest", "none"]

ON_TIME: Micros = 60 * SECOND
"""A time that is taken up to so much later was not missed."""

_MOST_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a clock fires. `catch_up` is what becomes of the times that a stop has missed.

    `where` is asked at each time, with that time as `now`.
    """

    clock: Clock
    timezone: str = "UTC"
    start: Micros | None = None
    catch_up: CatchUp = "latest"
    where: Expression | None = None

    @classmethod
    def parse(cls, form: Mapping[str, Any], place: str, complaints: Complaints) -> Schedule | None:
        """None if anything is wrong, which the complaints then tell."""
        before = len(complaints.found)
        fields = Fields(form, place, complaints, FIELDS, TRIGGER_WORDS)
        timezone = _timezone(fields, complaints)
        start = _time("start", fields, timezone)
        catch_up = _catch_up(fields)
        where = None
        with complaints.kept():
            if fields.has("where"):
                where = clock_condition(form["where"], timezone, fields.at("where"))
        clock = None
        with complaints.kept():
            clock = _clock(fields, timezone, start, place)
        if clock is None or len(complaints.found) > before:
            return None
        return cls(clock, timezone, start, catch_up, where)

    @property
    def kind(self) -> str:
        """The field that says when: one of `KINDS`."""
        return next(name for name, clock in CLOCKS.items() if isinstance(self.clock, clock))

    def since(self, enabled: Micros) -> Schedule:
        """The schedule of a rule that was enabled then."""
        if isinstance(self.clock, Recurrence):
            return replace(self, clock=self.clock.since(enabled))
        return self

    def next_after(self, instant: Micros) -> Micros | None:
        """The first time after `instant`, or None if there is none any more.

        The first of a rule is that after the instant at which it was enabled.
        """
        if self.start is not None:
            instant = max(instant, self.start - 1)
        return self.clock.next_after(max(instant, BEGIN)) if instant < END else None

    def due_between(
        self, after: Micros, until: Micros, catch_up: CatchUp, limit: int
    ) -> list[Micros]:
        """What fires at `until` of the times after `after`, ascending.

        With `all` the first `limit` of them: whoever gets so many asks again after the last.
        With `latest` the last one; with `none` the last one if it is on time.
        """
        if catch_up == "all":
            return list(islice(self._times(after, until), limit))
        latest = self._latest(after, until)
        if latest is None or (catch_up == "none" and until - latest > ON_TIME):
            return []
        return [latest]

    def warning(self, now: Micros) -> str | None:
        """Why it will never fire, if it will not, for a rule that is enabled now."""
        if self.since(now).next_after(now) is not None:
            return None
        if isinstance(self.clock, Moment):
            return f"it never fires: {to_rfc3339(self.clock.at)} has passed"
        return "it never fires: none of its times is still to come"

    def normalised(self) -> dict[str, Any]:
        """The same for schedules that mean the same; what is made up for is no part of that."""
        form = self.clock.normalised()
        if self.start is not None:
            form["start"] = self.start
        if self.where is not None:
            form |= {"where": self.where.source.strip(), "timezone": self.timezone}
        return form

    def _times(self, after: Micros, until: Micros) -> Iterator[Micros]:
        due = self.next_after(after)
        while due is not None and due <= until:
            yield due
            due = self.next_after(due)

    def _latest(self, after: Micros, until: Micros) -> Micros | None:
        """Looks back by spans that double, so that a long stop costs no more than a short one."""
        span = ON_TIME
        while after < until:
            begin = max(after, until - span)
            found = deque(self._times(begin, until), maxlen=1)
            if found:
                return found[0]
            if begin == after:
                break
            span *= 2
        return None


def _clock(fields: Fields, timezone: str, start: Micros | None, place: str) -> Clock | None:
    given = [kind for kind in KINDS if fields.has(kind)]
    if len(given) != 1:
        raise ConfigurationError(
            f"a trigger has one clock, not {' and '.join(f'`{kind}`' for kind in given)}"
            if given
            else f"a clock is missing: one of {', '.join(KINDS)}",
            code="trigger_invalid",
            place=fields.at(given[1]) if given else place,
        )
    match given[0]:
        case "cron":
            text = fields.text("cron", at_most=_MOST_TEXT)
            return Cron.parse(text, timezone, fields.at("cron")) if text else None
        case "rrule":
            text = fields.text("rrule", at_most=_MOST_TEXT)
            return Recurrence.parse(text, timezone, start, fields.at("rrule")) if text else None
        case "every":
            span = fields.duration("every", 0, at_least=SHORTEST, at_most=LONGEST)
            return Interval(span, start or 0) if span else None
        case _:
            if fields.has("start"):
                fields.complain("start", "`start` does not go with `at`")
            at = _time("at", fields, timezone)
            return None if at is None else Moment(at)


def _timezone(fields: Fields, complaints: Complaints) -> str:
    """UTC where it is not given, or not known: the other fields are still looked at."""
    name = fields.text("timezone", "UTC")
    with complaints.kept():
        zone(name, fields.at("timezone"))
        return name
    return "UTC"  # type: ignore[unreachable] # `kept` swallows, which mypy cannot see


def _time(name: str, fields: Fields, timezone: str) -> Micros | None:
    if not fields.has(name):
        return None
    value = fields.raw(name)
    if not isinstance(value, str):
        fields.complain(name, f"must be a time such as 2030-01-01T09:00, not {described(value)}")
        return None
    try:
        return parse_local(value, zone(timezone))
    except ValueError as error:
        fields.complain(name, str(error))
        return None


def _catch_up(fields: Fields) -> CatchUp:
    match fields.raw("catch_up"):
        case None | "latest":
            return "latest"
        case "all":
            return "all"
        case "none":
            return "none"
        case other:
            fields.complain("catch_up", f"must be all, latest or none, not {described(other)}")
            return "latest"
