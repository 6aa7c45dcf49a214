"""What rules would have done over the stored events.

The log is read page by page and taken in slices of a few milliseconds, between which the
service goes on with its own work; so neither the loop nor the memory feels how long it is.
Windows are empty at the beginning: a rule that counts over an hour needs that hour first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from automations.comparison import Deed
from automations.rule import Rule
from automations.ruleset import Ruleset
from automations.simulation import Simulated, Simulation, Tally
from base.database import Database
from base.time import Micros
from events.event import Stored
from events.history import Stretch, pages

SLICE: Final = 0.003
"""Seconds at most for which nobody else has the loop."""
_LOOK_EVERY: Final = 8
"""Events between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Progress:
    """So many of the events are behind us; `at` is when the last of them came in."""

    done: int
    total: int
    at: Micros


@dataclass(frozen=True, slots=True)
class Occurred:
    """A firing, and what its actions would have done."""

    simulated: Simulated
    deeds: Sequence[Deed]


class Backtest:
    """Rules over a stretch of the log. `tallies` are what they came to, by name."""

    def __init__(
        self,
        database: Database,
        part: Stretch,
        rules: Iterable[Rule],
        *,
        until: Micros,
        bounds: Ruleset,
        variables: Mapping[str, Any],
    ) -> None:
        """`until` is the instant up to which timers ring behind the last event."""
        self._database = database
        self._part = part
        self._until = until
        self._simulation = Simulation(rules, bounds, variables, start=part.start)
        self._left = 0
        self.left_out = 0
        """How many firings were counted only."""

    @property
    def tallies(self) -> Mapping[str, Tally]:
        return self._simulation.tallies

    async def run(self, limit: int) -> AsyncIterator[Progress | Occurred]:
        """All firings in the order of the log, the first `limit` of them told; and how far it is."""
        self._left = limit
        async for page in pages(self._database, self._part, self._simulation.wants):
            async for events in sliced(page.events):
                for stored in events:
                    for one in self._told(self._simulation.take(stored)):
                        yield one
            yield Progress(page.position - self._part.after, self._part.length, page.at)
        for one in self._told(self._simulation.ring(self._until)):
            yield one

    def _told(self, found: Sequence[Simulated]) -> Iterator[Occurred]:
        for one in found:
            if self._left:
                self._left -= 1
                yield Occurred(one, self._simulation.deeds(one))
            else:
                self.left_out += 1


class Comparison:
    """Several sets of rules over the same stretch of the log."""

    def __init__(
        self,
        database: Database,
        part: Stretch,
        sets: Sequence[Iterable[Rule]],
        *,
        until: Micros,
        bounds: Ruleset,
        variables: Mapping[str, Any],
    ) -> None:
        """`until` is the instant up to which timers ring behind the last event."""
        self._database = database
        self._part = part
        self._until = until
        self._simulations = [
            Simulation(rules, bounds, variables, start=part.start) for rules in sets
        ]

    @property
    def tallies(self) -> list[Mapping[str, Tally]]:
        """What each set comes to, by the rules' names."""
        return [simulation.tallies for simulation in self._simulations]

    async def run(self) -> AsyncIterator[Progress]:
        """To the end; and how far it is."""
        async for page in pages(self._database, self._part, self._wants):
            async for events in sliced(page.events):
                for stored in events:
                    for simulation in self._simulations:
                        simulation.take(stored)
            yield Progress(page.position - self._part.after, self._part.length, page.at)
        for simulation in self._simulations:
            simulation.ring(self._until)

    def _wants(self, event_type: str) -> bool:
        return any(simulation.wants(event_type) for simulation in self._simulations)


async def sliced(events: Iterator[Stored]) -> AsyncIterator[Iterator[Stored]]:
    """The events in parts, each for as long as its slice lasts; others run in between."""
    over = False

    def part() -> Iterator[Stored]:
        nonlocal over
        end = perf_counter() + SLICE
        for count, stored in enumerate(events, 1):
            yield stored
            if not count % _LOOK_EVERY and perf_counter() > end:
                return
        over = True

    while not over:
        yield part()
        await asyncio.sleep(0)
