"""What is read, what is written, and that nothing in a document breaks an import."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.importing import (
    Draft,
    Note,
    from_eventbridge,
    from_prefect,
    read_document,
    written,
)
from automations.reader import gather
from automations.rule import Rule
from base import yaml
from base.errors import ConfigurationError

DATA = Path(__file__).parents[1] / "data" / "importing"
SAMPLES = sorted(DATA.glob("*.yaml")) + sorted(DATA.glob("*.json"))


def read(text: str) -> Any:
    return read_document(text.encode(), "it.yaml")


def sample(path: Path) -> Any:
    return read_document(path.read_bytes(), path.name)


READ = [(path, sample(path)) for path in SAMPLES]


def importer(path: Path) -> Any:
    return from_prefect if path.name.startswith("prefect") else from_eventbridge


# ---- what is read ----


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        ("a: 1\nb: [x, yes]", {"a": 1, "b": ["x", True]}),
        ("when: 2010-09-09", {"when": "2010-09-09"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: {<<: {b: 1}, c: 2}", {"a": {"b": 1, "c": 2}}),
        ("a: !Ref B", {"a": {"Ref": "B"}}),
        ("a: !GetAtt B.Arn", {"a": {"Fn::GetAtt": ["B", "Arn"]}}),
        ("a: !Sub x-${B}", {"a": {"Fn::Sub": "x-${B}"}}),
        ("a: !Join ['-', [x, !Ref B]]", {"a": {"Fn::Join": ["-", ["x", {"Ref": "B"}]]}}),
        ("a: !odd/tag 1", {"a": {"!odd/tag": "1"}}),
        ("a: .nan\n1: .inf", {"a": "nan", "1": "inf"}),
        ("{a: 1", None),
        ("a: 1\na: 2", None),
        ("a: !!python/object:os.system x", None),
        ("a: &x [*x]", None),
        ("- a\n--- \n- b", [["a"], ["b"]]),
        ("", []),
    ],
)
def test_a_document_is_read_as_its_own_system_reads_it(text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(ConfigurationError) as caught:
            read(text)
        assert caught.value.code in {"document_invalid", "too_large"}
        assert (caught.value.place or "").startswith("it.yaml")
    else:
        assert read(text) == value


def test_what_is_not_text_or_too_much_is_refused() -> None:
    for raw, code in ((b"\xff\xfe\x00", "document_invalid"), (b" " * 5_000_000, "too_large")):
        with pytest.raises(ConfigurationError) as caught:
            read_document(raw, "it")
        assert caught.value.code == code


def test_aliases_that_make_much_of_little_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigurationError) as caught:
        read("\n".join(lines))
    assert caught.value.code == "too_large"


# ---- what is written ----

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
) | st.sampled_from(["on", "no", "1e3", "0o17", "0x1f", ".5", "~", "null", "10:00", "2010-09-09", "", " a", "a: b",
                     "# a", "- a", "a\nb", "a\n", "\ta\n b", "${event.data}", "=", "<<", "+1", "-", "é", "\u2028x"])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), TEXTS)
def test_what_is_written_is_read_back_the_same(definition: dict[str, Any], text: str) -> None:
    note = Note("differs", text, text, text, text)
    draft = Draft("it", text, definition, (note,))
    [document] = yaml.read(written(draft, text))
    assert document.value == definition


def test_notes_stand_above_the_rule() -> None:
    note = Note("missing", "actions[0]", "`x`", "there is none", "Put y.")
    text = written(Draft("it", "It", {"name": "it", "shadow": True}, (note,)), "a.yaml")
    assert text == (
        "# Imported from It in a.yaml.\n#\n"
        "# - missing: actions[0]: `x`: there is none. Put y.\n#\n"
        "# In shadow until it was looked through: take the line out to let it act.\n"
        "name: it\nshadow: true\n"
    )


# ---- the samples ----


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_becomes_rules_that_load_or_say_what_is_not_supported(path: Path) -> None:
    drafts = importer(path)(sample(path)).drafts
    assert drafts
    for draft in drafts:
        loaded = gather([("it.yaml", written(draft, path.name).encode())])
        assert bool(loaded.rules) == draft.loads
        assert {problem.code for problem in loaded.problems} <= {"not_supported"}
        if draft.loads:
            assert loaded.rules[0].rule == Rule.parse(draft.definition)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in members:
        yield from places(item, (*path, key))


JUNK = st.sampled_from([None, True, -1, 3, 2.5, "", "x", "${", "{{ x", "<x>", [], [[]], [None], ["x", {}], {}, {"x": None},
                        {"Ref": 1}, {"Ref": "X"}, {"Fn::Sub": []}, {"Fn::GetAtt": []}, {"Fn::GetAtt": ""}, {"": ""}])  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_document_breaks_an_import(data: st.DataObject) -> None:
    path, document = data.draw(st.sampled_from(READ))
    document = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        *around, last = data.draw(st.sampled_from([one for one in places(document) if one]))
        inner = document
        for step in around:
            inner = inner[step]
        inner[last] = copy.deepcopy(data.draw(JUNK))
    for draft in importer(path)(document).drafts:
        assert yaml.read(written(draft, "it"))[0].value == draft.definition
