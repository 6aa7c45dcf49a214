import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import ConfigurationError
from base.time import parse_rfc3339
from events.event import Event
from events.expression import WHERE, Activation, EvaluationError
from events.template import Template

EVENT = Event(
    id="e1",
    source="/s",
    type="order.created",
    time=parse_rfc3339("2030-01-01T00:00:00Z"),
    received=0,
    data={"n": 5, "f": 1.5, "t": "a b", "l": [1, {"z": 1, "a": "ü"}], "none": None, "yes": True},
)
SEEN = Activation.of(event=EVENT)


def render(value):
    return Template.compile(value, scope=WHERE, place="with").render(SEEN)


def refused(value):
    with pytest.raises(ConfigurationError) as caught:
        Template.compile(value, scope=WHERE, place="with")
    return caught.value


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${event.data.n}", 5),
        ("${ event.data.n }", 5),
        ("${event.data.f}", 1.5),
        ("${event.data.none}", None),
        ("${event.data.yes}", True),
        ("${event.data.l}", [1, {"a": "ü", "z": 1}]),
        ("${event.time}", "2030-01-01T00:00:00Z"),
    ],
)
def test_a_whole_expression_keeps_its_type(text, result):
    assert render(text) == result
    assert type(render(text)) is type(result)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("n is ${event.data.n}", "n is 5"),
        ("${event.data.t}!", "a b!"),
        ("${event.id}${event.id}", "e1e1"),
        (" ${event.data.n}", " 5"),
        ("<${event.data.l}>", '<[1,{"a":"ü","z":1}]>'),
        ("<${event.data.none}>", "<null>"),
        ("<${event.data.yes}>", "<true>"),
        ("at ${event.time}", "at 2030-01-01T00:00:00Z"),
        ("for ${duration('90s')}", "for 90s"),
    ],
)
def test_anything_around_it_makes_it_an_interpolation(text, result):
    assert render(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$${event.id}", "${event.id}"),
        ("a $${b} ${event.id}", "a ${b} e1"),
        ("$5 and {x}", "$5 and {x}"),
        ("$$5", "$$5"),
        ("$$${event.id}", "$${event.id}"),
        ("", ""),
    ],
)
def test_a_doubled_dollar_is_a_literal(text, result):
    assert render(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${ {'a': {'b': 1}}.a.b }", 1),
        ("${'}'}", "}"),
        ('${"{" + "}"}', "{}"),
        ("${'''}'''}", "}"),
        ("${'\\'}'}x", "'}x"),
        ("${ {'a': '}'} }", {"a": "}"}),
        ("${1 // }\n}", 1),
    ],
)
def test_braces_and_texts_inside_an_expression_are_its_own(text, result):
    assert render(text) == result


def test_keys_are_literal_and_values_are_rendered_at_any_depth():
    assert render({"${event.id}": ["${event.id}", {"x": "${event.data.n}"}], "b": 1}) == {
        "${event.id}": ["e1", {"x": 5}],
        "b": 1,
    }


def test_a_rendered_value_leaves_its_source_as_it_was():
    source = {"a": ["${event.id}"]}
    template = Template.compile(source, scope=WHERE)
    template.render(SEEN)["a"].append(1)
    assert template.source == {"a": ["${event.id}"]}
    assert template.render(SEEN) == {"a": ["e1"]}


def test_what_holds_no_expression_is_literal():
    assert Template.compile({"a": [1, "x"]}, scope=WHERE).is_literal
    assert not Template.compile({"a": [1, "${event.id}"]}, scope=WHERE).is_literal


def test_the_expressions_of_a_template_can_be_listed():
    template = Template.compile({"a": "${event.id}", "b": ["x${event.type}"]}, scope=WHERE)
    assert [(e.source, e.place) for e in template.expressions] == [
        ("event.id", "a"),
        ("event.type", "b[0]"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${event.id", "`${` is not closed"),
        ("${'}", "a text is not closed"),
        ("${}", "the expression is empty"),
        ("${evnt.id}", "there is no `evnt` here"),
        ("${event.?data.?x}", "may have no value"),
        ("${b'a'}", "is not JSON"),
        ("${type(1)}", "is not JSON"),
    ],
)
def test_mistakes_are_found_at_load_with_the_field_named(text, message):
    error = refused({"a": ["x", text]})
    assert message in error.message
    assert error.place == "with.a[1]"


def test_a_missing_field_names_the_field_that_wanted_it():
    with pytest.raises(EvaluationError) as caught:
        render({"a": {"b": "x ${event.data.missing}"}})
    assert caught.value.code == "field_missing"
    assert caught.value.place == "with.a.b"


@given(st.text(st.characters(codec="utf-8")))
def test_text_with_its_dollars_doubled_renders_as_itself(text):
    assert render(text.replace("${", "$${")) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
    )
)
def test_data_without_nul_passes_through_an_expression_unchanged(value):
    if "\\u0000" in json.dumps(value) or any("\ud800" <= c <= "\udfff" for c in str(value)):
        return
    activation = Activation.of(event={"data": value})
    assert Template.compile("${event.data}", scope=WHERE).render(activation) == value
