"""Globs, and the shapes of text behind them and behind wildcards."""

from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import ConfigurationError
from triggers.glob import Glob, matches_type
from triggers.wildcard import parse_wildcard


def naive(glob: str) -> re.Pattern[str]:
    """The obvious translation, whose meaning is plain and whose worst case is terrible."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(char, re.escape(char)) for char in glob), re.DOTALL)


@given(st.text("ab.*?", min_size=1, max_size=8), st.text("ab.\n", max_size=8))
def test_a_glob_means_what_its_plain_translation_means(glob, text):
    expected = naive(glob).fullmatch(text) is not None
    assert Glob.parse(glob, "type").test()(text) is expected


@given(st.lists(st.text("ab*\\", max_size=3), min_size=1, max_size=4), st.text("ab*\\", max_size=8))
def test_a_wildcard_is_its_literal_runs_in_order(runs, text):
    runs = [run for at, run in enumerate(runs) if run or at in (0, len(runs) - 1)]
    if len(runs) == 2 and runs == ["", ""]:
        runs = ["", ""]
    wildcard = "*".join(re.sub(r"([*\\])", r"\\\1", run) for run in runs)
    expected = re.fullmatch(".*".join(map(re.escape, runs)), text, re.DOTALL) is not None
    assert parse_wildcard(wildcard).test()(text) is expected


def test_star_and_question_mark_cross_dots_and_slashes():
    assert Glob.parse("shop.*", "type").test()("shop.order.created/eu")
    assert Glob.parse("a?b", "type").test()("a.b")
    assert Glob.parse("a?b", "type").test()("a/b")
    assert not Glob.parse("shop.*", "type").test()("Shop.order")


@pytest.mark.parametrize("glob", ["ensue.*", "ensue.run.completed", "ensue.run.?ompleted"])
def test_the_services_own_events_are_reached_by_name(glob):
    assert matches_type(Glob(glob), "ensue.run.completed")


@pytest.mark.parametrize("glob", ["*", "ensue*", "e*", "*completed", "ensue?run*", "*.run.*"])
def test_the_services_own_events_are_not_reached_by_accident(glob):
    assert not matches_type(Glob(glob), "ensue.run.completed")


def test_what_only_resembles_an_own_event_is_reached():
    assert matches_type(Glob("*"), "ensued.run")
    assert matches_type(Glob("ensue*"), "ensue-run")


@pytest.mark.parametrize("bad", ["", 5, None, {"a": 1}])
def test_what_is_no_glob_is_refused_with_its_place(bad):
    with pytest.raises(ConfigurationError) as caught:
        Glob.parse(bad, "rule.event")
    assert caught.value.place == "rule.event"


@pytest.mark.parametrize("glob", ["*a" * 20 + "b", "*a?" * 20 + "b", "x" + "*a" * 20 + "*b*"])
def test_a_hostile_glob_costs_no_more_than_its_length(glob):
    test = Glob.parse(glob, "type").test()
    start = process_time()
    assert not test("x" + "a" * 5_000)
    assert process_time() - start < 1
