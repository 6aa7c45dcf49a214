"""What is known of values that come and go is what looking through those that are left would tell."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.digest import Order, Sums

numbers = (
    st.integers(-(2**63), 2**64)
    | st.integers(-3, 3)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([5e-324, -0.0, 0.0, 1.0, 0.1, 1.7e308])
)
moves = st.lists(st.tuples(st.lists(numbers, max_size=40), st.integers(0, 45)), max_size=6)


def followed(digest, moves):
    """After each of these many values came, and so many of the oldest went."""
    values = []
    for come, going in moves:
        digest = digest.plus(come)
        values += come
        gone, values = values[:going], values[going:]
        digest = digest.minus(gone, lambda left=values: left)
        yield digest, values


@given(moves)
def test_sums_are_the_same_as_if_they_were_made_anew(moves):
    for sums, values in followed(Sums(), moves):
        assert sums == Sums.of(values)
        exact = sum(map(Fraction, values), Fraction())
        try:
            total = sums.total()
        except OverflowError:
            assert abs(exact) > Fraction(1.7e308)
        else:
            assert total == (exact if sums.are_whole else float(exact))
        if values and abs(exact) / len(values) < 10**308:
            assert sums.mean(len(values)) == float(exact / len(values))


@given(moves)
def test_the_order_is_the_same_as_if_it_was_made_anew(moves):
    for order, values in followed(Order(), moves):
        wanted = sorted(values)
        assert order.values == tuple(wanted)
        assert list(map(repr, order.values)) == list(map(repr, wanted)), "of equal ones the oldest"


def test_what_was_added_and_taken_away_leaves_nothing_behind():
    sums = Sums.of([0.1]).plus([1e300]).minus([0.1], list).plus([0.2]).minus([1e300], list)
    assert sums.total() == 0.2
    assert sums.size() == 0.2


@pytest.mark.parametrize("value", [5e-324, 2.5, -1e300, 1.7976931348623157e308, -0.0])
def test_a_float_is_summed_as_it_is(value):
    assert Sums.of([value]).total() == value
    assert Sums.of([value] * 3).mean(3) == pytest.approx(value)
    assert not math.isnan(Sums.of([value]).size())
