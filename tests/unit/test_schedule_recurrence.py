"""Recurrence rules against a model that walks day by day and knows nothing of dateutil."""

import time
from datetime import date, datetime, timedelta
from datetime import time as clock
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from base.errors import ConfigurationError
from base.time import SECOND, parse_rfc3339, to_rfc3339
from triggers.local_time import to_instant
from triggers.recurrence import Recurrence

DAY = 86_400 * SECOND
NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
ANCHORS = [
    datetime.fromisoformat(text)
    for text in ("2024-01-31T12:30", "2024-02-29T12:30", "2023-11-05T12:30")
]
EARLY = clock(3, 30)
"""A time of day before that of the anchors."""


def recurrence(text, start=None, timezone="UTC"):
    begin = parse_rfc3339(start) if start else None
    return Recurrence.parse(text, timezone, begin, "trigger.rrule")


def after(text, instant, count=1, **how):
    rule = recurrence(text, **how)
    at = parse_rfc3339(instant)
    rule, found = rule.since(at), []
    while len(found) < count and (at := rule.next_after(at)) is not None:
        found.append(to_rfc3339(at))
    return found


def refused(text, start=None):
    with pytest.raises(ConfigurationError) as caught:
        recurrence(text, start)
    assert caught.value.place == "trigger.rrule"
    return str(caught.value)


# ── the model ───────────────────────────────────────────────────────────────────────────


def period(frequency, day, week_start):
    """Which day, week, month or year it is, counted from some beginning."""
    match frequency:
        case "DAILY":
            return day.toordinal()
        case "WEEKLY":
            return (day.toordinal() - 1 - week_start) // 7
        case "MONTHLY":
            return day.year * 12 + day.month
        case _:
            return day.year


def times_of(rule, anchored, begin, end):
    """All times of the rule from one day to another, by definition."""
    frequency, interval, months, month_days, weekdays, week_start, at = rule
    anchor, at = anchored.date(), at or anchored.time()
    if not month_days and not weekdays:
        if frequency == "WEEKLY":
            weekdays = {anchor.weekday()}
        elif frequency in {"MONTHLY", "YEARLY"}:
            month_days = {anchor.day}
        if frequency == "YEARLY":
            months = months or {anchor.month}
    for number in range(max(begin, anchor).toordinal(), end.toordinal()):
        day = date.fromordinal(number)
        last = ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
        periods = period(frequency, day, week_start) - period(frequency, anchor, week_start)
        if (
            periods % interval == 0
            and (not months or day.month in months)
            and (not month_days or day.day in month_days or day.day - last - 1 in month_days)
            and (not weekdays or day.weekday() in weekdays)
            and datetime.combine(day, at) >= anchored
        ):
            yield datetime.combine(day, at)


@st.composite
def rules(draw):
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    interval = draw(st.integers(1, 5))
    months = draw(st.sets(st.integers(1, 12), max_size=3))
    days = st.integers(1, 28) | st.integers(-28, -1)
    month_days = draw(st.sets(days, max_size=3)) if frequency != "WEEKLY" else set()
    weekdays = draw(st.sets(st.integers(0, 6), max_size=3))
    week_start = draw(st.sampled_from([0, 6, 2])) if frequency == "WEEKLY" else 0
    at = draw(st.sampled_from([None, EARLY]))
    text = f"FREQ={frequency};INTERVAL={interval};WKST={NAMES[week_start]}"
    text += ";BYHOUR=3" if at else ""
    for name, values in (
        ("BYMONTH", months),
        ("BYMONTHDAY", month_days),
        ("BYDAY", [NAMES[day] for day in weekdays]),
    ):
        if values:
            text += f";{name}={','.join(map(str, values))}"
    return text, (frequency, interval, months, month_days, weekdays, week_start, at)


@settings(max_examples=200, deadline=None)
@given(
    rules(),
    st.sampled_from(ANCHORS),
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.integers(-30, 12_000),
)
def test_a_rule_is_what_a_walk_day_by_day_finds(rule, anchor, timezone, ahead):
    text, meaning = rule
    zone = ZoneInfo(timezone)
    begin = anchor.date() + timedelta(days=ahead)
    times = islice(times_of(meaning, anchor, begin, begin + timedelta(days=3_000)), 5)
    expected = [to_instant(wall, zone) for wall in times]
    start = to_instant(anchor, zone)
    try:
        schedule = Recurrence.parse(text, timezone, start, "rrule")
    except ConfigurationError:
        assert expected == []
        return
    instant, found = to_instant(datetime.combine(begin, clock.min), zone), []
    for _ in expected:
        instant = schedule.next_after(instant)
        found.append(instant)
    assert found == expected
    assert all(before < later for before, later in pairwise(found))


