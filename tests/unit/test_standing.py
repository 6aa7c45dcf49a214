"""How a window stands at a moment, for each kind of trigger and for flow control."""

from __future__ import annotations

import pytest

from automations.places import places
from automations.rule import Rule
from base.time import SECOND
from triggers.sink import Fired
from triggers.standing import Part
from triggers.window import Member, WindowState

MINUTE = 60 * SECOND
NOW = 100 * MINUTE


def rule(trigger=None, **fields):
    form = {"name": "r", "trigger": trigger or {"event": "a"}, "actions": [{"run": "f"}]}
    return Rule.parse({**form, **fields})


def standing(trigger, state, *, path="", now=NOW):
    (place,) = [one for one in places(rule(trigger)) if one.path == path]
    return place.standing(state, now)


def members(*parts):
    """Pairs of minute and part, or of minute, part and value."""
    return tuple(
        Member(one[0] * MINUTE, n, one[1], *one[2:]) for n, one in enumerate(sorted(parts), 1)
    )


def test_what_is_too_old_to_count_with_an_event_of_now_is_left_out():
    count = {"count": "a", "at_least": 3, "within": "10m"}
    state = WindowState(members=members((84, 0), (90, 0), (95, 0)))
    there = standing(count, state)
    assert (there.have, there.need, there.until) == (2, 3, NOW)
    assert there.is_open
    assert standing(count, state, now=None).have == 2, "84 is too old for 95"
    late = standing(count, state, now=NOW + 6 * MINUTE)
    assert (late.have, late.is_open) == (0, False)
    assert standing(count, state, now=None).is_open


def test_a_sequence_says_which_steps_came_and_when():
    steps = {"sequence": ["a", {"event": ["b", "c"]}, "d"], "within": "10m"}
    there = standing(steps, WindowState(members=members((80, 0), (81, 1), (95, 0), (97, 1))))
    assert (there.have, there.need, there.until) == (2, 3, 105 * MINUTE)
    assert there.parts == (Part("a", 95 * MINUTE), Part("b, c", 97 * MINUTE), Part("d", None))


def test_a_chain_whose_beginning_is_over_is_no_chain():
    steps = {"sequence": ["a", "b"], "within": "10m"}
    there = standing(steps, WindowState(members=members((89, 0), (95, 1))))
    assert (there.have, there.is_open) == (0, False)
    assert [part.seen for part in there.parts] == [None, None]


def test_a_combination_says_which_members_were_seen_and_which_hold():
    nested = {"absent": "beat", "for": "5m"}
    both = {"all": ["a", nested, "c"], "within": "10m"}
    state = WindowState(members=members((95, 0)), marks=(Member(20 * MINUTE, 7, 1),))
    there = standing(both, state)
    assert (there.kind, there.have, there.need) == ("all", 2, 3)
    assert there.parts == (
        Part("a", 95 * MINUTE),
        Part("absent beat", 20 * MINUTE, holds=True),
        Part("c", None),
    )
    assert standing({"any": ["a", "b", "c"], "at_least": 2, "within": "1m"}, state).kind == "any"


def test_one_of_any_needs_no_other():
    there = standing({"any": ["a", "b"]}, WindowState(members=members((100, 0))))
    assert (there.have, there.need) == (1, 1)


def test_a_silence_says_since_when_it_lasts_and_when_it_fires():
    beat = {"absent": "beat", "for": "5m"}
    watched = standing(
        beat, WindowState(due=103 * MINUTE, marks=(Member(98 * MINUTE, 0, 2, None, ()),))
    )
    assert (watched.since, watched.until, watched.holds) == (98 * MINUTE, 103 * MINUTE, False)
    assert watched.parts == (Part("beat", None),), "it has not spoken yet"
    spoke = standing(beat, WindowState(due=103 * MINUTE, marks=members((98, 0))))
    assert spoke.parts == (Part("beat", 98 * MINUTE),)
    fired = standing(beat, WindowState(holds=True, marks=members((90, 0))))
    assert (fired.since, fired.until, fired.holds) == (90 * MINUTE, None, True)


