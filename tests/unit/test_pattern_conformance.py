"""Patterns held to what event-ruler and quamina answer, by themselves and in the index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from base.errors import ConfigurationError
from triggers.index import Index
from triggers.pattern import Pattern
from triggers.reason import explain
from triggers.selector import Selector

DATA = Path(__file__).parent.parent / "data" / "patterns"

JUDGED_WRONG = [
    # A field inside `$or` replaces the same field outside of it; see decision record 0003.
    (
        {"name": ["a", "b"], "$or": [{"name": [{"anything-but": "a"}]}, {"condition1": ["x"]}]},
        {"name": "c"},
    ),
]

MATCHES = [
    (case["pattern"], case["event"], case["expected"])
    for name in ("event_ruler_match", "quamina_wildcard")
    for case in json.loads((DATA / f"{name}.json").read_text())
    if (case["pattern"], case["event"]) not in JUDGED_WRONG
]
VALIDITY = json.loads((DATA / "event_ruler_validity.json").read_text())


def as_event(data: Any) -> dict[str, Any]:
    return {"type": "case", "source": "/cases", "data": data}


def is_taken(text: str) -> bool:
    try:
        Pattern.from_json(text)
    except ConfigurationError:
        return False
    return True


def test_all_cases_but_the_judged_one_are_there():
    assert len(MATCHES) == 655 + 508 - 1
    assert len(VALIDITY) == 340


def test_every_recorded_answer_is_given():
    wrong = [
        (pattern, event, expected)
        for pattern, event, expected in MATCHES
        if Pattern.parse(pattern).matches(event) is not expected
    ]
    assert wrong == []


def test_the_index_gives_the_same_answers_with_all_patterns_in_it():
    texts = {json.dumps(pattern): pattern for pattern, _, _ in MATCHES}
    index: Index[str] = Index()
    for text, pattern in texts.items():
        index.add(text, Selector.parse({"type": "case", "match": {"data": pattern}}))
    wrong = [
        (pattern, event, expected)
        for pattern, event, expected in MATCHES
        if (json.dumps(pattern) in index.match(as_event(event))) is not expected
    ]
    assert wrong == []


def test_what_does_not_match_is_explained_and_what_matches_is_not():
    wrong = []
    for pattern, event, expected in MATCHES:
        reason = explain(Selector.parse({"match": {"data": pattern}}), as_event(event))
        if (reason is None) is not expected:
            wrong.append((pattern, event, reason))
        elif reason is not None:
            json.dumps(reason.as_json())
    assert wrong == []


@pytest.mark.parametrize("valid", [True, False])
def test_what_is_a_pattern_and_what_is_not(valid):
    cases = [case for case in VALIDITY if case["valid"] is valid]
    assert [case for case in cases if is_taken(case["pattern_text"]) is not valid] == []


def test_the_case_judged_wrong_is_still_answered_our_way():
    ((pattern, event),) = JUDGED_WRONG
    assert not Pattern.parse(pattern).matches(event)
    assert Pattern.parse(pattern).matches({"name": "b"})
    assert Pattern.parse(pattern).matches({"name": "a", "condition1": "x"})