@settings(max_examples=60, deadline=None)
@given(rules(), st.sampled_from(ANCHORS), st.integers(1, 40))
def test_a_count_ends_it_after_so_many(rule, anchor, count):
    text, meaning = rule
    start = to_instant(anchor, ZoneInfo("UTC"))
    times = times_of(meaning, anchor, anchor.date(), anchor.date() + timedelta(days=10_000))
    assume(len(list(islice(times, count))) == count)
    schedule = Recurrence.parse(f"{text};COUNT={count}", "UTC", start, "rrule")
    instant, found = start - 1, 0
    while (instant := schedule.next_after(instant)) is not None:
        found += 1
    assert found == count


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["HOURLY", "MINUTELY"]), st.integers(1, 100), st.integers(0, 10**9))
def test_hours_and_minutes_alone_are_a_beat_of_elapsed_time(frequency, interval, ahead):
    span = interval * (3_600 if frequency == "HOURLY" else 60) * SECOND
    start = to_instant(ANCHORS[0], ZoneInfo("UTC"))
    text = f"FREQ={frequency};INTERVAL={interval}"
    schedule = Recurrence.parse(text, "Europe/Berlin", start, "rrule")
    instant = start + ahead * SECOND
    found = schedule.next_after(instant)
    assert (found - start) % span == 0
    assert found - span <= instant < found


# ── the text ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FREQ=SECONDLY", "`every: 30s` has seconds"),
        ("FREQ=FOO", "FREQ: `FOO` is not one of YEARLY, MONTHLY"),
        ("INTERVAL=2", "FREQ is missing"),
        ("every day", "`EVERY DAY` is not NAME=VALUE"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ stands twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL: 0 is not within 1 to 10,000"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL: -1 is not within 1 to 10,000"),
        ("FREQ=DAILY;COUNT=99999", "COUNT: 99999 is not within 1 to 10,000"),
        ("FREQ=DAILY;COUNT=x", "COUNT: `X` is not a whole number"),
        ("FREQ=DAILY;COUNT=5;UNTIL=20300101", "by COUNT or by UNTIL"),
        ("FREQ=DAILY;BYHOURS=1", "there is no BYHOURS: did you mean `BYHOUR`?"),
        ("FREQ=DAILY;BYHOUR=25", "BYHOUR: 25 is not within 0 to 23"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY: 0 is not within 1 to 31 or -1 to -31"),
        ("FREQ=MONTHLY;BYDAY=MI", "BYDAY: `MI` is not a day such as MO, 1MO or -1FR"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY: 6 is not within 1 to 5 or -1 to -5"),
        ("FREQ=WEEKLY;BYDAY=1MO", "the number in `1MO` does not go with FREQ=WEEKLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=DAILY;BYSETPOS=1;BYHOUR=1", "BYSETPOS does not go with FREQ=DAILY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS picks from a set"),
        ("FREQ=WEEKLY;WKST=XX", "WKST: `XX` is not one of MO"),
        ("FREQ=DAILY;UNTIL=2030", "UNTIL: `2030` is not a time"),
        ("FREQ=DAILY;UNTIL=20300230", "UNTIL: `20300230` is not a time that exists"),
        ("DTSTART:20300101T000000\nRRULE:FREQ=DAILY", "`start:` says from when it counts"),
    ],
)
def test_a_rule_that_is_wrong_says_where_and_why(text, message):
    assert message in refused(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", None),
        ("FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30,31", None),
        ("FREQ=DAILY;COUNT=3;BYMONTH=4,6;BYMONTHDAY=31", None),
        ("FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1", None),
        ("FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2", None),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=20", None),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "2030-01-01T00:00:00Z"),
        ("FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "2030-01-01T00:00:00Z"),
        ("FREQ=HOURLY;INTERVAL=2;BYHOUR=9", "2030-01-01T00:00:00Z"),
        ("FREQ=MINUTELY;INTERVAL=1440;BYHOUR=5", "2030-01-01T00:00:00Z"),
    ],
)
def test_a_rule_that_never_comes_is_refused_in_time(text, start):
    begin = time.process_time()
    assert "it never comes" in refused(text, start)
    assert time.process_time() - begin < 2


def test_hours_count_from_midnight_unless_a_start_says_otherwise():
    assert "it never comes" in refused("FREQ=HOURLY;INTERVAL=2;BYHOUR=9")
    found = after(
        "FREQ=HOURLY;INTERVAL=2;BYHOUR=9", "2030-01-01T11:30:00Z", start="2030-01-01T01:00:00Z"
    )
    assert found == ["2030-01-02T09:00:00Z"]


