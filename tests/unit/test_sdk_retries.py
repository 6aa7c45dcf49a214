from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensue.retries import RetryPolicy, attempt_until, exponential_backoff


def test_without_retries_the_first_failure_is_the_last():
    assert RetryPolicy.of(0, 10).delay_after(1) is None


def test_one_number_is_the_delay_before_every_retry():
    policy = RetryPolicy.of(3, 5)
    assert [policy.delay_after(n) for n in (1, 2, 3, 4)] == [5, 5, 5, None]


def test_the_last_number_of_a_list_goes_on():
    policy = RetryPolicy.of(4, [1, 10])
    assert [policy.delay_after(n) for n in (1, 2, 3, 4, 5)] == [1, 10, 10, 10, None]


def test_no_delay_given_is_no_delay():
    assert RetryPolicy.of(1, None).delay_after(1) == 0


def test_a_function_is_asked_for_the_delays_once_with_the_number_of_retries():
    policy = RetryPolicy.of(4, exponential_backoff(2))
    assert [policy.delay_after(n) for n in (1, 2, 3, 4)] == [2, 4, 8, 16]


@given(st.floats(0, 1), st.floats(0, 10))
def test_jitter_lengthens_a_delay_by_at_most_its_share(spread, jitter):
    delay = RetryPolicy.of(1, 10, jitter).delay_after(1, spread)
    assert 10 <= delay <= 10 * (1 + jitter) + 1e-9


@pytest.mark.parametrize("retries", [-1, 1.5, True, "3"])
def test_retries_that_are_no_count_are_refused_by_name(retries):
    with pytest.raises(ValueError, match="retries must be a whole number"):
        RetryPolicy.of(retries, None)


@pytest.mark.parametrize("delays", [["soon"], object(), [None]])
def test_delays_that_are_no_numbers_are_refused_by_name(delays):
    with pytest.raises(TypeError, match="retry_delay_seconds"):
        RetryPolicy.of(1, delays)


@pytest.mark.parametrize("delays", [-1, [1, -2], float("nan"), float("inf")])
def test_delays_that_cannot_be_waited_for_are_refused(delays):
    with pytest.raises(ValueError, match="retry_delay_seconds cannot be"):
        RetryPolicy.of(1, delays)


def test_a_negative_jitter_is_refused():
    with pytest.raises(ValueError, match="retry_jitter_factor"):
        RetryPolicy.of(1, 1, -0.5)


def test_the_loop_waits_as_it_is_told_between_attempts(monkeypatch):
    waited = []
    monkeypatch.setattr("ensue.retries.time.sleep", waited.append)
    policy = RetryPolicy.of(3, [1, 10])

    def fails_twice(attempt):
        if attempt < 3:
            raise ValueError(attempt)
        return attempt

    assert attempt_until(fails_twice, lambda n, error: policy.delay_after(n)) == 3
    assert waited == [1, 10]


def test_what_is_no_exception_is_never_retried():
    tried = []

    def leaves(attempt):
        tried.append(attempt)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt_until(leaves, lambda n, error: 0)
    assert tried == [1]
