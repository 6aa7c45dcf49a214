"""Limits on how long code may run.

* In the main thread a timer signal (SIGALRM) interrupts plain Python code wherever it
  is, also in a blocking call. Limits nest, and an alarm the user's code had set before
  still goes off. Code inside a C extension is interrupted when it returns to Python.
* In another thread nothing can interrupt Python code. The call runs in a helper thread;
  when time is up the caller goes on with the error, the helper runs to its end, and
  what it returns is dropped.
* An async function is cancelled at its next `await`.

Inside the limited code the interruption is no Exception, so a broad `except Exception`
there does not swallow it; outside it is a RunTimeoutError.
"""

from __future__ import annotations

import contextvars
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import TypeVar

from ensue.errors import RunTimeoutError
from ensue.logs import amid_a_line

R = TypeVar("R")


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def check_timeout(seconds: float | None) -> float | None:
    """Seconds as a number over zero, or None for no limit."""
    if seconds is None:
        return None
    if type(seconds) not in {int, float} or not 0 < seconds < 1e9:
        raise ValueError(f"timeout_seconds must be a number over 0, not {seconds!r}")
    return float(seconds)


def call_within(seconds: float | None, what: str, call: Callable[[], R]) -> R:
    """What `call` returns, or RunTimeoutError after `seconds`; None is no limit."""
    if seconds is None:
        return call()
    limited = _call_under_alarm if in_main_thread() else _call_in_helper
    return limited(seconds, what, call)


async def await_within(seconds: float | None, what: str, call: Callable[[], Awaitable[R]]) -> R:
    if seconds is None:
        return await call()
    import asyncio

    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await call()
    except TimeoutError:
        if limit.expired():
            raise _too_long(seconds, what) from None
        raise  # a timeout of the user's own


def _too_long(seconds: float, what: str) -> RunTimeoutError:
    return RunTimeoutError(f"{what} ran for longer than its timeout of {seconds:g} s")


class _Expired(BaseException):
    def __init__(self, alarm: _Alarm) -> None:
        self.alarm = alarm


class _Alarm:
    """One limit on the process's one timer. The limit around it is put off, not lost."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.done = False
        self._outer_handler = signal.getsignal(signal.SIGALRM)
        outer_left, self._outer_interval = signal.getitimer(signal.ITIMER_REAL)
        self._outer_deadline = time.monotonic() + outer_left if outer_left else None

    def set(self) -> None:
        signal.signal(signal.SIGALRM, self._rang)
        _ring_at(min(self.deadline, self._outer_deadline or self.deadline))

    def clear(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._outer_handler or signal.SIG_DFL)
        if self._outer_deadline is not None:
            _ring_at(self._outer_deadline, self._outer_interval)

    def _rang(self, number: int, frame: FrameType | None) -> None:
        if self.done or amid_a_line(frame):
            return  # in the second case it rings again
        outer = self._outer_deadline
        if outer is not None and outer < self.deadline:
            again = self._outer_interval
            self._outer_deadline = time.monotonic() + again if again else None
            _ring_at(min(self.deadline, self._outer_deadline or self.deadline))
            if callable(self._outer_handler):
                self._outer_handler(number, frame)
            return
        self.done = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise _Expired(self)


def _ring_at(deadline: float, interval: float = 0.05) -> None:
    # Ours ring again and again until they are heard: a signal that comes just before a system
    # call, when Python has looked for signals for the last time, does not interrupt the call.
    signal.setitimer(signal.ITIMER_REAL, max(deadline - time.monotonic(), 1e-6), interval)


def _call_under_alarm(seconds: float, what: str, call: Callable[[], R]) -> R:
    alarm = _Alarm(seconds)
    try:
        alarm.set()
        return call()
    except _Expired as expired:
        if expired.alarm is not alarm:
            raise
        raise _too_long(seconds, what) from None
    finally:
        alarm.done = True
        alarm.clear()


def _call_in_helper(seconds: float, what: str, call: Callable[[], R]) -> R:
    outcome: list[tuple[bool, R | BaseException]] = []
    here = contextvars.copy_context()

    def helper() -> None:
        try:
            outcome.append((True, here.run(call)))
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread
            outcome.append((False, error))

    thread = threading.Thread(target=helper, name=f"ensue-{what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise _too_long(seconds, what)
    returned, value = outcome[0]
    if returned:
        return value  # type: ignore[return-value]  # the flag says which of the two it is
    assert isinstance(value, BaseException)
    raise value
