"""Windows in memory, and a clock that is turned by hand: for rehearsals and backtests.

What decides is what decides in the live service (see `deciding`); only where windows, timers and
events are kept is different, and that nothing of it lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final

from base.time import Micros
from events.evaluation import Matched
from events.event import Event, Stored
from triggers.deciding import Batch
from triggers.listener import Trigger
from triggers.sink import Outcome, Trouble
from triggers.timer import timer_event
from triggers.window import WindowState
from triggers.windows import NEW, Window, WindowKey

_MANY: Final = 10_000
"""Events held before it is asked which of them are still needed."""


class MemoryWindows:
    """All that the triggers of a rehearsal remember."""

    def __init__(self, variables: Mapping[str, Any] | None = None) -> None:
        self._variables = variables or {}
        self._windows: dict[WindowKey, Window] = {}
        self._log: dict[int, Stored] = {}
        self._timers: list[tuple[Micros, Micros, WindowKey]] = []
        """When they ring, and what for: not before the instant at which they were set."""
        self._now: Micros = 0
        self._most = _MANY

    def enable(self, automation: str, triggers: Sequence[Trigger], now: Micros) -> None:
        """The rule begins to listen."""
        self._now = now
        for number, trigger in enumerate(triggers):
            for node in trigger.nodes:
                for text in node.expected:
                    key = WindowKey(automation, number, node.path, text)
                    self._keep(key, NEW, Window(node.enabled(NEW.state, now)))

    def decide(
        self, matched: Sequence[Matched], now: Micros
    ) -> tuple[list[Outcome], list[Trouble]]:
        """What these events set off, in order, and what could not be decided."""
        self._now = now
        batch = Batch(matched, now, variables=self._variables)
        batch.run({key: self._windows.get(key, NEW) for key in batch.keys})
        for key, (before, window) in batch.changed.items():
            self._keep(key, before, window)
        outcome = batch.outcome([self._log[at] for at in batch.missing if at in self._log])
        if batch.keys:
            for one in matched:
                self._log.setdefault(one.position, Stored(one.position, one.event))
            if len(self._log) > self._most:
                self._let_go()
        return outcome

    def due(self, until: Micros) -> Event | None:
        """The timer that rings next, if it does before or at this instant, as its event.

        At one instant the earliest due is first, then they go by their keys. `received` says which
        instant that is: an event that came in late may set one for a time that has passed.
        """
        while self._timers and self._timers[0][0] <= until:
            at, due, key = heappop(self._timers)
            window = self._windows.get(key)
            if window is not None and window.state.due == due:
                return timer_event(key, due, at)
        return None

    def window(self, key: WindowKey) -> Window:
        """What a window knows now."""
        return self._windows.get(key, NEW)

    def change(self, key: WindowKey, state: WindowState) -> None:
        """Let a window that belongs to no trigger know this."""
        self._keep(key, self.window(key), Window(state))

    def record(self, events: Sequence[Stored]) -> None:
        """Remember these events, for a window that holds them by their place."""
        for stored in events:
            self._log.setdefault(stored.position, stored)

    def events(self, positions: Iterable[int]) -> list[Stored]:
        """The events at these places, as far as they are remembered."""
        return [self._log[position] for position in positions if position in self._log]

    def _let_go(self) -> None:
        """Of the events only those that some window still remembers."""
        wanted = {
            ref.position
            for window in self._windows.values()
            for member in (*window.state.members, *window.state.marks)
            for ref in member.refs
        }
        self._log = {at: stored for at, stored in self._log.items() if at in wanted}
        self._most = max(_MANY, 2 * len(self._log))

    def _keep(self, key: WindowKey, before: Window, window: Window) -> None:
        if window == NEW:
            self._windows.pop(key, None)
        else:
            self._windows[key] = window
        if window.state.due is not None and window.state.due != before.state.due:
            due = window.state.due
            heappush(self._timers, (max(due, self._now), due, key))
