from __future__ import annotations

from random import Random
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from automations.backoff import GIVE_UP_AFTER, LONGEST, bound, next_attempt
from base.time import SECOND

NOW = 1_893_456_000 * SECOND


def test_the_bound_doubles_from_a_second_to_a_quarter_of_an_hour():
    bounds = [bound(attempts) // SECOND for attempts in range(1, 13)]
    assert bounds == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert bound(10_000) == LONGEST


def test_the_jitter_is_full_and_even():
    rng = Random(7)
    waits = [next_attempt(8, NOW, rng, since=NOW) - NOW for _ in range(4_000)]
    assert 0 <= min(waits) < bound(8) * 0.01
    assert bound(8) * 0.99 < max(waits) <= bound(8)
    assert abs(mean(waits) / bound(8) - 0.5) < 0.05


@given(st.integers(1, 500), st.integers(0, 10**6))
def test_a_wait_lies_within_its_bound(attempts, seed):
    due = next_attempt(attempts, NOW, Random(seed), since=NOW)
    assert NOW <= due <= NOW + bound(attempts)


def test_what_the_other_side_asks_for_is_waited_for():
    due = next_attempt(1, NOW, Random(1), since=NOW, not_before=NOW + 60 * SECOND)
    assert due == NOW + 60 * SECOND


def test_after_a_day_it_is_given_up():
    assert next_attempt(100, NOW, Random(1), since=NOW - GIVE_UP_AFTER - 1) is None
    late = NOW + GIVE_UP_AFTER + 1
    assert next_attempt(1, NOW, Random(1), since=NOW, not_before=late) is None


def test_a_target_that_is_down_is_tried_all_day():
    rng, now, attempts = Random(3), NOW, 0
    while now is not None:
        attempts += 1
        last, now = now, next_attempt(attempts, now, rng, since=NOW)
    assert last > NOW + GIVE_UP_AFTER - LONGEST
    assert 150 < attempts < 260
