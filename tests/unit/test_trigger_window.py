"""Windows as they are stored: what is written is what is read, and only what changed is written."""

from hypothesis import given
from hypothesis import strategies as st

from triggers.window import (
    FRESH,
    MOST_EVENTS,
    Member,
    Ref,
    TimerChange,
    WindowState,
    difference,
    taken,
)

instants = st.integers(0, 2**50)
refs = st.builds(Ref, instants, st.integers(0, 2**40))
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)
members = st.builds(
    Member,
    instants,
    st.integers(0, 2**40),
    st.integers(0, 20),
    values.filter(lambda value: value not in {float("inf"), float("-inf")}),
    st.none() | st.lists(refs, max_size=3).map(tuple),
)
states = st.builds(
    WindowState,
    st.none() | instants,
    st.none() | instants,
    st.booleans(),
    st.none() | instants,
    st.lists(members, max_size=3).map(tuple),
    st.lists(members, max_size=5, unique_by=lambda member: member[:3]).map(
        lambda some: tuple(sorted(some, key=lambda member: member[:3]))
    ),
)


@given(states)
def test_a_window_that_was_stored_is_read_as_it_was(state):
    rows = [Member.read(*member[:3], member.content()) for member in reversed(state.members)]
    read = WindowState.read(state.newest, state.content(), rows)
    assert read == state
    assert [type(m.value) for m in read.members] == [type(m.value) for m in state.members]


@given(states, states)
def test_the_difference_of_two_states_leads_from_one_to_the_other(before, after):
    change = difference(before, after)
    assert (set(before.members) - set(change.removed)) | set(change.added) == set(after.members)
    assert not set(change.removed) & set(change.added)
    assert (change.timer is None) == (before.due == after.due)
    assert change.timer in {None, TimerChange(after.due)}


few = st.integers(0, 3)
small = st.builds(
    WindowState,
    st.none() | few,
    members=st.sets(st.tuples(few, few), max_size=3).map(
        lambda places: tuple(Member(*place) for place in sorted(places))
    ),
)


@given(st.lists(small | states, max_size=8))
def test_rows_that_are_written_only_where_they_must_be_tell_every_state(history):
    before, newest, content, rows = FRESH, None, "", set()
    for after in history:
        change = difference(before, after)
        rows = (rows - set(change.removed)) | set(change.added)
        if change.row:
            newest, content = after.newest, after.content()
        assert WindowState.read(newest, content, list(rows)) == after
        before = after


def test_another_member_that_is_the_newest_is_written_alone():
    one = WindowState(5, members=(Member(5, 1),))
    two = WindowState(7, members=(Member(5, 1), Member(7, 2)))
    change = difference(one, two)
    assert change.added == (Member(7, 2),)
    assert not change.row
    assert difference(two, WindowState(7)).row, "without members only the row knows the newest"


def test_a_window_that_knows_nothing_takes_no_room():
    assert not FRESH.content()
    assert not Member(1, 2, 3).content()
    nothing = difference(FRESH, WindowState())
    assert (nothing.added, nothing.removed, nothing.row, nothing.timer) == ((), (), False, None)


def test_the_events_of_members_are_in_order_each_once_and_the_latest_of_too_many():
    nested = Member(30, 9, 1, None, (Ref(20, 5), Ref(10, 7)))
    assert taken([Member(20, 6), nested, Member(20, 5)]) == (Ref(10, 7), Ref(20, 5), Ref(20, 6))
    many = [Member(time, time) for time in range(MOST_EVENTS + 5)]
    assert taken(many)[0] == Ref(5, 5)
    assert len(taken(many)) == MOST_EVENTS
