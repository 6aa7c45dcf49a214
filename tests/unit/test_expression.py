from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from base.errors import ConfigurationError
from base.time import parse_rfc3339
from events.event import Event
from events.expression import (
    ACTION,
    WHERE,
    Activation,
    EvaluationError,
    Expression,
    Failure,
    Scope,
)
from events.expression_result import to_json

EVENT = Event(
    id="e1",
    source="/s",
    type="order.created",
    time=parse_rfc3339("2030-01-01T00:00:00.25Z"),
    received=0,
    attributes={"tenant": "acme"},
    data={
        "total": 5,
        "ratio": 1.5,
        "items": [{"sku": "X-1"}],
        "none": None,
        "text": "abc",
        "yes": True,
    },
)
SEEN = Activation.of(event=EVENT)


def holds(source):
    return Expression.condition(source, scope=WHERE).holds(SEEN)


def value(source, scope=WHERE, activation=SEEN):
    return Expression.compile(source, scope=scope, place="with.x").evaluate(activation)


def refused(source, scope=WHERE):
    with pytest.raises(ConfigurationError) as caught:
        Expression.condition(source, scope=scope, place="trigger.where")
    return caught.value


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("event.data.total > 3", True),
        ("event.data.total > 4.5", True),
        ("event.data.total > 5", False),
        ('event.data.items.exists(i, i.sku.startsWith("X-"))', True),
        ("event.?data.?missing.orValue(1) == 1", True),
        ("has(event.data.missing)", False),
        ("has(event.subject)", False),
        ('event.tenant == "acme"', True),
        ('event.time < timestamp("2030-01-01T00:00:01Z")', True),
        ("event.time.getFullYear() == 2030", True),
        ("math.greatest(1, event.data.total) == 5", True),
        ("event.data.text.upperAscii() == 'ABC'", True),
        ("base64.encode(b'a') == 'YQ=='", True),
        ("event.data.missing == 1 || true", True),
        ("event.data.yes", True),
        (True, True),
    ],
)
def test_a_condition_holds_or_not(source, answer):
    assert holds(source) is answer


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("event.data.missing == 1", "field_missing", "there is no field `event.data.missing`"),
        ("event.subject == 'a'", "field_missing", "there is no field `event.subject`"),
        ("event.data.items[3].sku == 'a'", "field_missing", "no item 3 in a list of 1"),
        ("event.data.none.x == 1", "field_missing", "what is not a map"),
        ("optional.none().value() == 1", "field_missing", "optional value is missing"),
        ("event.data.total / 0 == 1", "division_by_zero", "division by zero"),
        ("event.data.total % 0 == 1", "division_by_zero", "division by zero"),
        (
            "event.data.total * 1.19 > 1.0",
            "type_error",
            "`*` cannot take an integer and a fraction",
        ),
        ("event.data.text.size() > 1 && event.data.text", "type_error", "must be true or false"),
        ("event.data.total", "type_error", "an integer, and must be true or false"),
        ("event.data.text", "type_error", "text, and must be true or false"),
        ("!event.data.total", "type_error", "`!` cannot take"),
        ("event.data.total.size() == 1", "type_error", "cannot be asked of an integer"),
        ("event.data.items['a'] == 1", "type_error", "indexed by whole numbers"),
        ("int(event.data.text) == 1", "evaluation_error", "cannot convert"),
        ("event.data.total + 9223372036854775807 > 0", "evaluation_error", "overflow"),
        ("{'a': 1, 'a': event.data.total} == {}", "evaluation_error", "duplicate key"),
    ],
)
def test_what_goes_wrong_is_no_match_with_the_reason_kept(source, code, message):
    failure = holds(source)
    assert isinstance(failure, Failure)
    assert failure.code == code
    assert message in failure.message


def test_steps_are_bounded():
    ten = "[0,1,2,3,4,5,6,7,8,9]"
    source = "true"
    for name in "abcde":
        source = f"{ten}.all({name}, {source})"
    failure = holds(source)
    assert isinstance(failure, Failure)
    assert failure.code == "budget_exceeded"