def test_a_wait_for_an_answer_counts_from_the_question():
    answer = {"absent": "paid", "for": "1h", "after": "ordered"}
    waits = standing(answer, WindowState(due=130 * MINUTE, marks=members((70, 1), (20, 0))))
    assert (waits.since, waits.until) == (70 * MINUTE, 130 * MINUTE)
    assert waits.parts == (Part("paid", 20 * MINUTE), Part("ordered", 70 * MINUTE))
    answered = standing(answer, WindowState(marks=members((71, 0))))
    assert (answered.since, answered.is_open) == (None, False)


def test_a_figure_is_that_of_the_values_that_still_count():
    average = {
        "aggregate": "a",
        "value": "event.data.n",
        "function": "avg",
        "over": "10m",
        "above": 5,
        "at_least": 2,
    }
    values = members((80, 0, 900), (95, 0, 2), (96, 0, 4))
    there = standing(average, WindowState(members=values, due=105 * MINUTE))
    assert (there.have, there.need, there.figure, there.until) == (2, 2, 3, None)
    few = standing(average, WindowState(members=values), now=NOW + 6 * MINUTE)
    assert (few.have, few.figure) == (1, None)
    assert standing(average, WindowState(holds=True)).is_open


def test_a_clock_says_its_next_time():
    there = standing({"every": "1h"}, WindowState(newest=1, clock=1, due=7))
    assert (there.kind, there.until, there.is_open) == ("clock", 7, True)


def test_each_node_of_each_trigger_is_a_place_and_flow_control_comes_last():
    nested = {"all": [{"count": "a", "at_least": 2, "within": "1m"}, "b"], "within": "5m"}
    found = places(
        rule([{"event": "x"}, nested], throttle={"every": "1m"}, batch={"size": 2, "within": "1m"})
    )
    assert [(one.trigger, one.path, one.kind) for one in found] == [
        (1, "", "all"),
        (1, "0", "count"),
        (0, "#gather", "batch"),
        (0, "#throttle", "throttle"),
    ]
    assert places(rule()) == []


@pytest.fixture
def throttle():
    return rule(throttle={"at_most": 2, "every": "10m"}).flow.throttle


def throttled(throttle, state, now):
    (place,) = places(rule(throttle={"at_most": 2, "every": "10m"}))
    return place.standing(state, now)


def test_a_throttle_counts_what_it_held_back_since_it_last_let_one_pass(throttle):
    state, passed = WindowState(), []
    for second in (0, 60, 120, 180):
        state, passes = throttle.admits(state, second * SECOND, second)
        passed.append(passes)
    assert passed == [True, True, False, False]
    shut = throttled(throttle, state, 180 * SECOND)
    assert (shut.have, shut.need, shut.suppressed, shut.until) == (2, 2, 2, 10 * MINUTE)
    state, passes = throttle.admits(state, 10 * MINUTE, 600)
    assert passes, "it opens at exactly ten minutes"
    again = throttled(throttle, state, 10 * MINUTE)
    assert (again.have, again.suppressed, again.until) == (2, 0, 11 * MINUTE)
    assert not throttled(throttle, state, 30 * MINUTE).is_open


def test_what_is_gathered_is_counted_with_its_events_and_when_it_goes(stored):
    controlled = rule(batch={"size": 3, "within": "5m"})
    (place,) = places(controlled)
    state = WindowState()
    for number in (1, 2):
        fired = Fired("r", 0, None, (stored(number),), count=4)
        state, _ = controlled.flow.gathering.take(state, fired, NOW)
    there = place.standing(state, NOW)
    assert (there.kind, there.have, there.need, there.events) == ("batch", 2, 3, 8)
    assert there.until == NOW + 5 * MINUTE
    assert not place.standing(WindowState(), NOW).is_open


@pytest.fixture
def stored():
    from events.event import Event, Stored

    def make(position):
        return Stored(position, Event(id=f"e{position}", source="/t", type="a", time=1, received=1))

    return make
