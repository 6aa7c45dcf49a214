"""Comparisons decided without CEL: they say what CEL says, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from events.expression import WHERE, Activation, Expression
from triggers.comparison import comparison

VALUES: list[Any] = [
    *(0, 1, -1, 2, 1000, 2**62, -(2**63), 2**63, 2**64 - 1, 0.0, -0.0, 1.0, 1.5, -2.5, 1e308),
    *("", "a", "A", "é", "a b", "1", "true", "x && y", True, False, None, [], [1], {}, {"b": 1}),
]
LITERALS = ["0", "1", "-1", "1000", "4611686018427387904", "0.0", "1.0", "1.5", "-2.5"]
TEXTS = ["''", "'a'", '"a"', "'é'", '"a b"', "'1'", "'x && y'"]
SIGNS = ["<", "<=", ">", ">=", "==", "!="]


def asked_of_cel(source: str, root: dict[str, Any]) -> Any:
    expression = Expression.compile(source, scope=WHERE)
    return expression.holds(Activation.of(event=root))


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("literal", [*LITERALS, *TEXTS])
def test_an_answer_is_that_of_cel(sign: str, literal: str):
    source = f"event.data.a.b {sign} {literal}"
    asked = comparison(source)
    answered = 0
    for value in VALUES:
        root = {"data": {"a": {"b": value}}}
        answer = asked(root) if asked else None
        if answer is not None:
            answered += 1
            assert answer is asked_of_cel(source, root), value
    is_order_of_text = literal in TEXTS and sign[-1] != "="
    assert answered or is_order_of_text or asked is None


@pytest.mark.parametrize(
    "root",
    [
        {},
        {"data": None},
        {"data": "text"},
        {"data": [{"total": 2.0}]},
        {"data": {}},
        {"data": {"total": 2}},
        {"data": {"total": "2.0"}},
        {"data": {"total": True}},
        {"data": {"total": None}},
        {"data.total": 2.0},
    ],
)
def test_what_is_not_there_or_of_another_type_is_left_to_cel(root: dict[str, Any]):
    asked = comparison("event.data.total > 1.0")
    assert asked is not None
    assert asked(root) is None


@pytest.mark.parametrize(
    "source",
    [
        "event.data.total > 1.0 || true",
        "!(event.data.total > 1.0)",
        "event.data.total > event.data.min",
        "event.data.total",
        "event.data.total() > 1",
        "event.data['total'] > 1",
        "event.time == 'a'",
        "event.time.x == 1",
        "event.data.name == 'a\\n'",
        "event.data.name == r'a'",
        "event.data.name == '''a'''",
        "event.data.name < 'a'",
        "event.data.name == 'a' // so",
        "event.data.total > 1u",
        "event.data.total > 0x10",
        "event.data.total > 1e3",
        "event.data.total > 99999999999999999999",
        "data.total > 1",
        "event.data.total > 1 && has(event.subject)",
    ],
)
def test_anything_but_comparisons_with_literals_is_left_to_cel(source: str):
    assert comparison(source) is None


def test_comparisons_are_joined_as_by_cel():
    source = "event.type == 'a' && event.data.n >= 2 && event.data.x < 1.5"
    asked = comparison(source)
    assert asked is not None
    for type_ in ("a", "b"):
        for n in (1, 2, "2", None):
            for x in (1.0, 1.5, 1):
                root = {"type": type_, "data": {"n": n, "x": x}}
                answer = asked(root)
                assert answer is None or answer is asked_of_cel(source, root)
    assert asked({"type": "a", "data": {"n": 2, "x": 1.0}}) is True
    assert asked({"type": "a", "data": {"n": 2, "x": 1.5}}) is False
    assert asked({"type": "b", "data": {"n": 2.0, "x": 1.5}}) is None
