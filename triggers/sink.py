"""What triggers hand upwards, and to whom: the one call upwards from this floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from base.ids import derived_id
from base.time import Micros
from events.event import Event, Stored
from events.tx import Tx
from triggers.windows import WindowKey


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
    positions are 0 where an event is stored only with the firing itself. There may be none, for
    a clock or a key that never spoke; and of very many only the last are here, while `count`
    says how many there were. `too_deep` says that the chain is at the rule's bound: to be told,
    not to be acted upon. `occasion` sets apart what is made to fire once more from the firing
    that the same events led to by themselves. `late` says that it was due while nobody was there.
    """

    automation: str
    trigger: int
    key: Any
    events: tuple[Stored, ...]
    too_deep: bool = False
    occasion: Occasion | None = None
    cause: Stored | None = None
    """The event that completed it, where that is not the last: a timer's, or one that came late."""
    count: int | None = None
    late: bool = False
    holds: bool = False
    """A condition began to hold, and will be resolved."""
    known_as: str | None = None
    """The id, where that is settled before all that takes part is known."""
    since: Micros | None = None
    """When it was settled: then the first came of what was gathered for it."""

    @property
    def event(self) -> Event | None:
        return self.events[-1].event if self.events else None

    @property
    def completed_by(self) -> Stored:
        """The event with which it fired, which is where it stands in the order of the log."""
        return self.cause or self.events[-1]

    @property
    def size(self) -> int:
        """How many events took part."""
        return len(self.events) if self.count is None else self.count

    @property
    def depth(self) -> int:
        """That of what this firing causes: one below its deepest event."""
        taking_part = self.events or (self.completed_by,)
        return max(stored.event.depth for stored in taking_part) + 1

    @property
    def instant(self) -> Micros:
        """What ids carry that derive from it."""
        return self.completed_by.event.received if self.occasion is None else self.occasion.at

    @property
    def id(self) -> str:
        """The one id of this firing."""
        return self.known_as or firing_id(self)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A condition that held is over. `firing` is the id of the firing that said that it held.

    `event` is what cleared it, None where that was time alone; `cause` is the event, perhaps a
    timer's, with which it was over.
    """

    automation: str
    trigger: int
    key: Any
    firing: str
    event: Stored | None
    cause: Stored

    @property
    def completed_by(self) -> Stored:
        return self.cause


@dataclass(frozen=True, slots=True)
class Due:
    """The timer came due of a window that the rule keeps apart from its triggers."""

    automation: str
    trigger: int
    key: WindowKey
    due: Micros
    cause: Stored
    late: bool = False

    @property
    def completed_by(self) -> Stored:
        return self.cause


Outcome = Fired | Resolved | Due
"""What a trigger said, or a timer."""


ANSWERED: Final = "answered"
"""The code of what is no trouble, but the end of it."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A condition that could not be decided for an event, which counts as not met.

    With the code `ANSWERED` it could: after troubles, which is when that is told.
    """

    automation: str
    trigger: int
    event: Event
    code: str
    message: str
    at: Micros


class FiringSink(Protocol):
    """Makes something of firings."""

    async def fire(
        self, tx: Tx, fired: Sequence[Outcome], troubles: Sequence[Trouble] = ()
    ) -> list[Event]:
        """Record these firings, in this order, and all they set in motion; the events of it.

        Called once for each round of evaluation, and again from the start when the transaction
        is run again. A rule's own failure is recorded and does not raise; that a firing exists
        already does, for it would mean that an event was evaluated twice.
        """
        ...


def firing_id(fired: Fired) -> str:
    """The same for the same rule, trigger, key, event and occasion.

    The event's source takes part, for an event's id is unique only within it.
    """
    event = fired.completed_by.event
    occasion = () if fired.occasion is None else (fired.occasion.id,)
    return derived_id(
        fired.instant,
        fired.automation,
        str(fired.trigger),
        orjson.dumps(fired.key).decode(),
        event.source,
        event.id,
        *occasion,
    )