def test_two_spellings_of_one_rule_are_the_same():
    one = recurrence("RRULE:freq=weekly;byday=WE,MO;interval=1;")
    other = recurrence("BYDAY=MO,WE,MO;WKST=MO;FREQ=WEEKLY")
    assert one.normalised() == other.normalised()
    assert one.normalised() != recurrence("FREQ=WEEKLY;BYDAY=MO").normalised()


def test_when_it_was_enabled_is_no_part_of_the_meaning():
    rule = recurrence("FREQ=DAILY")
    assert rule.since(5 * DAY).normalised() == rule.normalised()


# ── the meaning ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("FREQ=MONTHLY;BYDAY=-1FR", ["2030-01-25", "2030-02-22", "2030-03-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", ["2030-01-31", "2030-02-28", "2030-03-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", ["2030-01-31", "2030-03-31", "2030-05-31"]),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", ["2030-09-13", "2030-12-13", "2031-06-13"]),
        ("FREQ=MONTHLY;BYDAY=TU,1FR", ["2030-01-01", "2030-01-04", "2030-01-08"]),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            ["2030-01-31", "2030-02-28", "2030-03-29"],
        ),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", ["2030-05-13", "2031-05-12", "2032-05-10"]),
        ("FREQ=YEARLY;BYDAY=20MO", ["2030-05-20", "2031-05-19", "2032-05-17"]),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", ["2030-11-28", "2031-11-27", "2032-11-25"]),
        ("FREQ=YEARLY;BYYEARDAY=366", ["2032-12-31", "2036-12-31", "2040-12-31"]),
        ("FREQ=YEARLY", ["2030-01-01", "2031-01-01", "2032-01-01"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU", ["2030-01-01", "2030-01-06", "2030-01-15"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", ["2030-01-01", "2030-01-13", "2030-01-15"]),
    ],
)
def test_the_calendars_rules_are_kept(text, days):
    found = after(f"{text};BYHOUR=12", "2029-12-31T00:00:00Z", 3, start="2030-01-01T00:00:00Z")
    assert [at[:10] for at in found] == days


def test_a_rule_counts_from_when_it_was_enabled():
    found = after("FREQ=DAILY;COUNT=2;BYHOUR=9,15", "2030-01-01T10:00:00.5Z", 3)
    assert found == ["2030-01-01T15:00:00Z", "2030-01-02T09:00:00Z"]
    assert len(after("FREQ=DAILY;COUNT=2", "2030-01-01T10:00:00Z", 3)) == 2


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("FREQ=DAILY", ["2030-01-02T00:00:00Z", "2030-01-03T00:00:00Z"]),
        ("FREQ=DAILY;BYHOUR=9", ["2030-01-02T09:00:00Z", "2030-01-03T09:00:00Z"]),
        ("FREQ=DAILY;BYHOUR=15", ["2030-01-01T15:00:00Z", "2030-01-02T15:00:00Z"]),
        ("FREQ=DAILY;BYMINUTE=30", ["2030-01-02T00:30:00Z", "2030-01-03T00:30:00Z"]),
        ("FREQ=DAILY;BYHOUR=9;BYSECOND=5", ["2030-01-02T09:00:05Z", "2030-01-03T09:00:05Z"]),
        ("FREQ=WEEKLY;BYDAY=FR", ["2030-01-04T00:00:00Z", "2030-01-11T00:00:00Z"]),
        ("FREQ=WEEKLY", ["2030-01-08T00:00:00Z", "2030-01-15T00:00:00Z"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", ["2030-01-31T00:00:00Z", "2030-02-28T00:00:00Z"]),
        ("FREQ=DAILY;INTERVAL=2", ["2030-01-03T00:00:00Z", "2030-01-05T00:00:00Z"]),
        ("FREQ=DAILY;INTERVAL=2;COUNT=1", ["2030-01-03T00:00:00Z"]),
        ("FREQ=HOURLY", ["2030-01-01T11:00:00Z", "2030-01-01T12:00:00Z"]),
        ("FREQ=HOURLY;INTERVAL=4", ["2030-01-01T12:00:00Z", "2030-01-01T16:00:00Z"]),
        ("FREQ=HOURLY;INTERVAL=4;COUNT=1", ["2030-01-01T12:00:00Z"]),
        ("FREQ=HOURLY;BYMINUTE=15", ["2030-01-01T11:15:00Z", "2030-01-01T12:15:00Z"]),
        ("FREQ=MINUTELY;INTERVAL=25", ["2030-01-01T10:50:00Z", "2030-01-01T11:15:00Z"]),
        ("FREQ=MINUTELY;COUNT=2", ["2030-01-01T10:43:00Z", "2030-01-01T10:44:00Z"]),
    ],
)
def test_without_a_start_what_is_left_open_of_the_time_of_day_is_zero(text, times):
    """2030-01-01 is a Tuesday."""
    assert after(text, "2030-01-01T10:42:17.25Z", len(times)) == times
    assert after(text, "2030-01-01T10:42:17.25Z", 3)[: len(times)] == times


