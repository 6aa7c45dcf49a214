"""What callers hand to the journal, and what they get back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from events.event import Event
from events.tx import Tx


class Lane(Enum):
    """Whose work it is: what comes from outside can be told to wait, our own cannot."""

    INTAKE = "intake"
    SERVICE = "service"


@dataclass(slots=True)
class Receipt:
    """What became of a change. Positions are those of its events, then of its operation's.

    None stands for a duplicate, which changed nothing; `reused` holds the indexes of those
    duplicates whose id had been taken by an event with another body.
    """

    positions: list[int | None] = field(default_factory=list)
    reused: list[int] = field(default_factory=list)


Operation = Callable[[Tx], Awaitable[Sequence[Event]]]
"""Changes state in the transaction and returns the events this derived.

It may run more than once before it is committed, so what it leaves outside `tx` must be
overwritten by the next run. An error it raises fails its own change and no other.
"""

Settlement = Callable[[Tx, Receipt], Awaitable[None]]
"""Writes, in the same transaction, what depends on which events were duplicates."""


@dataclass(slots=True)
class Change:
    """Events to store, the state change that belongs to them, or both: committed as one.

    Never changed once it is made. That is not enforced, which would triple the cost of making it.
    """

    events: Sequence[Event] = ()
    operation: Operation | None = None
    settlement: Settlement | None = None
    lane: Lane = Lane.INTAKE
