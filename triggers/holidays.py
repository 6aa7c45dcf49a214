"""Public holidays, and what a clock's `where` may ask of them.

    where: "!holiday(now, 'DE-BE')"

A calendar is a country (ISO 3166-1) and, where its parts have days of their own, the part:
`DE`, `DE-BE`, `US-CA`. The days come from the `holidays` library, loaded when the first rule
asks for one.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import cache, lru_cache

from cel_expr_python import cel

from base.errors import ConfigurationError
from base.suggest import hint as nearest_hint
from base.time import Micros, to_datetime
from events.expression import Expression, Scope
from triggers.local_time import zone

_TEXT = re.compile(r"""\bholiday\s*\((?:[^()]|\([^()]*\))*?,\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*\)""")
"""A call of `holiday` that names its calendar outright; the time may be a call itself."""


def is_holiday(instant: Micros, calendar: str, timezone: str) -> bool:
    """Whether it is a public holiday there, on the day that it is in the timezone.

    Raises ConfigurationError with a hint.
    """
    return _is_holiday(to_datetime(instant), calendar, timezone)


def check_calendar(calendar: str, place: str | None = None) -> None:
    """Raises ConfigurationError with a hint."""
    country, _, part = calendar.partition("-")
    parts = _calendars().get(country)
    if parts is None or ((part or calendar.endswith("-")) and part not in parts):
        raise ConfigurationError(
            f'there is no holiday calendar "{calendar[:40]}"',
            code="expression_invalid",
            place=place,
            hint=_calendar_hint(calendar),
        )


@cache
def clock_scope(timezone: str) -> Scope:
    """What the `where` of a clock sees. `holiday` asks for the day it is in this timezone."""

    def holiday(now: datetime, calendar: str) -> bool:
        return _is_holiday(now, calendar, timezone)

    overload = cel.Overload(
        "holiday_timestamp_string",
        return_type=cel.Type.BOOL,
        parameters=[cel.Type.TIMESTAMP, cel.Type.STRING],
        impl=holiday,
    )
    declared = {"holiday": cel.FunctionDecl("holiday", [overload])}
    return Scope(declared, now="timestamp", vars="map")


def clock_condition(source: str, timezone: str, place: str) -> Expression:
    """The `where` of a clock; calendars that it names outright exist.

    Raises ConfigurationError.
    """
    condition = Expression.condition(source, scope=clock_scope(timezone), place=place)
    for double, single in _TEXT.findall(source):
        check_calendar(double or single, place)
    return condition


def _is_holiday(moment: datetime, calendar: str, timezone: str) -> bool:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    day = moment.astimezone(zone(timezone)).date()
    return day in _days(calendar, day.year)


@lru_cache(maxsize=256)
def _days(calendar: str, year: int) -> frozenset[date]:
    check_calendar(calendar)
    import holidays

    country, _, part = calendar.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


@cache
def _calendars() -> dict[str, frozenset[str]]:
    """The countries, each with its parts."""
    # Imported here: 18 MiB that a server without such a rule does not need.
    import holidays

    found = holidays.list_supported_countries(include_aliases=False)
    return {country: frozenset(parts) for country, parts in found.items()}


def _calendar_hint(calendar: str) -> str:
    country, _, part = calendar.partition("-")
    parts = _calendars().get(country)
    if parts is None:
        known = nearest_hint(country, sorted(_calendars())) if len(country) == 2 else None
        if country.upper() in _calendars():
            known = f"did you mean `{calendar.upper()}`?"
        return known or "a calendar is a country and perhaps a part of it, such as DE or DE-BE"
    if not parts:
        return f"{country} is one calendar"
    near = nearest_hint(calendar, sorted(f"{country}-{known}" for known in parts))
    return near if part and near else f"{country} has {', '.join(sorted(parts))}"
