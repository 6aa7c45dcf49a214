from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.fields import Complaints
from base.time import SECOND, parse_rfc3339, to_datetime
from events.expression import Activation
from triggers.schedule import ON_TIME, Schedule

HOUR = 3_600 * SECOND
DAY = 24 * HOUR
NEW_YEAR = parse_rfc3339("2030-01-01T00:00:00Z")


def schedule(**form):
    complaints = Complaints("trigger_invalid")
    parsed = Schedule.parse(form, "trigger", complaints)
    assert complaints.found == []
    return parsed


def refused(**form):
    complaints = Complaints("trigger_invalid")
    assert Schedule.parse(form, "trigger", complaints) is None
    return [str(complaint) for complaint in complaints.found]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"cron": "61 * * * *"}, "trigger.cron: minute: 61 is not within 0 to 59"),
        ({"cron": 5}, 'trigger.cron: must be text, not 5 (quote it: "5")'),
        ({"rrule": "FREQ=SOMETIMES"}, "trigger.rrule: FREQ: `SOMETIMES` is not one of"),
        ({"every": 0}, "trigger.every: 0 is too short"),
        ({"every": "500ms"}, "trigger.every: 500ms is too short"),
        ({"every": "-5"}, "trigger.every: '-5' is not a duration"),
        ({"every": "9999999w"}, "trigger.every: 9999999w is too long"),
        ({"every": ["1m"]}, "trigger.every: must be a duration such as 10m, not a list"),
        ({"at": "soon"}, "trigger.at: 'soon' is not an RFC 3339 time"),
        ({"at": 2030}, "trigger.at: must be a time such as 2030-01-01T09:00, not 2030"),
        ({"at": "2030-02-30"}, "trigger.at: '2030-02-30' is not a time that exists"),
        ({"at": "9999-01-01"}, "trigger.at: a time is from the year 1900 to 8999"),
        ({"at": "0001-01-01"}, "trigger.at: a time is from the year 1900 to 8999"),
        ({"at": "2030-01-01", "start": "2030-01-01"}, "trigger.start: `start` does not go with"),
        ({"every": "1d", "start": "x"}, "trigger.start: 'x' is not an RFC 3339 time"),
        ({"every": "1d", "catch_up": "some"}, "trigger.catch_up: must be all, latest or none"),
        ({"every": "1d", "per": "x"}, "trigger.per: there is no field `per` here"),
        ({"every": "1d", "cron": "@daily"}, "a trigger has one clock, not `cron` and `every`"),
        ({"timezone": "UTC"}, "trigger: a clock is missing: one of cron, every, rrule, at"),
        ({"every": "1d", "where": "event.data"}, "trigger.where: there is no `event` here"),
        ({"every": "1d", "where": "1"}, "trigger.where: a condition must be true or false"),
        ({"every": "1d", "where": "holidy(now, 'DE')"}, "did you mean `holiday`?"),
    ],
)
def test_a_schedule_that_is_wrong_says_where_and_why(form, message):
    complaints = refused(**form)
    assert len(complaints) == 1
    assert message in complaints[0]


