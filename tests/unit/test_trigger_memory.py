"""What triggers that remember mean, by example; and that they remember only what can matter.

Times are in minutes. The models (see `test_windows_model`) are the other half of this.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.fields import Complaints
from base.time import SECOND
from triggers.combination import Combination
from triggers.key import Key
from triggers.kinds import Limits, parse_node
from triggers.listening import Listening
from triggers.selector import Failure, Selector
from triggers.sequence import MOST
from triggers.window import FRESH, MOST_EVENTS, Occurrence, Ref, Released, Tick

MINUTE = 60 * SECOND
HEARD = Listening(Selector.parse("*"), Key())


class Trigger:
    """One window, told one thing after the other."""

    def __init__(self, **form):
        complaints = Complaints("rule_invalid")
        limits = Limits(60 * 24 * 60 * MINUTE)
        self.node = parse_node(form, "trigger", limits, complaints)
        assert not complaints.found
        self.state, self.position, self.notes = FRESH, 0, []

    def enable(self, at):
        self.state = self.node.armed(round(at * MINUTE))

    def hear(self, at, *parts, value=None, now=None):
        """An event at this minute; what it led to: `fired` with the minutes of its events."""
        self.position += 1
        told = [
            Occurrence(round(at * MINUTE), self.position, part, value) for part in parts or (0,)
        ]
        return self.tell(told, at if now is None else now)

    def ring(self):
        due = self.state.due
        self.position += 1
        return due / MINUTE, self.tell(Tick(due, self.position), due / MINUTE)

    def tell(self, told, now):
        step = self.node.advance(self.state, told, round(now * MINUTE))
        self.state = step.state
        self.notes += [note.code for note in step.notes]
        said = ["resolved"] if step.resolved else []
        return [*said, [ref.time / MINUTE for ref in step.fired.events]] if step.fired else said


def test_a_span_of_exactly_the_window_is_within_it():
    trigger = Trigger(count="a", at_least=3, within="10m")
    assert [trigger.hear(at) for at in (0, 5, 10)] == [[], [], [[0, 5, 10]]]
    trigger = Trigger(count="a", at_least=2, within="10m")
    assert [trigger.hear(at) for at in (0, 10 + 1e-6)] == [[], []]


def test_a_count_that_fired_starts_afresh():
    trigger = Trigger(count="a", at_least=2, within="10m")
    assert [bool(trigger.hear(at)) for at in (0, 1, 2, 3, 4)] == [False, True, False, True, False]


def test_lateness_is_measured_against_the_newest_event_and_survives_a_firing():
    trigger = Trigger(count="a", at_least=2, within="10m")
    assert not trigger.hear(8)
    assert trigger.hear(7, now=60) == [[7, 8]]
    assert not trigger.hear(6.5, now=60)
    assert trigger.notes == ["too_late"]
    assert not trigger.hear(7, now=60)
    assert trigger.hear(8, now=60) == [[7, 8]]


def test_a_backlog_is_not_late():
    trigger = Trigger(count="a", at_least=3, within="10m")
    assert [trigger.hear(at, now=10_000) for at in (0, 1, 2)][-1] == [[0, 1, 2]]


def test_a_trigger_may_allow_more_lateness():
    trigger = Trigger(count="a", at_least=2, within="1h", allowed_lateness="30m")
    trigger.hear(40)
    assert trigger.hear(10) == [[10, 40]]


def test_a_sequence_goes_by_event_time_and_equal_times_by_arrival():
    trigger = Trigger(sequence=["a", "b"], within="10m")
    trigger.hear(1, 1)
    assert trigger.hear(0.5, 0) == [[0.5, 1]]
    trigger.hear(5, 1)
    assert not trigger.hear(5, 0)
    assert trigger.hear(5, 1) == [[5, 5]]


def test_a_newer_first_step_does_not_undo_a_chain_that_is_held():
    trigger = Trigger(sequence=["a", "b", "c"], within="10m")
    for at, part in ((0, 0), (1, 1), (2, 0)):
        assert not trigger.hear(at, part)
    assert trigger.hear(3, 2) == [[0, 1, 3]]


def test_a_sequence_takes_the_latest_chain_that_fits():
    trigger = Trigger(sequence=["a", "b", "c"], within="10m")
    for at, part in ((0, 0), (1, 1), (2, 0), (3, 1)):
        assert not trigger.hear(at, part)
    assert trigger.hear(4, 2) == [[2, 3, 4]]


def test_a_late_step_finds_the_chain_that_newer_ones_have_overtaken():
    trigger = Trigger(sequence=["a", "b"], within="10m", allowed_lateness="5m")
    for at in (5, 8, 6):
        assert not trigger.hear(at, 0)
    assert trigger.hear(5.5, 1) == [[5, 5.5]]


def test_an_event_is_one_step_of_a_sequence_and_may_be_several_members_of_all():
    trigger = Trigger(sequence=["a", "a*"], within="10m")
    assert not trigger.hear(0, 0, 1)
    assert trigger.hear(1, 0, 1) == [[0, 1]]
    assert Trigger(all=["a", "a*"], within="10m").hear(0, 0, 1) == [[0]]


def test_all_wants_every_member_and_any_so_many_different_ones():
    trigger = Trigger(all=["a", "b", "c"], within="10m")
    assert [trigger.hear(at, part) for at, part in enumerate((2, 2, 0, 1))][-1] == [[1, 2, 3]]
    trigger = Trigger(any=["a", "b", "c"], at_least=2, within="10m")
    assert [trigger.hear(at, part) for at, part in enumerate((0, 0, 2))][-1] == [[1, 2]]
    trigger = Trigger(any=["a", "b"])
    assert [trigger.hear(at, 1) for at in (0, 1)] == [[[0]], [[1]]]


def held(at, part, position, events=()):
    return [Occurrence(round(at * MINUTE), position, part, None, events, holds=True)]


ABSENT = {"absent": "beat", "for": "5m"}


def test_a_condition_counts_for_as_long_as_it_holds():
    trigger = Trigger(all=[ABSENT, "deploy"], within="10m")
    beat = (Ref(0, 1),)
    assert not trigger.tell(held(5, 0, 2, beat), 5)
    assert trigger.hear(60, 1) == [[0, 60]]
    assert trigger.hear(90, 1) == [[0, 90]]
    assert not trigger.tell([Released(0)], 95)
    assert not trigger.hear(96, 1)


def test_a_condition_is_a_step_of_a_sequence_at_the_moment_it_begins():
    trigger = Trigger(sequence=[ABSENT, "deploy"], within="10m")
    assert not trigger.tell(held(5, 0, 2, (Ref(0, 1),)), 5)
    assert not trigger.tell([Released(0)], 6)
    assert trigger.hear(15, 1) == [[0, 15]]
    trigger.tell(held(30, 0, 9, (Ref(0, 1),)), 30)
    assert not trigger.hear(41, 1)


def test_a_condition_told_long_after_the_fact_is_too_old_for_a_chain():
    trigger = Trigger(sequence=[ABSENT, "deploy"], within="10m")
    trigger.hear(60, 1)
    assert not trigger.tell(held(5, 0, 2), 60)
    assert not any(member.part == 0 for member in trigger.state.members)
    assert not trigger.hear(61, 1)


def test_a_condition_that_begins_meets_what_came_within_the_span_before_it():
    for at, fires in ((10, True), (11, False)):
        trigger = Trigger(all=[ABSENT, "deploy"], within="10m")
        trigger.hear(0, 1)
        assert bool(trigger.tell(held(at, 0, 9), at)) is fires


def test_a_nested_trigger_passes_on_the_events_that_took_part_in_it():
    count = {"count": "a", "at_least": 2, "within": "5m"}
    trigger = Trigger(all=[count, "b"], within="10m")
    inner = (Ref(1 * MINUTE, 1), Ref(3 * MINUTE, 2))
    trigger.tell([Occurrence(3 * MINUTE, 2, 0, None, inner)], 3)
    assert trigger.hear(2.5, 1) == [[1, 2.5, 3]]


def test_an_absence_fires_once_a_silence_at_the_last_match_and_its_span():
    trigger = Trigger(absent="beat", **{"for": "5m"}, per="subject")
    trigger.hear(0)
    trigger.hear(4)
    assert trigger.ring() == (9, [[4]])
    assert trigger.state.due is None
    assert trigger.hear(20) == ["resolved"]
    assert trigger.ring() == (25, [[20]])


def test_a_timer_that_was_moved_is_stale():
    trigger = Trigger(absent="beat", **{"for": "5m"})
    trigger.hear(0)
    stale = trigger.state.due
    trigger.hear(5)
    assert not trigger.tell(Tick(stale, 9), 5)
    assert trigger.state.due == 10 * MINUTE


def test_a_key_that_never_spoke_is_missed_without_an_event():
    trigger = Trigger(absent="beat", **{"for": "5m"}, per="subject", expected=["db-1"])
    assert trigger.node.expected == ('"db-1"',)
    trigger.enable(3)
    assert trigger.ring() == (8, [[]])
    assert trigger.hear(9) == ["resolved"]


def test_a_late_match_that_would_be_silent_again_does_not_end_a_silence():
    trigger = Trigger(absent="beat", **{"for": "5m"}, allowed_lateness="1h")
    trigger.hear(0)
    trigger.ring()
    assert not trigger.hear(2, now=8)
    assert trigger.state.holds
    assert trigger.hear(4, now=8) == ["resolved"]
    assert trigger.state.due == 9 * MINUTE


def test_only_after_arms_and_a_second_one_while_waiting_changes_nothing():
    trigger = Trigger(absent="paid", after="created", **{"for": "60m"})
    trigger.hear(0)
    assert trigger.state.due is None
    trigger.hear(10, 1)
    trigger.hear(20, 1)
    assert trigger.ring() == (70, [[10]])
    trigger.hear(80, 1)
    assert trigger.state.due == 140 * MINUTE
    assert trigger.hear(90) == ["resolved"]
    assert trigger.state.due is None


def test_an_answer_that_overtook_its_question_is_an_answer():
    trigger = Trigger(absent="paid", after="created", **{"for": "60m"})
    trigger.hear(10.5)
    trigger.hear(10, 1, now=11)
    assert trigger.state.due is None


def test_what_is_both_absent_and_after_clears_and_then_arms():
    trigger = Trigger(absent="step", after="step", **{"for": "5m"})
    trigger.hear(0, 0, 1)
    assert trigger.ring() == (5, [[0]])
    assert trigger.hear(7, 0, 1) == ["resolved"]
    assert trigger.ring() == (12, [[7]])


def aggregate(**bound):
    whole = {"value": "event.data.x", "function": "avg", "over": "10m"}
    return Trigger(aggregate="a", **(whole | bound))


def test_a_first_figure_beyond_fires_and_one_that_is_equal_is_not_beyond():
    assert aggregate(above=5).hear(0, value=6) == [[0]]
    trigger = aggregate(above=5)
    assert not trigger.hear(0, value=5)
    assert trigger.hear(1, value=6) == [[0, 1]]
    assert trigger.hear(2, value=4) == ["resolved"]


def test_values_that_leave_are_judged_by_timer_and_an_empty_window_clears():
    trigger = aggregate(above=5)
    trigger.hear(0, value=1)
    assert not trigger.hear(4, value=8)
    assert trigger.ring() == (10, [[4]])
    assert trigger.ring() == (14, ["resolved"])
    assert trigger.state.due is None
    assert not trigger.state.members


def test_a_late_value_does_not_come_back_into_a_span_that_a_timer_has_ended():
    trigger = aggregate(above=5)
    trigger.hear(0, value=9)
    assert trigger.ring() == (10, ["resolved"])
    assert not trigger.hear(0, value=9, now=11)
    assert trigger.hear(0.5, value=9, now=11) == [[0.5]]


def test_too_few_values_are_not_judged():
    trigger = aggregate(above=5, at_least=2)
    assert not trigger.hear(0, value=9)
    assert trigger.hear(1, value=9) == [[0, 1]]
    assert trigger.ring() == (10, ["resolved"])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "value_missing"),
        (Failure("field_missing", "there is no field"), "value_missing"),
        ("5", "value_not_a_number"),
        (True, "value_not_a_number"),
        (float("nan"), "value_not_a_number"),
        (float("inf"), "value_not_a_number"),
    ],
)
def test_a_value_that_is_no_number_is_skipped_and_noted(value, code):
    trigger = aggregate(above=5)
    assert not trigger.hear(0, value=value)
    assert trigger.notes == [code]
    assert trigger.hear(1, value=6) == [[1]]


def test_a_ratio_is_the_share_of_what_is_true():
    trigger = aggregate(function="ratio", below=0.6)
    assert [trigger.hear(at, value=ok) for at, ok in enumerate((True, True, False, False))] == [
        [], [], [], [[0, 1, 2, 3]],
    ]  # fmt: skip
    assert not trigger.hear(5, value=1)
    assert trigger.notes == ["value_not_a_number"]


class HeldModel:
    """Tries every span there is, for every thing it is told."""

    def __init__(self, at_least, within):
        self.at_least, self.within, self.seen, self.since = at_least, within, [], {}

    def tell(self, what, part, at):
        if what == "release":
            self.since.pop(part, None)
            return False
        if what == "hold":
            self.since[part] = at
        else:
            self.seen.append((at, part))
        for start in range(-self.within, 90):
            end = start + self.within
            new = at <= end and (what == "hold" or start <= at)
            parts = {one for when, one in self.seen if start <= when <= end}
            parts |= {one for one, since in self.since.items() if since <= end}
            if new and len(parts) >= self.at_least:
                self.seen = []
                return True
        return False


told = st.one_of(
    st.tuples(st.just("event"), st.integers(0, 1), st.integers(0, 4)),
    st.tuples(st.sampled_from(["hold", "release"]), st.integers(2, 3), st.just(0)),
)


@given(
    st.lists(st.tuples(st.integers(0, 5), told), max_size=12),
    st.integers(1, 4),
    st.sampled_from([0, 2, 5, 20]),
)
def test_conditions_that_hold_are_those_of_a_model(schedule, at_least, within):
    node = Combination((HEARD,) * 4, at_least, within, Key(), 100)
    model, state, now = HeldModel(at_least, within), FRESH, 10
    for position, (gap, (what, part, delay)) in enumerate(schedule, 1):
        now += gap
        one = Occurrence(now - delay, position, part, holds=what == "hold")
        step = node.advance(state, [Released(part) if what == "release" else one], now)
        state = step.state
        assert (step.fired is not None) == model.tell(what, part, now - delay)


def test_a_count_remembers_only_what_can_still_matter():
    trigger = Trigger(count="a", at_least=5, within="1m")
    for at in range(500):
        trigger.hear(at / 3)
    assert len(trigger.state.members) <= 10


def test_a_sequence_remembers_one_chain_of_each_length_and_what_may_be_overtaken():
    trigger = Trigger(sequence=["a", "b", "c"], within="7d")
    for at in range(2_000):
        trigger.hear(at, at % 2)
    assert len(trigger.state.members) <= 6 + 8 + 2
    for at in range(3 * MOST):
        trigger.hear(2_000 + at / MINUTE, 0)
    assert len(trigger.state.members) <= MOST * 9 // 8 + 20
    assert trigger.hear(2_001, 1) == []
    assert len(trigger.hear(2_002, 2)[0]) == 3


def test_a_combination_remembers_two_of_each_member_for_each_span():
    trigger = Trigger(all=["a", "b", "c"], within="1m")
    for at in range(3_000):
        trigger.hear(at / 100, at % 2)
    assert len(trigger.state.members) <= 2 * 7


def test_a_firing_passes_on_the_latest_events_and_counts_all():
    trigger = Trigger(count="a", at_least=MOST_EVENTS + 10, within="1h")
    for at in range(MOST_EVENTS + 9):
        trigger.hear(at / 100)
    told = [Occurrence(20 * MINUTE, 9_999)]
    fired = trigger.node.advance(trigger.state, told, 20 * MINUTE).fired
    assert (fired.count, len(fired.events)) == (MOST_EVENTS + 10, MOST_EVENTS)
    assert fired.events[-1] == Ref(20 * MINUTE, 9_999)
