from __future__ import annotations

import asyncio
import signal
import threading
import time

import pytest

from ensue.errors import RunTimeoutError
from ensue.timeouts import await_within, call_within, check_timeout

# The plugin's own limit would use the alarm that is tested here.
pytestmark = pytest.mark.timeout(120, method="thread")


def block_for_ever():
    threading.Event().wait(60)


def in_thread(call):
    outcome = []

    def run():
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return outcome[0]


def test_what_is_in_time_returns_its_value():
    assert call_within(30, "It", lambda: 7) == 7


def test_what_raises_in_time_raises_its_own_error():
    with pytest.raises(KeyError):
        call_within(30, "It", lambda: {}["x"])


def test_blocking_code_in_the_main_thread_is_interrupted():
    began = time.monotonic()
    with pytest.raises(RunTimeoutError, match=r"^It ran for longer than its timeout of 0\.02 s$"):
        call_within(0.02, "It", block_for_ever)
    assert time.monotonic() - began < 30


def test_computing_code_in_the_main_thread_is_interrupted():
    def compute():
        while True:
            pass

    with pytest.raises(RunTimeoutError):
        call_within(0.02, "It", compute)


def test_a_broad_except_does_not_swallow_the_interruption():
    def stubborn():
        while True:
            try:
                block_for_ever()
            except Exception:  # noqa: BLE001 - what users write
                continue

    with pytest.raises(RunTimeoutError):
        call_within(0.02, "It", stubborn)


def test_finally_runs_when_the_time_is_up():
    cleaned = []

    def careful():
        try:
            block_for_ever()
        finally:
            cleaned.append(True)

    with pytest.raises(RunTimeoutError):
        call_within(0.02, "It", careful)
    assert cleaned == [True]


def test_an_inner_limit_that_passes_leaves_the_outer_one_running():
    def outer():
        with pytest.raises(RunTimeoutError, match="Inner"):
            call_within(0.01, "Inner", block_for_ever)
        block_for_ever()

    with pytest.raises(RunTimeoutError, match="Outer"):
        call_within(0.05, "Outer", outer)


def test_an_outer_limit_is_not_taken_for_the_inner_one():
    def outer():
        return call_within(30, "Inner", block_for_ever)

    with pytest.raises(RunTimeoutError, match="Outer"):
        call_within(0.02, "Outer", outer)


def test_an_alarm_of_the_users_own_still_goes_off():
    rang = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rang.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        call_within(30, "It", lambda: None)
        assert rang.wait(30)
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_of_the_users_own_goes_off_within_the_limit_too():
    rang = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rang.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert call_within(30, "It", lambda: rang.wait(20))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_afterwards_no_timer_and_no_handler_is_left():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(RunTimeoutError):
        call_within(0.01, "It", block_for_ever)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_in_another_thread_the_caller_goes_on_and_the_call_is_left_to_itself():
    release, ended = threading.Event(), threading.Event()

    def slow():
        release.wait(30)
        ended.set()

    outcome = in_thread(lambda: call_within(0.02, "It", slow))
    assert isinstance(outcome, RunTimeoutError)
    assert not ended.is_set()
    release.set()
    assert ended.wait(30)


def test_in_another_thread_values_and_errors_come_through():
    assert in_thread(lambda: call_within(30, "It", lambda: 7)) == 7
    assert isinstance(in_thread(lambda: call_within(30, "It", lambda: {}["x"])), KeyError)


async def test_async_code_is_cancelled():
    cancelled = []

    async def slow():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(RunTimeoutError):
        await await_within(0.02, "It", slow)
    assert cancelled == [True]


async def test_a_timeout_error_of_the_users_own_is_left_as_it_is():
    async def own():
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine") as caught:
        await await_within(30, "It", own)
    assert not isinstance(caught.value, RunTimeoutError)


@pytest.mark.parametrize("seconds", [0, -1, True, "5", float("nan")])
def test_a_timeout_that_is_no_span_is_refused_by_name(seconds):
    with pytest.raises(ValueError, match="timeout_seconds must be a number over 0"):
        check_timeout(seconds)
