"""Cron against a model that walks minute by minute and knows nothing of APScheduler."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.errors import ConfigurationError
from base.time import SECOND, parse_rfc3339, to_rfc3339
from triggers.cron import Cron

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CHANGES = [
    ("UTC", "2030-03-31"),
    ("Europe/Berlin", "2030-03-31"),
    ("Europe/Berlin", "2030-10-27"),
    ("America/New_York", "2030-03-10"),
    ("America/New_York", "2030-11-03"),
    ("Australia/Lord_Howe", "2030-04-07"),
    ("Australia/Lord_Howe", "2030-10-06"),
]


def cron(text, timezone="UTC"):
    return Cron.parse(text, timezone, "trigger.cron")


def after(text, start, timezone="UTC", count=1):
    """The next times, as RFC 3339 text in UTC."""
    schedule, instant, found = cron(text, timezone), parse_rfc3339(start), []
    for _ in range(count):
        instant = schedule.next_after(instant)
        found.append(to_rfc3339(instant))
    return found


def refused(text):
    with pytest.raises(ConfigurationError) as caught:
        cron(text)
    assert caught.value.place == "trigger.cron"
    return str(caught.value)


# ── the model ───────────────────────────────────────────────────────────────────────────


@cache
def minutes_around(timezone, day):
    """Each minute of five days: the instant, and what the wall shows."""
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=2)
    instants = [begin + n * MINUTE for n in range(5 * 24 * 60)]
    zone = ZoneInfo(timezone)
    return [(at, at.astimezone(zone).replace(tzinfo=None, fold=0)) for at in instants]


@cache
def readings(timezone, day):
    """Each time a calendar has in these days, and the instant at which a person runs it."""
    table = minutes_around(timezone, day)
    first = {}
    for instant, wall in table:
        first.setdefault(wall, instant)
    wall, shown, found = table[0][1], table[0], []
    while wall <= table[-1][1]:
        if wall in first:
            shown = (first[wall], wall)
        found.append((shown[0] + (wall - shown[1]), wall))
        wall += MINUTE
    return found


@cache
def change_at(timezone, day):
    """The first minute with the new time."""
    table = minutes_around(timezone, day)
    offsets = [wall - at.replace(tzinfo=None) for at, wall in table]
    return next((n for n, o in enumerate(offsets) if o != offsets[0]), len(table) // 2)


def model(fields, timezone, day):
    """All instants of these days, by definition."""
    minutes, hours, days, months, weekdays, either, elapsed = fields

    def fits(wall):
        day_of_month, weekday = wall.day in days, wall.isoweekday() % 7 in weekdays
        return (
            wall.minute in minutes
            and wall.hour in hours
            and wall.month in months
            and ((day_of_month or weekday) if either else (day_of_month and weekday))
        )

    table = (minutes_around if elapsed else readings)(timezone, day)
    return sorted({instant for instant, wall in table if fits(wall)})


def listed(low, high):
    """Text, and the values it stands for."""
    number = st.integers(low, high)
    single = number.map(lambda n: (f"{n}", {n}))
    span = st.tuples(number, number, st.integers(1, 9)).map(
        lambda t: (
            f"{min(t[:2])}-{max(t[:2])}/{t[2]}",
            set(range(min(t[:2]), max(t[:2]) + 1, t[2])),
        )
    )
    return st.lists(single | span, min_size=1, max_size=3).map(
        lambda parts: (",".join(text for text, _ in parts), set().union(*(v for _, v in parts)))
    )


def starred(low, high):
    return st.integers(1, 12).map(
        lambda n: (f"*/{n}" if n > 1 else "*", set(range(low, high + 1, n)))
    )


def field(low, high):
    return listed(low, high) | starred(low, high)


@st.composite
def expressions(draw):
    parts = [
        draw(field(0, 59)),
        draw(listed(0, 4) | field(0, 23)),
        draw(field(1, 31)),
        ("*", set(range(1, 13))),
        draw(field(0, 7)),
    ]
    texts = [text for text, _ in parts]
    minutes, hours, days, months, weekdays = (values for _, values in parts)
    either = not texts[2].startswith("*") and not texts[4].startswith("*")
    fields = (
        minutes,
        hours,
        days,
        months,
        {day % 7 for day in weekdays},
        either,
        texts[1].startswith("*"),
    )
    return " ".join(texts), fields


@settings(max_examples=200, deadline=None)
@given(
    expressions(),
    st.sampled_from(CHANGES),
    st.integers(-150, 90) | st.integers(-24 * 60, 24 * 60),
    st.integers(-1, 1),
)
def test_cron_is_what_a_walk_minute_by_minute_finds(expression, change, distance, nudge):
    text, fields = expression
    table = minutes_around(*change)
    start = table[change_at(*change) + distance][0] + timedelta(microseconds=nudge)
    end = table[4 * 24 * 60][0]
    expected = [at for at in model(fields, *change) if start < at <= end][:30]
    schedule, instant, found = (
        cron(text, change[0]),
        (start - EPOCH) // timedelta(microseconds=1),
        [],
    )
    while len(found) < 30 and (instant := schedule.next_after(instant)) is not None:
        at = EPOCH + timedelta(microseconds=instant)
        if at > end:
            break
        found.append(at)
    assert found == expected


@settings(max_examples=50, deadline=None)
@given(expressions(), st.sampled_from(CHANGES), st.integers(0, 4_000_000_000))
def test_what_comes_next_is_always_later(expression, change, start):
    schedule, instants = cron(expression[0], change[0]), [start * SECOND]
    while len(instants) < 5 and (instant := schedule.next_after(instants[-1])) is not None:
        instants.append(instant)
    assert all(before < later for before, later in pairwise(instants))
    assert len(instants) == 5


# ── the text ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("0 9 * * mon-fri", "0 9 * * 1-5"),
        ("0 9 * * MON,Wed", "0 9 * * 1,3"),
        ("0 0 1 jan *", "0 0 1 1 *"),
        ("0 0 1 jan-mar/2 *", "0 0 1 1,3 *"),
        ("0 0 * * 0", "0 0 * * 7"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 * * fri-sun", "0 0 * * 5-7"),
        ("0 0 * * sun-tue", "0 0 * * 0-2"),
        ("*/20 0 * * *", "0,20,40 0 * * *"),
        ("  0\t0 * * *  ", "0 0 * * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
    ],
)
def test_two_spellings_of_one_cron_are_the_same(text, same):
    assert cron(text) == cron(same)
    assert cron(text).normalised() == cron(same).normalised()


@pytest.mark.parametrize(
    ("text", "other"),
    [("0 0 * * 1", "0 0 * * 2"), ("0 * * * *", "0 0-23 * * *"), ("0 0 1 * 1", "0 0 1 * *")],
)
def test_another_cron_is_another_trigger(text, other):
    assert cron(text).normalised() != cron(other).normalised()
    assert cron(text).normalised() != cron(text, "Europe/Berlin").normalised()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("61 * * * *", "minute: 61 is not within 0 to 59"),
        ("* 24 * * *", "hour: 24 is not within 0 to 23"),
        ("* * 0 * *", "day-of-month: 0 is not within 1 to 31"),
        ("* * * 13 *", "month: 13 is not within 1 to 12"),
        ("* * * * 8", "day-of-week: 8 is not within 0 to 7"),
        ("* * * foo *", "month: `foo` is not one of 1 to 12, jan to dec"),
        ("x * * * *", "minute: `x` is not one of 0 to 59"),
        ("²/2 * * * *", "minute: `²` is not one of 0 to 59"),
        (f"{'9' * 900} * * * *", "is not within 0 to 59"),
        ("*/0 * * * *", "minute: a step is a number from 1, not `0`"),
        ("*/x * * * *", "minute: a step is a number from 1, not `x`"),
        ("5/15 * * * *", "minute: `5/15` has a step and no range: `5-59/15`"),
        ("* 22-2 * * *", "hour: the range `22-2` runs backwards"),
        ("1,,2 * * * *", "minute: `` is not a value"),
        ("*-5 * * * *", "minute: `*-5` is not a value"),
        ("-5 * * * *", "minute: `-5` is not a value"),
        ("0 0 L * *", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("0 0 ? * 1", "are Quartz's"),
        ("* * * *", "not 4"),
        ("", "not 0"),
        ("* * * * * *", "not 6 (cron knows no seconds: `every: 30s` does)"),
        ("@reboot", "there is no `@reboot`"),
        ("@dayly", "did you mean `@daily`?"),
        ("0 0 30 2 *", "`0 0 30 2 *` never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
    ],
)
def test_a_cron_that_is_wrong_says_where_and_why(text, message):
    assert message in refused(text)


# ── the meaning ─────────────────────────────────────────────────────────────────────────


def test_either_day_will_do_when_both_are_restricted():
    days = after("0 0 13 * fri", "2030-09-01T00:00:00Z", count=5)
    assert [day[:10] for day in days] == [
        "2030-09-06",
        "2030-09-13",
        "2030-09-20",
        "2030-09-27",
        "2030-10-04",
    ]


def test_both_days_must_fit_when_one_begins_with_a_star():
    assert after("0 0 */31 * fri", "2030-01-01T00:00:00Z") == ["2030-02-01T00:00:00Z"]


def test_a_day_that_never_comes_leaves_the_weekday_beside_it():
    assert after("0 0 30 2 mon", "2030-01-01T00:00:00Z") == ["2030-02-04T00:00:00Z"]


def test_a_leap_day_is_waited_for():
    assert after("0 0 29 2 *", "2096-03-01T00:00:00Z") == ["2104-02-29T00:00:00Z"]


def test_a_fixed_time_that_spring_leaves_out_runs_shifted():
    days = after("30 2 * * *", "2030-03-30T00:00:00Z", "Europe/Berlin", 3)
    assert days == ["2030-03-30T01:30:00Z", "2030-03-31T01:30:00Z", "2030-04-01T00:30:00Z"]


def test_a_shifted_time_that_meets_another_runs_once():
    found = after("30 2,3 * * *", "2030-03-31T00:00:00Z", "Europe/Berlin", 2)
    assert found == ["2030-03-31T01:30:00Z", "2030-04-01T00:30:00Z"]


def test_a_shifted_time_may_come_after_a_later_one():
    found = after("45 2 * * *", "2030-03-31T01:30:00Z", "Europe/Berlin")
    assert found == ["2030-03-31T01:45:00Z"]
    found = after("15,45 2,3 * * *", "2030-03-31T01:00:00Z", "Europe/Berlin", 2)
    assert found == ["2030-03-31T01:15:00Z", "2030-03-31T01:45:00Z"]


def test_a_fixed_time_that_autumn_has_twice_runs_at_the_first():
    found = after("30 2 * * *", "2030-10-26T12:00:00Z", "Europe/Berlin", 2)
    assert found == ["2030-10-27T00:30:00Z", "2030-10-28T01:30:00Z"]


def test_hours_with_a_star_count_by_elapsed_time():
    autumn = after("30 * * * *", "2030-10-27T00:00:00Z", "Europe/Berlin", 3)
    assert autumn == ["2030-10-27T00:30:00Z", "2030-10-27T01:30:00Z", "2030-10-27T02:30:00Z"]
    spring = after("30 * * * *", "2030-03-31T00:00:00Z", "Europe/Berlin", 2)
    assert spring == ["2030-03-31T00:30:00Z", "2030-03-31T01:30:00Z"]


def test_a_clock_that_changes_by_half_an_hour_is_followed():
    found = after("45 1 * * *", "2030-04-06T00:00:00Z", "Australia/Lord_Howe", 2)
    assert found == ["2030-04-06T14:45:00Z", "2030-04-07T15:15:00Z"]
    found = after("15 2 * * *", "2030-10-05T00:00:00Z", "Australia/Lord_Howe", 2)
    assert found == ["2030-10-05T15:45:00Z", "2030-10-06T15:15:00Z"]


def test_half_an_hour_left_out_puts_earlier_times_after_later_ones():
    found = after("20,35 2 * * *", "2030-10-05T15:00:00Z", "Australia/Lord_Howe", 3)
    assert found == ["2030-10-05T15:35:00Z", "2030-10-05T15:50:00Z", "2030-10-06T15:20:00Z"]
    found = after("20,35 * * * *", "2030-10-05T15:10:00Z", "Australia/Lord_Howe", 2)
    assert found == ["2030-10-05T15:35:00Z", "2030-10-05T16:20:00Z"]


def test_the_first_of_two_equal_hours_is_walked_to_its_end_before_the_second():
    found = after("*/20 * * * *", "2030-10-27T00:10:00Z", "Europe/Berlin", 4)
    assert found == [
        "2030-10-27T00:20:00Z",
        "2030-10-27T00:40:00Z",
        "2030-10-27T01:00:00Z",
        "2030-10-27T01:20:00Z",
    ]


def test_a_day_that_was_left_out_runs_shifted():
    # Samoa went from the 29th of December 2011 straight to the 31st.
    found = after("0 12 30 12 *", "2011-12-01T00:00:00Z", "Pacific/Apia")
    assert found == ["2011-12-30T22:00:00Z"]


def test_nothing_comes_after_the_end_of_the_calendar():
    assert cron("0 0 1 1 *").next_after(parse_rfc3339("8999-12-31T00:00:00Z")) is None
