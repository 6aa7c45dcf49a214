import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base import yaml
from base.errors import ConfigurationError
from base.suggest import edits, hint, nearest


def refused(text):
    with pytest.raises(ConfigurationError) as caught:
        yaml.read(text, "rules.yaml")
    return caught.value


def value(text):
    (document,) = yaml.read(text, "rules.yaml")
    return document.value


def test_on_stays_a_string_as_key_and_as_value():
    assert value("on: push\nswitch: on\nyes: no") == {"on": "push", "switch": "on", "yes": "no"}


def test_clock_times_and_dates_stay_strings():
    assert value("[10:00, 2030-01-01, 2030-01-01T00:00:00Z, 1_000]") == [
        "10:00",
        "2030-01-01",
        "2030-01-01T00:00:00Z",
        "1_000",
    ]


def test_the_core_schema_of_yaml_1_2_is_read():
    assert value("[true, False, ~, null, 1, -2, 0x1f, 0o17, 1.5, 1e3, .5]") == [
        True,
        False,
        None,
        None,
        1,
        -2,
        31,
        15,
        1.5,
        1000.0,
        0.5,
    ]


def test_an_entry_without_a_value_is_null():
    assert value("a:") == {"a": None}


def test_quoted_scalars_and_blocks_are_text():
    assert value("a: '1'\nb: \"true\"\nc: |\n  2\n") == {"a": "1", "b": "true", "c": "2\n"}


def test_keys_are_text_whatever_they_look_like():
    assert value("404: a\ntrue: b\n1.5: c") == {"404": "a", "true": "b", "1.5": "c"}


def test_several_documents_are_read_and_empty_ones_left_out():
    documents = yaml.read("a: 1\n---\n# nothing\n---\nb: 2\n", "rules.yaml")
    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}]
    assert documents[1].place(("b",)) == "rules.yaml:5:4"


def test_a_byte_order_mark_and_windows_line_ends_are_fine():
    assert value("\ufeffa: 1\r\nb: 2\r\n".encode()) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: &x 1", "1:4", "anchors are not supported"),
        ("a: 1\nb: *x", "2:4", "aliases are not supported"),
        ("a: !!str 1", "1:4", "tags are not supported"),
        ("a: ! 1", "1:4", "tags are not supported"),
        ("<<: {a: 1}", "1:1", "merge keys are not supported"),
        ("a: 1\nb: 2\na: 3", "3:1", "the key `a` is already on line 1"),
        ("a: {b: 1, b: 2}", "1:11", "the key `b` is already on line 1"),
        ("a:\n\tb: 1", "2:1", "a tab cannot indent"),
        ("\ta: 1", "1:1", "a tab cannot indent"),
        ("? [a]\n: 1", "1:3", "a key must be text"),
        ("&x a: 1", "1:1", "anchors and tags"),
        ("*x : 1", "1:1", "aliases are not supported"),
        ("a: .inf", "1:4", "not a number that JSON has"),
        ("a: .nan", "1:4", "not a number that JSON has"),
        ("a: 1e999", "1:4", "too large for a number"),
        ("a: 9223372036854775808", "1:4", "does not fit in 64 bits"),
        ("a: 0xffffffffffffffffff", "1:4", "does not fit in 64 bits"),
        ("a: " + "9" * 5000, "1:4", "does not fit in 64 bits"),
        ('a: "x\\0"', "1:4", "NUL"),
        ('"\\0": 1', "1:1", "NUL"),
        ("a: x\x01", "1:5", "control character"),
        (b"a: 1\nb: \xff", "2:4", "not UTF-8"),
        ("a: @x", "1:4", "must be quoted"),
        ("a: b: c", "1:5", "mapping values are not allowed"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_with_line_and_column(text, place, message):
    error = refused(text)
    assert error.code == "yaml_invalid"
    assert error.place == f"rules.yaml:{place}"
    assert message in error.message


@pytest.mark.parametrize(
    "text", ["a: [1, 2", "{a: 1", "a: 'x", "a: 1\n  b: 2", "- a\nb", "%YAML 3.0\n---\n"]
)
def test_broken_syntax_has_a_line_and_a_column(text):
    error = refused(text)
    assert error.code == "yaml_invalid"
    assert error.place.startswith("rules.yaml:")
    assert all(part.isdigit() for part in error.place.split(":")[1:])


def test_half_a_surrogate_pair_is_refused():
    assert refused('a: "\\ud800"').place.startswith("rules.yaml:1:")


def test_nesting_is_bounded():
    assert "nested deeper than 64 levels" in refused("[" * 10_000).message


def test_a_file_over_a_mebibyte_is_too_large():
    error = refused("a: " + "x" * yaml.MAX_BYTES)
    assert error.code == "too_large"
    assert error.place == "rules.yaml:1:1"


def test_a_billion_laughs_end_at_the_first():
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30)]
    assert refused("\n".join(lines)).place == "rules.yaml:1:5"


def test_a_document_knows_where_keys_and_values_stand():
    (document,) = yaml.read("a:\n  - b: 1\n    c: {d: x}\n", "f.yaml")
    assert document.place(("a", 0, "c", "d")) == "f.yaml:3:12"
    assert document.place(("a", 0, "c", "d"), key=True) == "f.yaml:3:9"
    assert document.place(("a", 0)) == "f.yaml:2:5"


def test_a_path_that_is_not_there_is_placed_at_the_nearest_part_around_it():
    (document,) = yaml.read("a:\n  b: 1\n", "f.yaml")
    assert document.place(("a", "b", "c", 4)) == "f.yaml:2:6"
    assert document.place(("z",)) == "f.yaml:1:1"


def test_a_place_in_words_leads_back_to_its_path():
    (document,) = yaml.read("actions:\n- run: x\n  with: {a.b: {c: 1}}\n", "f.yaml")
    assert document.path("actions[0].with.a.b.c") == ("actions", 0, "with", "a.b", "c")
    assert document.path("actions[0].delay") == ("actions", 0)
    assert document.path("elsewhere") == ()


def test_the_items_of_a_list_keep_their_positions():
    (document,) = yaml.read("- name: a\n- name: b\n", "f.yaml")
    item = document.items()[1]
    assert item.value == {"name": "b"}
    assert item.place(("name",)) == "f.yaml:2:9"
    assert item.place(("name",), key=True) == "f.yaml:2:3"
    assert item.place(()) == "f.yaml:2:3"


# JSON escapes letters beyond the basic plane as two halves, which YAML does not join.
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0", max_codepoint=0xFFFF)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(codec="ascii", categories=["L"])), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_json_with_plain_escapes_reads_as_itself(json_value):
    documents = yaml.read(json.dumps({"v": json_value}).replace("\x7f", "\\u007f"), "f")
    assert documents[0].value == {"v": json_value}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_place(text):
    refusal = None
    try:
        yaml.read(text, "f")
    except ConfigurationError as error:
        refusal = error
    assert refusal is None or refusal.place.startswith("f:")


def test_a_swap_of_neighbours_is_one_edit():
    assert edits("tpye", "type") == 1
    assert edits("abc", "") == 3


def test_the_nearest_known_word_is_suggested():
    assert nearest("sourc", ["source", "subject"]) == "source"
    assert nearest("Match", ["match"]) == "match"
    assert nearest("zebra", ["source", "subject"]) is None
    assert hint("tipe", ["type"]) == "did you mean `type`?"
    assert hint("zebra", ["type"]) is None
