"""Figures, and the moment at which they turn as the oldest values leave."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers import figure as figures
from triggers.figure import FUNCTIONS, LOOK_AHEAD, Bound, digest, figure
from triggers.window import Member


def turns_after(function, values, bound, *, beyond):
    members = [Member(n, n, 0, value) for n, value in enumerate(values)]
    return figures.turns_after(function, members, digest(function, values), bound, beyond=beyond)


whole = st.integers(-20, 20)
broken = st.floats(-20, 20, width=16)


@pytest.mark.parametrize(
    ("function", "values", "wanted"),
    [
        ("sum", [0.1] * 10, 1.0),
        ("sum", [2**62, 2**62], float(2**63)),
        ("sum", [1.7e308, 1.7e308], 1.7976931348623157e308),
        ("avg", [1, 2], 1.5),
        ("min", [3, 1.5], 1.5),
        ("max", [3, 1.5], 3),
        ("ratio", [True, False, True, True], 0.75),
        ("p95", [7], 7),
        ("p95", list(range(101)), 95),
        ("p95", [20, 10], 19.5),
    ],
)
def test_a_figure_is_exact(function, values, wanted):
    assert figure(function, values) == wanted


@given(st.lists(whole | broken, min_size=2, max_size=200))
def test_the_p95_is_that_of_the_standard_library(values):
    wanted = statistics.quantiles(values, n=100, method="inclusive")[94]
    assert math.isclose(figure("p95", values), wanted, rel_tol=1e-12, abs_tol=1e-12)


@given(
    st.sampled_from(FUNCTIONS),
    st.lists(whole, min_size=1, max_size=30) | st.lists(broken, min_size=1, max_size=30),
    st.sampled_from(["above", "below"]),
    st.sampled_from([-3, 0, 0.5, 1, 4]),
)
def test_a_turn_is_never_told_too_late(function, values, side, limit):
    if function == "ratio":
        values = [value > 0 for value in values]
    bound = Bound(side, limit)
    sides = [bound.is_beyond(figure(function, values[gone:])) for gone in range(len(values))]
    turn = next((gone for gone, one in enumerate(sides) if one != sides[0]), None)
    told = turns_after(function, values, bound, beyond=sides[0])
    assert told is None or told >= 1
    if turn is not None:
        assert told is not None
        assert told <= turn
    if function in {"min", "max"}:
        assert told == turn


@given(st.data(), st.integers(1, 300), st.sampled_from(["above", "below"]))
def test_the_turn_of_a_p95_among_many_is_never_told_too_late(data, count, side):
    high = data.draw(st.integers(0, count // 8) | st.integers(0, count))
    places = data.draw(st.permutations(range(count)))[:high]
    values = [(3 if n in places else 1) for n in range(count)]
    bound = Bound(side, data.draw(st.sampled_from([2, 1, 3, 1.5])))
    sides = [bound.is_beyond(figure("p95", values[gone:])) for gone in range(count)]
    turn = next((gone for gone, one in enumerate(sides) if one != sides[0]), None)
    told = turns_after("p95", values, bound, beyond=sides[0])
    assert told is None or 1 <= told < count
    assert turn is None or (told is not None and told <= turn)


def test_a_p95_that_is_far_from_its_limit_is_not_looked_at_for_long():
    fine = [1] * 10_000
    assert turns_after("p95", fine, Bound("above", 2), beyond=False) is None
    few = [3] * 10 + fine
    assert turns_after("p95", few, Bound("above", 2), beyond=False) >= 9_000
    bad = [3] * 10_000
    assert turns_after("p95", bad, Bound("above", 2), beyond=True) >= 9_000


def test_the_turn_of_a_long_sum_is_asked_for_again():
    values = [1] * (LOOK_AHEAD * 2)
    assert turns_after("sum", values, Bound("above", 10), beyond=True) == LOOK_AHEAD
    few = values[:LOOK_AHEAD]
    assert turns_after("sum", few, Bound("above", 10), beyond=True) == LOOK_AHEAD - 10


def test_what_can_only_fall_does_not_rise_by_itself():
    assert turns_after("sum", [1, 2, 3], Bound("above", 10), beyond=False) is None
    assert turns_after("max", [1, 2, 3], Bound("above", 10), beyond=False) is None
