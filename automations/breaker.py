"""The breaker: a rule that fires more often in a minute than it may is paused.

The minute slides, and a firing that is exactly a minute old is still within it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from base.time import SECOND, Micros

SPAN: Micros = 60 * SECOND


@dataclass(slots=True)
class Recent:
    """The firings of one rule that still count."""

    times: deque[Micros] = field(default_factory=deque)

    def add(self, times: Iterable[Micros]) -> None:
        """Ascending, and not before those that are there."""
        self.times.extend(times)

    def count(self, now: Micros) -> int:
        """How many lie within the minute that ends now; older ones are forgotten.

        So are those that lie as far ahead, which are from before the clock was set back.
        """
        while self.times and abs(self.times[0] - now) > SPAN:
            self.times.popleft()
        return len(self.times)
