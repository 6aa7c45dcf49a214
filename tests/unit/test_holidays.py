import pytest

from base.errors import ConfigurationError
from base.time import SECOND, parse_rfc3339, to_datetime
from events.expression import Activation, Failure
from triggers.holidays import check_calendar, clock_condition, is_holiday


def holiday(time, calendar, timezone="UTC"):
    return is_holiday(parse_rfc3339(time), calendar, timezone)


def holds(source, time="2030-03-08T12:00:00Z", timezone="UTC", **variables):
    now = to_datetime(parse_rfc3339(time))
    condition = clock_condition(source, timezone, "trigger.where")
    return condition.holds(Activation.of(now=now, vars=variables))


@pytest.mark.parametrize(
    ("day", "calendar", "answer"),
    [
        ("2030-10-03", "DE", True),
        ("2030-03-08", "DE", False),
        ("2030-03-08", "DE-BE", True),
        ("2030-03-08", "DE-BY", False),
        ("2030-07-04", "US", True),
        ("2030-03-31", "US-CA", True),
        ("2030-12-26", "GB-ENG", True),
        ("2030-12-27", "GB-ENG", False),
    ],
)
def test_a_day_is_a_holiday_of_a_country_or_of_a_part_of_it(day, calendar, answer):
    assert holiday(f"{day}T12:00:00Z", calendar) is answer


def test_the_day_is_that_of_the_timezone():
    eve = "2029-12-31T23:30:00Z"
    assert not holiday(eve, "DE")
    assert holiday(eve, "DE", "Europe/Berlin")
    assert holds("holiday(now, 'DE')", eve, "Europe/Berlin") is True
    assert holds("holiday(now, 'DE')", eve) is False


def test_a_where_may_skip_holidays():
    assert holds('!holiday(now, "DE-BE")') is False
    assert holds("!holiday(now, 'DE-BY')") is True
    assert holds("holiday(now, vars.calendar)", calendar="DE-BE") is True
    assert holds("holiday(now + duration('24h'), 'DE-BE')", "2030-03-07T12:00:00Z") is True


@pytest.mark.parametrize(
    ("calendar", "hint"),
    [
        ("de-be", "did you mean `DE-BE`?"),
        ("de", "did you mean `DE`?"),
        ("DE-BR", "did you mean `DE-BB`?"),
        ("DE-", "DE has Augsburg, BB, BE"),
        ("DE-Berlin", "DE has Augsburg, BB, BE"),
        ("Germany", "a country and perhaps a part of it, such as DE or DE-BE"),
        ("", "a country and perhaps a part of it, such as DE or DE-BE"),
        ("LU-X", "LU is one calendar"),
    ],
)
def test_an_unknown_calendar_is_refused_with_the_way_out(calendar, hint):
    with pytest.raises(ConfigurationError) as caught:
        check_calendar(calendar, "trigger.where")
    assert f'there is no holiday calendar "{calendar}"' in caught.value.message
    assert caught.value.place == "trigger.where"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "source",
    [
        "!holiday(now, 'DE-XX')",
        '!holiday(now, "DE-XX")',
        "true || holiday(now,'DE-XX')",
        "now.getHours('UTC') == 1 && holiday(now, 'DE') && holiday(now - duration('1h'), 'DE-XX')",
    ],
)
def test_a_calendar_that_a_rule_names_is_checked_when_the_rule_loads(source):
    with pytest.raises(ConfigurationError, match='no holiday calendar "DE-XX"'):
        clock_condition(source, "UTC", "trigger.where")


def test_a_text_that_is_no_calendar_is_not_taken_for_one():
    assert holds("holiday(now, vars.at) || 'x' in ['y', 'x']", at="DE-BE") is True
    assert holds("[holiday(now, vars.at), vars.f.replace('a', 'b') == 'b'][1]", at="DE", f="a")


def test_a_calendar_found_unknown_at_run_time_is_no_answer():
    failure = holds("!holiday(now, vars.calendar)", calendar="XX")
    assert isinstance(failure, Failure)
    assert failure.code == "evaluation_error"
    assert 'there is no holiday calendar "XX"' in failure.message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("holiday(now, 1)", "`holiday` cannot take a time and an integer"),
        ("holiday(now)", "`holiday`"),
        ("holidays(now, 'DE')", "there is no function `holidays` here"),
    ],
)
def test_a_wrong_call_is_refused_when_the_rule_loads(source, message):
    with pytest.raises(ConfigurationError) as caught:
        clock_condition(source, "UTC", "trigger.where")
    assert message in caught.value.message
    assert caught.value.place == "trigger.where"


def test_a_year_that_no_calendar_knows_has_no_holidays():
    assert is_holiday(parse_rfc3339("1900-01-01T00:00:00Z") + SECOND, "DE-BE", "UTC") is False
    assert is_holiday(parse_rfc3339("8999-06-01T00:00:00Z"), "US", "UTC") is False