def test_the_day_from_which_it_counts_is_that_of_the_timezone():
    found = after("FREQ=DAILY;BYHOUR=9", "2030-01-01T20:00:00Z", 2, timezone="Asia/Kolkata")
    assert found == ["2030-01-02T03:30:00Z", "2030-01-03T03:30:00Z"]
    found = after("FREQ=HOURLY;INTERVAL=6", "2030-01-01T20:00:00Z", 2, timezone="Asia/Kolkata")
    assert found == ["2030-01-02T00:30:00Z", "2030-01-02T06:30:00Z"]


def test_a_time_that_was_just_reached_is_not_taken_again():
    assert after("FREQ=HOURLY", "2030-01-01T11:00:00Z") == ["2030-01-01T12:00:00Z"]
    assert after("FREQ=DAILY;COUNT=1", "2030-01-01T00:00:00Z") == ["2030-01-02T00:00:00Z"]


def test_with_a_start_the_rest_comes_from_it_as_the_standard_says():
    found = after("FREQ=DAILY", "2030-01-02T00:00:00Z", 1, start="2030-01-01T10:42:17Z")
    assert found == ["2030-01-02T10:42:17Z"]


def test_without_a_beginning_there_is_no_next_time():
    with pytest.raises(ValueError, match="ask `since` first"):
        recurrence("FREQ=DAILY").next_after(0)


def test_a_rule_with_a_start_does_not_care_when_it_was_enabled():
    rule = recurrence("FREQ=DAILY", "2030-01-01T00:00:00Z")
    assert rule.since(5) == rule


def test_until_is_inclusive_and_a_day_lasts_to_its_end():
    rule = "FREQ=DAILY;BYHOUR=12;BYMINUTE=0;BYSECOND=0"
    noon = "2030-01-01T13:00:00Z"
    assert len(after(f"{rule};UNTIL=20300103", noon, 9)) == 2
    assert len(after(f"{rule};UNTIL=20300103T120000Z", noon, 9)) == 2
    assert len(after(f"{rule};UNTIL=20300103T115959Z", noon, 9)) == 1
    berlin = after(f"{rule};UNTIL=20300103T120000", noon, 9, timezone="Europe/Berlin")
    assert berlin == ["2030-01-02T11:00:00Z", "2030-01-03T11:00:00Z"]


def test_named_hours_stay_on_the_wall_when_the_clocks_change():
    rule = "FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0"
    spring = after(rule, "2030-03-30T12:00:00Z", 2, timezone="Europe/Berlin")
    assert spring == ["2030-03-31T01:30:00Z", "2030-04-01T00:30:00Z"]
    autumn = after(rule, "2030-10-26T12:00:00Z", 2, timezone="Europe/Berlin")
    assert autumn == ["2030-10-27T00:30:00Z", "2030-10-28T01:30:00Z"]


def test_hours_of_some_days_count_by_elapsed_time():
    rule = "FREQ=HOURLY;BYDAY=SU;BYMINUTE=30;BYSECOND=0"
    autumn = after(rule, "2030-10-27T00:00:00Z", 3, timezone="Europe/Berlin")
    assert autumn == ["2030-10-27T00:30:00Z", "2030-10-27T01:30:00Z", "2030-10-27T02:30:00Z"]


def test_of_an_hour_that_comes_twice_a_count_takes_the_first():
    rule = "FREQ=HOURLY;BYMINUTE=30;BYSECOND=0;COUNT=4"
    autumn = after(rule, "2030-10-26T23:00:00Z", 9, timezone="Europe/Berlin")
    assert [at[11:16] for at in autumn] == ["23:30", "00:30", "02:30", "03:30"]


def test_a_rule_that_began_on_a_leap_day_goes_on_in_other_years():
    rule = "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1"
    found = after(rule, "2031-01-01T00:00:00Z", start="2024-02-29T00:00:00Z")
    assert found == ["2031-03-01T00:00:00Z"]


def test_of_a_later_month_nothing_is_cut_off():
    rule = "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=3"
    found = after(rule, "2030-06-01T00:00:00Z", start="2024-01-31T12:30:00Z")
    assert found == ["2030-06-01T03:30:00Z"]


def test_a_rule_that_began_long_ago_is_as_quick_as_a_new_one():
    rule = recurrence("FREQ=MINUTELY;BYSECOND=0", "1950-01-01T00:00:00Z")
    begin = time.process_time()
    assert rule.next_after(parse_rfc3339("2030-01-01T00:00:30Z")) == parse_rfc3339(
        "2030-01-01T00:01:00Z"
    )
    assert time.process_time() - begin < 1
