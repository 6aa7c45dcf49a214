"""Notices that the wall clock was set: by a person, by NTP, or by a machine that slept.

What waits sleeps by the steady clock, for as long as the wall clock says it has to. So a wall
clock that leaps ahead would be noticed late, and one that is set back not at all. `ClockWatch`
compares the two every second, and whoever waits for a time is told by how much they came apart.
Whoever takes the time as a reason to act asks `look` first, for a second can be too long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from base.logs import logger
from base.services import Service
from base.time import SECOND, Micros, now

log = logger("clock")

TOLERANCE: Final[Micros] = SECOND // 2
"""What the two may come apart between two looks: slewing is slower, and harmless."""
_EVERY: Final = 1.0
_AT_ONCE: Final[Micros] = 20_000
_TRIES: Final = 5


def steady() -> Micros:
    """A clock that nobody sets; on Linux it stands still while the machine sleeps."""
    return time.monotonic_ns() // 1_000


class Setback:
    """Whether the clock was set back since what waits was last put right.

    At first it may have been, while nobody was there.
    """

    def __init__(self, watch: ClockWatch | None) -> None:
        self._latest = 1
        self._righted = 0
        if watch:
            watch.on_set.append(self._clock_was_set)

    @property
    def pending(self) -> int:
        """Which one is to be put right; 0 where none is."""
        return self._latest if self._latest != self._righted else 0

    def done(self, which: int) -> None:
        """This one, and all before it, were put right."""
        self._righted = which or self._righted

    def _clock_was_set(self, leap: Micros) -> None:
        self._latest += leap < 0


class ClockWatch(Service):
    """Tells all of `on_set` of each leap: microseconds, negative where the clock was set back.

    They are called on the event loop, in `look`, before it returns, and must be quick.
    """

    def __init__(
        self, *, wall: Callable[[], Micros] = now, steady: Callable[[], Micros] = steady
    ) -> None:
        super().__init__("clock")
        self.on_set: list[Callable[[Micros], None]] = []
        self._wall = wall
        self._steady = steady
        self._apart = self._measured()

    async def run(self) -> None:
        while not self.stopping.is_set():
            self.look()
            await self.pause(_EVERY)

    def look(self) -> None:
        """See whether the clock was set since the last look."""
        apart = self._measured()
        leap, self._apart = apart - self._apart, apart
        if abs(leap) > TOLERANCE:
            log.warning("clock_was_set", seconds=round(leap / SECOND, 3))
            for told in self.on_set:
                told(leap)

    def _measured(self) -> Micros:
        """By how much the wall clock is ahead of the steady one."""
        for _ in range(_TRIES):
            began, wall = self._steady(), self._wall()
            # A process that was held up between the two would see a leap where there is none.
            if self._steady() - began < _AT_ONCE:
                break
        return wall - began