@pytest.mark.parametrize(
    ("source", "caret", "message", "hint"),
    [
        ("evnt.data.x == 1", "^", "there is no `evnt` here", "did you mean `event`?"),
        ("vars.x == 1", "^", "there is no `vars` here", "there is event"),
        (
            "1 == 1 && sise([]) == 0",
            "          ^",
            "no function `sise`",
            "did you mean `size`?",
        ),
        ("event.time > 5", "           ^", "`>` cannot take a time and an integer", None),
        ("1 + 1.5 > 2.0", "  ^", "`+` cannot take an integer and a fraction", "double("),
        ("event.data.x >", "              ^", "the expression ends too early", None),
        ("event.data.x = 1", "             ^", "`=` does not compare", "write =="),
        ("event.type == 'a", "              ^", "a text is not closed", None),
        ("event.type == 'a' 'b'", "                  ^", "is not expected here", None),
        ("event.type # 'a'", "           ^", "`#` is not CEL", None),
        (
            "event.tpye == 'a'",
            "      ^",
            "no event has an attribute `tpye`",
            "did you mean `type`?",
        ),
        ("event.dta.x == 1", "      ^", "no event has an attribute `dta`", "did you mean `data`?"),
        ("event.Data == 1", "      ^", "no event has an attribute `Data`", "did you mean `data`?"),
        ("event.orderId == 1", "      ^", "attribute `orderId`", "`event.data.orderId`?"),
        ("event.corelationid == '1'", "      ^", "`corelationid`", "`correlationid`?"),
        ("event.?sourc.hasValue()", "       ^", "`sourc`", "`source`?"),
    ],
)
def test_mistakes_are_found_when_the_rule_loads_with_a_caret_below(source, caret, message, hint):
    error = refused(source)
    assert error.place == "trigger.where"
    text, row, marker = error.message.split("\n")
    assert message in text
    assert row.strip() == source
    assert marker == f"  {caret}"
    assert (hint or "") in (error.hint or "")


def test_the_caret_is_below_the_line_at_fault():
    error = refused("event.data.a == 1 &&\n  evnt.b == 2")
    assert error.message.split("\n")[1:] == ["    evnt.b == 2", "    ^"]


def test_text_that_looks_like_an_attribute_is_left_alone():
    assert holds("event.data.text != 'event.tpye' // event.tpye") is True
    assert isinstance(holds("event['tpye'] == 'a'"), Failure)
    assert isinstance(holds("event.data.event.tpye == 'a'"), Failure)


def test_an_extension_attribute_may_be_any_lower_case_name():
    for name in ("tenant", "tier", "team", "name", "env", "x2"):
        Expression.condition(f"event.{name} == 'a'", scope=WHERE)


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("'a'", "text"),
        ("1 + 1", "an integer"),
        ("event.?data", "an optional value"),
        ("event.time", "a time"),
    ],
)
def test_a_condition_must_be_able_to_be_true_or_false(source, what):
    assert f"is {what}" in refused(source).message


def test_an_empty_or_overlong_expression_is_refused():
    assert "empty" in refused("  ").message
    assert "at most 8,192" in refused("1 == 1 || " * 1000 + "true").message
    assert "as text" in refused(5).message


def test_too_deep_an_expression_is_refused():
    assert "recursion" in refused("(" * 400 + "true" + ")" * 400).message


def test_an_expression_that_is_not_unicode_is_refused():
    assert refused("'\ud800' == 'a'").code == "expression_invalid"


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("event.data.total", 5),
        ("event.data.ratio", 1.5),
        ("event.data.none", None),
        ("event.data.yes", True),
        ("event.data.items", [{"sku": "X-1"}]),
        ("{'b': 1, 'a': event.time}", {"a": "2030-01-01T00:00:00.25Z", "b": 1}),
        ("event.time", "2030-01-01T00:00:00.25Z"),
        ("duration('90s')", "90s"),
        ("duration('-1.5s')", "-1.5s"),
        ("7u", 7),
        ("event.data.items.map(i, i.sku)", ["X-1"]),
        ("[?event.?data.?missing]", []),
    ],
)
def test_results_are_json(source, result):
    assert value(source) == result
    assert type(value(source)) is type(result)


@pytest.mark.parametrize(
    "source",
    [
        "b'abc'",
        "0.0 / 0.0",
        "1.0 / 0.0",
        "{1: 2}",
        "{true: 2}",
        "type(1)",
        "event.?data",
        "[event.?data]",
        "18446744073709551615u",
        "'\\u0000'",
        "[{'a': b'x'}]",
    ],
)
def test_a_result_that_is_not_json_is_an_error(source):
    with pytest.raises(EvaluationError) as caught:
        value(source)
    assert caught.value.code == "result_not_json"


def test_an_evaluation_error_names_the_field_it_stands_in():
    with pytest.raises(EvaluationError) as caught:
        value("event.data.missing")
    assert caught.value.code == "field_missing"
    assert caught.value.place == "with.x"


def test_actions_see_events_firing_and_now():
    now = datetime(2030, 1, 1, tzinfo=UTC)
    activation = Activation.of(
        event=EVENT,
        events=[EVENT, EVENT],
        firing={"id": "f", "time": now + timedelta(hours=1)},
        automation={"name": "a"},
        vars={"limit": 3},
        now=now,
    )
    assert value("firing.time - now == duration('1h')", ACTION, activation) is True
    assert value("firing", ACTION, activation) == {"id": "f", "time": "2030-01-01T01:00:00Z"}
    assert value("events.size() == 2 && events[0].id == 'e1'", ACTION, activation) is True
    assert value("timestamp(events[0].time) == event.time", ACTION, activation) is True
    assert value("vars.limit", ACTION, activation) == 3


