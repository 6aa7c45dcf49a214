"""What triggers hand upwards, and to whom: the one call upwards from this floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from base.time import Micros
from events.event import Event, Stored
from events.tx import Tx


@dataclass(frozen=True, slots=True)
class Occasion:
    """Somebody asked for it: a replay, or a firing by hand. Part of the firing's identity."""

    id: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger that fired, and on what.

    `trigger` is its number in the rule; `key` the value that `per` named, None without one.
    `events` took part, in event-time order; the last is the one the firing goes by, and
    positions are 0 where an event is stored only with the firing itself. `too_deep` says that
    the chain is at the rule's bound: to be told, not to be acted upon. `occasion` sets apart
    what is made to fire once more from the firing that the same events led to by themselves.
    """

    automation: str
    trigger: int
    key: Any
    events: tuple[Stored, ...]
    too_deep: bool = False
    occasion: Occasion | None = None

    @property
    def last(self) -> Event:
        return self.events[-1].event

    @property
    def depth(self) -> int:
        """That of what this firing causes: one below its deepest event."""
        return max(stored.event.depth for stored in self.events) + 1


@dataclass(frozen=True, slots=True)
class Trouble:
    """A condition that could not be decided for an event, which counts as not met."""

    automation: str
    trigger: int
    event: Event
    code: str
    message: str
    at: Micros


class FiringSink(Protocol):
    """Makes something of firings."""

    async def fire(
        self, tx: Tx, fired: Sequence[Fired], troubles: Sequence[Trouble] = ()
    ) -> list[Event]:
        """Record these firings, in this order, and all they set in motion; the events of it.

        Called once for each round of evaluation, and again from the start when the transaction
        is run again. A rule's own failure is recorded and does not raise; that a firing exists
        already does, for it would mean that an event was evaluated twice.
        """
        ...