@pytest.mark.parametrize(
    ("timezone", "hint"),
    [
        ("Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("europe/berlin", "did you mean `Europe/Berlin`?"),
        ("Berlin", "did you mean `Europe/Berlin`?"),
        ("new_york", "did you mean `America/New_York`?"),
        ("../../etc/passwd", "names such as Europe/Berlin, or UTC"),
        ("localtime", "names such as Europe/Berlin, or UTC"),
    ],
)
def test_an_unknown_timezone_is_refused_with_the_way_out(timezone, hint):
    complaint = f'trigger.timezone: there is no timezone "{timezone}" ({hint})'
    assert refused(cron="@daily", timezone=timezone) == [complaint]


def test_every_mistake_is_told_at_once():
    complaints = refused(cron="61 * * * *", timezone="X/Y", start="x", catch_up=1, where="nix")
    assert [text.split(":")[0] for text in complaints] == [
        "trigger.timezone",
        "trigger.start",
        "trigger.catch_up",
        "trigger.where",
        "trigger.cron",
    ]


# ── every and at ────────────────────────────────────────────────────────────────────────


@given(
    st.integers(1, 10**7),
    st.integers(0, 4 * 10**9) | st.none(),
    st.integers(0, 4 * 10**15),
)
def test_every_beats_at_whole_spans_from_its_start_or_the_epoch(span, start, instant):
    begin = {} if start is None else {"start": to_datetime(start * SECOND).isoformat()}
    found = schedule(every=span, **begin).next_after(instant)
    origin = (start or 0) * SECOND
    assert (found - origin) % (span * SECOND) == 0
    assert found > instant
    if start is not None and instant < origin:
        assert found == origin
    else:
        assert found - span * SECOND <= instant


def test_a_day_is_24_hours_whatever_the_clocks_do():
    daily = schedule(every="1d", start="2030-03-30T09:00", timezone="Europe/Berlin")
    first = daily.next_after(0)
    assert first == parse_rfc3339("2030-03-30T08:00:00Z")
    assert daily.next_after(first) == parse_rfc3339("2030-03-31T08:00:00Z")


@given(st.integers(-2, 2))
def test_at_fires_once_and_never_when_it_has_passed(offset):
    once = schedule(at="2030-01-01T00:00:00Z")
    assert once.next_after(NEW_YEAR + offset) == (NEW_YEAR if offset < 0 else None)


def test_a_time_without_an_offset_is_on_the_wall_of_its_timezone():
    for text in ("2030-07-01T09:00", "2030-07-01 09:00:00", "2030-07-01T09:00:00+02:00"):
        once = schedule(at=text, timezone="Europe/Berlin")
        assert once.next_after(0) == parse_rfc3339("2030-07-01T07:00:00Z")
    midnight = schedule(at="2030-07-01", timezone="Europe/Berlin")
    assert midnight.next_after(0) == parse_rfc3339("2030-06-30T22:00:00Z")


def test_what_has_passed_is_warned_about():
    once = schedule(at="2030-01-01T00:00:00Z")
    assert once.warning(NEW_YEAR - 1) is None
    assert once.warning(NEW_YEAR) == "it never fires: 2030-01-01T00:00:00Z has passed"
    ended = schedule(rrule="FREQ=DAILY;UNTIL=20291231T000000Z")
    assert ended.warning(NEW_YEAR) == "it never fires: none of its times is still to come"
    assert ended.warning(NEW_YEAR - 2 * DAY) is None


# ── all kinds ───────────────────────────────────────────────────────────────────────────

FORMS = [
    {"cron": "*/7 2,3 * * *", "timezone": "Europe/Berlin"},
    {"cron": "5 * 1 * *", "timezone": "America/New_York"},
    {"every": "90s"},
    {"every": "36h", "start": "2030-03-01T00:00:00Z"},
    {"rrule": "FREQ=WEEKLY;BYDAY=MO,TU;BYHOUR=2;BYMINUTE=30", "timezone": "Europe/Berlin"},
    {"rrule": "FREQ=DAILY;COUNT=20", "start": "2030-03-20T02:30", "timezone": "Europe/Berlin"},
    {"at": "2030-03-31T02:30", "timezone": "Europe/Berlin"},
]
spans = st.integers(0, 20 * DAY) | st.integers(0, 3 * HOUR)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORMS), st.integers(0, 40 * DAY), spans)
def test_what_is_due_is_what_comes_between_and_the_latest_is_its_last(form, offset, span):
    clock = schedule(**form).since(NEW_YEAR)
    after = parse_rfc3339("2030-03-10T00:00:00Z") + offset
    until = after + span
    due = clock.due_between(after, until, "all", 100_000)
    assert all(after < at <= until for at in due)
    assert all(before < later for before, later in pairwise(due))
    assert all(clock.next_after(before) == later for before, later in pairwise(due))
    assert due[:1] == [at for at in [clock.next_after(after)] if at is not None and at <= until]
    assert clock.due_between(after, until, "latest", 100_000) == due[-1:]
    assert clock.due_between(after, until, "all", 3) == due[:3]
    on_time = [at for at in due[-1:] if until - at <= ON_TIME]
    assert clock.due_between(after, until, "none", 100_000) == on_time


