"""Local time: zones by name, and what a time on the wall is as an instant.

Twice a year a wall clock lies: in spring an hour is left out, in autumn one comes twice.
Schedules think on the wall and fire at instants, and this module is where the two meet.
It knows two ways. A *fixed* time is one that people read off the wall: it happens once a
day, so one that is left out happens as much later as the clock jumped (02:30 → 03:30), and
of one that comes twice only the first counts. An *elapsed* time stands for a beat, such as
every full hour: it happens whenever the wall shows it, twice in autumn, and not where the
wall never shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from base.errors import ConfigurationError
from base.suggest import hint as nearest_hint
from base.time import SECOND, Micros, parse_rfc3339, to_datetime

Walls = Callable[[datetime], Iterator[datetime]]
"""Times on the wall from a given one on, itself included, ascending, without a zone."""

BEGIN: Micros = parse_rfc3339("1900-01-01T00:00:00Z")
END: Micros = parse_rfc3339("9000-01-01T00:00:00Z")
"""Schedules live between: calendars end with the year 9999, and searches need room."""

_EPOCH = to_datetime(0)
_MICROSECOND = timedelta(microseconds=1)
_SHIFT: Micros = 26 * 3_600 * SECOND
"""Longer than any change of the clock: whole days have been left out (Apia in 2011)."""

_LOCAL = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?")
_NO_ZONES = frozenset(("localtime", "posixrules", "Factory"))
"""In the database, and different on each machine or no zone at all."""


@cache
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_ZONES | {"UTC"})


def zone(name: str, place: str | None = None) -> ZoneInfo:
    """The zone of that name in the IANA database. Raises ConfigurationError, with a hint."""
    if name != "UTC" and name not in zone_names():
        raise ConfigurationError(
            f'there is no timezone "{name[:60]}"',
            code="trigger_invalid",
            place=place,
            hint=_zone_hint(name),
        )
    return ZoneInfo(name)


def _zone_hint(name: str) -> str:
    cities = sorted(known for known in zone_names() if known.endswith(f"/{name.title()}"))
    if cities:
        return f"did you mean `{cities[0]}`?"
    return nearest_hint(name, sorted(zone_names())) or "names such as Europe/Berlin, or UTC"


def to_wall(instant: Micros, where: ZoneInfo) -> datetime:
    return to_datetime(instant).astimezone(where).replace(tzinfo=None, fold=0)


def to_instant(wall: datetime, where: ZoneInfo, *, fold: int = 0) -> Micros:
    """The instant of a fixed time; of one that comes twice the second with `fold=1`."""
    moment = wall.replace(tzinfo=where, fold=fold).astimezone(UTC)
    return (moment - _EPOCH) // _MICROSECOND


def parse_local(text: str, where: ZoneInfo) -> Micros:
    """An RFC 3339 time, or one on the wall: `2030-01-01T09:00`, `2030-01-01` (midnight).

    Raises ValueError.
    """
    match = _LOCAL.fullmatch(text.strip())
    if match is None:
        return _checked(parse_rfc3339(text.strip()))
    day, clock = match.groups()
    try:
        wall = datetime.fromisoformat(f"{day}T{clock or '00:00'}")
        instant = to_instant(wall, where)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time that exists: {error}") from None
    return _checked(instant)


def _checked(instant: Micros) -> Micros:
    if not BEGIN <= instant < END:
        raise ValueError("a time is from the year 1900 to 8999")
    return instant


def first_after(
    instant: Micros, where: ZoneInfo, walls: Walls, *, elapsed: bool = False
) -> Micros | None:
    """The first instant after `instant` at one of the walls, or None if there is none.

    The walls ascend, and their instants nearly so: a fixed time in the hour that spring
    leaves out comes later than some of the next hour, and with elapsed times the second
    two o'clock comes after the first three quarters past. So the search goes on until a
    wall that exists lies ahead for the first time: from there on the instants only rise.
    """
    best: Micros | None = None
    for wall in walls(_earliest(instant, where)):
        first = to_instant(wall, where)
        exists = to_wall(first, where) == wall
        moments = [first]
        if elapsed:
            moments = [first, to_instant(wall, where, fold=1)] if exists else []
        ahead = [moment for moment in moments if moment > instant]
        best = min(ahead if best is None else [best, *ahead], default=None)
        if exists and first > instant:
            break
    return best if best is not None and best < END else None


def _earliest(instant: Micros, where: ZoneInfo) -> datetime:
    """No wall before this one has an instant after `instant`, in either way of counting.

    Around a change of the clock that is the smallest of what the wall shows by the time
    before, now, and after.
    """
    around = (to_datetime(instant + shift).astimezone(where) for shift in (-_SHIFT, 0, _SHIFT))
    offset = min(moment.utcoffset() or timedelta() for moment in around)
    return to_datetime(instant).replace(tzinfo=None) + offset
