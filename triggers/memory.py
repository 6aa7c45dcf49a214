"""Windows in memory, and a clock that is turned by hand: for rehearsals and backtests.

What decides is what decides in the live service (see `deciding`); only where windows, timers and
events are kept is different, and that nothing of it lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from base.time import Micros
from events.evaluation import Matched
from events.event import Event, Stored
from triggers.deciding import Batch
from triggers.sink import Outcome, Trouble
from triggers.timer import timer_event
from triggers.windows import NEW, Window, WindowKey


class MemoryWindows:
    """All that the triggers of a rehearsal remember."""

    def __init__(self) -> None:
        self._windows: dict[WindowKey, Window] = {}
        self._log: dict[int, Stored] = {}
        self._timers: list[tuple[Micros, WindowKey]] = []

    def decide(
        self, matched: Sequence[Matched], now: Micros
    ) -> tuple[list[Outcome], list[Trouble]]:
        """What these events set off, in order, and what could not be decided."""
        batch = Batch(matched, now)
        batch.run({key: self._windows.get(key, NEW) for key in batch.keys})
        for key, (before, window) in batch.changed.items():
            if window == NEW:
                self._windows.pop(key, None)
            else:
                self._windows[key] = window
            if window.state.due is not None and window.state.due != before.state.due:
                heappush(self._timers, (window.state.due, key))
        if batch.keys:
            self._log.update((one.position, Stored(one.position, one.event)) for one in matched)
        return batch.outcome([self._log[at] for at in batch.missing if at in self._log])

    def due(self, until: Micros) -> Event | None:
        """The timer that rings next, if it does before or at this instant, as its event.

        At one instant they ring in the order of their keys.
        """
        while self._timers and self._timers[0][0] <= until:
            due, key = heappop(self._timers)
            window = self._windows.get(key)
            if window is not None and window.state.due == due:
                return timer_event(key, due, due)
        return None