def test_an_event_may_be_null_in_actions():
    activation = Activation.of(
        event=None,
        events=[],
        firing={},
        automation={},
        vars={},
        now=datetime(2030, 1, 1, tzinfo=UTC),
    )
    assert value("event == null", ACTION, activation) is True
    with pytest.raises(EvaluationError) as caught:
        value("event.time", ACTION, activation)
    assert caught.value.code == "field_missing"


def test_one_activation_serves_expressions_of_several_scopes():
    other = Scope(event="event", body="any")
    activation = Activation.of(event=EVENT, body={"a": 1})
    assert value("event.id", WHERE, activation) == "e1"
    assert value("event.id + string(body.a)", other, activation) == "e11"


def test_a_scope_without_events_does_not_check_attributes():
    scope = Scope(event="any")
    assert value("event.tpye", scope, Activation.of(event={"tpye": 1})) == 1


def test_data_that_is_not_json_is_an_error_and_never_true():
    activation = Activation.of(
        event={"id": "a", "data": {"when": datetime(2030, 1, 1, tzinfo=UTC)}}
    )
    for source in ("has(event.data.when)", "event['id'] == 'a'"):
        outcome = Expression.condition(source, scope=WHERE).holds(activation)
        assert isinstance(outcome, Failure)


@pytest.mark.parametrize(
    "source",
    [
        "event.data.total > 5 && event.type == 't'",
        "event.data.exists(name, name == 'note')",
        "event.exists(name, name == 'subject')",
        "event.data.exists // all of it\n (name, name == 'note')",
        "event.data['note'] == event.data.note",
        "'subject' in event && event.data.size() == 2",
        "events.all(event, event.data.note == 'n') && event.subject == 's'",
        "!has(event.data.other) && !has(event.dataschema)",
        "[1].map(n, event).all(one, one.id == 'i') && event.data.note == 'n'",
        "event.time < timestamp('2100-01-01T00:00:00Z')",
    ],
)
def test_an_expression_sees_all_that_it_asks_for(source: str):
    root = {"id": "i", "type": "t", "subject": "s", "data": {"total": 6, "note": "n"}}
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    activation = Activation.of(event={**root, "time": moment}, events=[root])
    expression = Expression.condition(source, scope=ACTION)
    assert expression.holds(activation) is True
    for other in ("event.id == 'i'", "event.subject == 's'", "event.type == 't'"):
        assert Expression.condition(other, scope=ACTION).holds(activation) is True
    assert expression.holds(activation) is True


@pytest.mark.parametrize(
    "value",
    [
        *("", "text", "a\0b", True, False, None, 0, -1, 2**62, -(2**63), 2**63, 2**64 - 1),
        *(0.0, -0.0, 5.0, 1.5, 1e308, [1], {"b": 1, "a": 2}, [], {}),
    ],
)
@pytest.mark.parametrize("path", ["event.data.x", "event.data.x.a", "event.data", "event.other"])
def test_a_field_is_given_as_cel_gives_it(path: str, value: Any):
    activation = Activation.of(event={"id": "i", "data": {"x": value}})

    def outcome(source: str) -> str:
        try:
            return repr(value_of(source, activation))
        except EvaluationError as error:
            return error.code

    assert outcome(path) == outcome(f"({path})")


def value_of(source: str, activation: Activation) -> Any:
    return Expression.compile(source, scope=ACTION).evaluate(activation)


def test_integers_in_64_bits_survive():
    assert to_json(2**63 - 1) == 2**63 - 1
    with pytest.raises(EvaluationError):
        to_json(2**63)


@pytest.mark.parametrize(
    "source",
    [
        "event.data.items.map(i, event.data.text)",
        "event.data.items.map(i, {'item': i, 'whole': event.data})",
        "event.data.items.filter(i, true).map(i, [event.data.text])",
    ],
)
def test_a_result_that_would_fill_the_memory_is_refused(source):
    activation = Activation.of(event={"data": {"items": list(range(5_000)), "text": "x" * 100_000}})
    with pytest.raises(EvaluationError) as caught:
        value(source, WHERE, activation)
    assert caught.value.code == "budget_exceeded"


def test_a_large_event_passes_through_as_it_is():
    data = {"items": list(range(5_000)), "text": "x" * 5_000_000}
    activation = Activation.of(event={"data": data})
    assert value("event.data", WHERE, activation) == data


def test_expressions_with_and_without_extensions_share_what_an_event_gives():
    activation = Activation.of(event={"id": "a", "data": {"name": "Ada"}})
    assert value("event.id", WHERE, activation) == "a"
    assert value("event.data.name.lowerAscii()", WHERE, activation) == "ada"
    assert value("event.data.?none.orValue(event.id)", WHERE, activation) == "a"
    assert value("event.data.name", WHERE, activation) == "Ada"
