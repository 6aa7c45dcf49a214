"""When to try again: exponential backoff with full jitter.

The wait is drawn evenly from nothing up to a bound that doubles with each attempt, so that
those who failed together do not come back together. See "Exponential Backoff And Jitter" in the
AWS Architecture Blog (2015).
"""

from __future__ import annotations

from random import Random

from base.time import SECOND, Micros

BASE: Micros = SECOND
LONGEST: Micros = 15 * 60 * SECOND
GIVE_UP_AFTER: Micros = 24 * 3_600 * SECOND


_WORTH_A_RETRY = frozenset((408, 425, 429))


def is_final(status: int) -> bool:
    """Whether an HTTP answer that is no success would be the same again."""
    return status < 500 and status not in _WORTH_A_RETRY


def bound(attempts: int) -> Micros:
    """The longest wait after so many attempts."""
    return min(LONGEST, BASE << min(attempts - 1, 20))


def next_attempt(
    attempts: int, now: Micros, rng: Random, *, since: Micros, not_before: Micros = 0
) -> Micros | None:
    """When to try again after `attempts` of them; None to give up.

    That is when the time since `since` would be more than a day. `not_before` is what the other
    side asked for (`Retry-After`).
    """
    due = max(now + int(rng.uniform(0, bound(attempts))), not_before)
    return due if due <= since + GIVE_UP_AFTER else None