@pytest.mark.parametrize("form", [{"every": "1s"}, {"cron": "* * * * *"}, {"cron": "@yearly"}])
def test_a_stop_of_years_is_caught_up_with_by_one_look(form):
    asked = 0

    class Counted(type(schedule(**form).clock)):
        def next_after(self, instant):
            nonlocal asked
            asked += 1
            return super().next_after(instant)

    clock = schedule(**form)
    fields = {name: getattr(clock.clock, name) for name in clock.clock.__slots__}
    counted = Schedule(Counted(**fields))
    until = NEW_YEAR + 3 * DAY
    [latest] = counted.due_between(NEW_YEAR - 3_650 * DAY, until, "latest", 10)
    assert latest <= until < clock.next_after(latest)
    assert asked < 200


def test_a_time_is_on_time_for_a_minute():
    clock = schedule(every="1h", catch_up="none")
    assert clock.due_between(NEW_YEAR - 1, NEW_YEAR + ON_TIME, "none", 10) == [NEW_YEAR]
    assert clock.due_between(NEW_YEAR - 1, NEW_YEAR + ON_TIME + 1, "none", 10) == []


def test_a_stop_is_made_up_for_by_its_latest_unless_told_otherwise():
    assert schedule(every="1d").catch_up == "latest"
    assert schedule(every="1d", catch_up="none").catch_up == "none"
    assert schedule(every="1d", catch_up="all").catch_up == "all"


@pytest.mark.parametrize("form", [{"cron": "@daily"}, {"every": "1d"}, {"rrule": "FREQ=DAILY"}])
def test_nothing_comes_before_the_start(form):
    clock = schedule(**form, start="2030-01-01").since(0)
    assert clock.next_after(0) == NEW_YEAR
    assert clock.next_after(NEW_YEAR) == NEW_YEAR + DAY


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_nothing_comes_at_the_end_of_time(form):
    clock = schedule(**form).since(NEW_YEAR)
    assert clock.next_after(2**62) is None
    assert clock.next_after(parse_rfc3339("8999-12-31T23:59:59Z")) is None
    clock.next_after(-(2**62))


def test_the_same_schedule_spelled_otherwise_is_the_same():
    same = [
        ({"every": "1h"}, {"every": "60m"}),
        ({"every": "1h"}, {"every": 3600, "timezone": "Europe/Berlin"}),
        ({"every": "1h"}, {"every": "1h", "catch_up": "all"}),
        ({"cron": "@daily"}, {"cron": "0 0 * * *", "timezone": "UTC"}),
        ({"at": "2030-01-01T00:00:00Z"}, {"at": "2030-01-01T01:00", "timezone": "Europe/Berlin"}),
        ({"every": "1d", "where": "true"}, {"every": "1d", "where": " true "}),
    ]
    for one, other in same:
        assert schedule(**one).normalised() == schedule(**other).normalised()


def test_another_schedule_is_another_trigger():
    forms = [
        {"every": "1h"},
        {"every": "2h"},
        {"every": "1h", "start": "2030-01-01"},
        {"every": "1h", "where": "false"},
        {"every": "1h", "where": "false", "timezone": "Europe/Berlin"},
        {"cron": "@daily"},
        {"cron": "@daily", "timezone": "Europe/Berlin"},
        {"at": "2030-01-01"},
        {"rrule": "FREQ=DAILY"},
    ]
    normal = [schedule(**form).normalised() for form in forms]
    assert all(one != other for n, one in enumerate(normal) for other in normal[:n])


def test_a_clocks_where_sees_the_time_and_the_settings():
    weekdays = schedule(every="1d", where="now.getDayOfWeek() == 2 && vars.on").where
    seen = {"now": to_datetime(NEW_YEAR), "vars": {"on": True}}
    assert weekdays.holds(Activation.of(**seen)) is True
    assert weekdays.holds(Activation.of(**seen | {"vars": {"on": False}})) is False
