"""When a failed attempt is made again, and after how long.

Deciding is pure. The two loops at the end, one for plain and one for async functions, are
all that waits.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import random
from typing import TypeVar

R = TypeVar("R")
Delays = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: one number for all, a list whose last number goes on, or a
function that is given the number of retries and returns such a list."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how far apart, and spread by how much (`jitter` 0.5: up to half longer)."""

    retries: int = 0
    delays: tuple[float, ...] = ()
    jitter: float = 0.0

    @classmethod
    def of(cls, retries: int, delays: Delays | None, jitter: float | None = None) -> RetryPolicy:
        """Raises ValueError or TypeError with a sentence that names the option."""
        if type(retries) is not int or retries < 0:
            raise ValueError(f"retries must be a whole number from 0 up, not {retries!r}")
        if callable(delays):
            delays = delays(retries)
        if delays is None:
            delays = ()
        if isinstance(delays, int | float):
            delays = (delays,)
        try:
            seconds = tuple(float(delay) for delay in delays)
        except (TypeError, ValueError):
            raise TypeError(
                f"retry_delay_seconds must be a number or a list of numbers, not {delays!r}"
            ) from None
        if not all(0 <= delay < 1e9 for delay in seconds):
            raise ValueError(f"retry_delay_seconds cannot be {delays!r}")
        if not 0 <= (jitter or 0) < 1e6:
            raise ValueError(f"retry_jitter_factor must be 0 or more, not {jitter!r}")
        return cls(retries, seconds, jitter or 0.0)

    def delay_after(self, attempt: int, spread: float = 0.0) -> float | None:
        """Seconds to wait after the failure of this attempt, or None when it was the last.

        The first attempt is 1. `spread` is a random number from 0 to 1.
        """
        if attempt > self.retries:
            return None
        if not self.delays:
            return 0.0
        delay = self.delays[min(attempt, len(self.delays)) - 1]
        return delay * (1 + self.jitter * spread)


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """For `retry_delay_seconds`: factor x 1, 2, 4, 8 … seconds."""

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**n for n in range(retries)]

    return delays


OnFailure = Callable[[int, Exception], float | None]
"""Given the attempt and its error: seconds to the next one, or None to give up."""


def attempt_until(run: Callable[[int], R], failed: OnFailure) -> R:
    for attempt in count(1):
        try:
            return run(attempt)
        except Exception as error:
            delay = failed(attempt, error)
            if delay is None:
                raise
        time.sleep(delay)
    raise AssertionError  # count() has no end


async def attempt_until_async(run: Callable[[int], Awaitable[R]], failed: OnFailure) -> R:
    import asyncio

    for attempt in count(1):
        try:
            return await run(attempt)
        except Exception as error:
            delay = failed(attempt, error)
            if delay is None:
                raise
        await asyncio.sleep(delay)
    raise AssertionError  # count() has no end


def spread() -> float:
    return random()  # noqa: S311 - spreads load, guards nothing
