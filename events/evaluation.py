"""What the journal asks of whoever decides: the one call upwards from this floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from events.event import Event
from events.tx import Tx


@dataclass(slots=True)
class Matched:
    """An event and who is concerned by it. `hits` is the evaluator's own; empty means nobody."""

    event: Event
    hits: Sequence[Any]
    epoch: int
    position: int = 0
    """Its place in the log; set by the journal once it is known."""


class Evaluator(Protocol):
    """Decides what events set in motion."""

    @property
    def epoch(self) -> int:
        """Rises whenever the rules change: what was matched under another epoch is matched again."""
        ...

    def match(self, event: Event) -> Matched:
        """Who is concerned. Pure and outside any transaction. Never raises for an odd event."""
        ...

    async def follow(self, tx: Tx, epoch: int) -> None:
        """Take over what other servers changed, if this number is news (see `events.epoch`).

        Called before anything else is done in a transaction.
        """
        ...

    async def advance(self, tx: Tx, matched: Sequence[Matched]) -> list[Event]:
        """Advance what the events touch, in this order, and write what they set in motion.

        Called once for each stored event, in the order of the log; returns the events that
        this derived, which the journal stores and evaluates in turn. A rule's own error is
        recorded and does not raise: what raises here fails the transaction.
        """
        ...


class NoRules:
    """An evaluator that is concerned by nothing: a log without automation."""

    epoch = 0

    def match(self, event: Event) -> Matched:
        return Matched(event, (), 0)

    async def follow(self, tx: Tx, epoch: int) -> None:
        pass

    async def advance(self, tx: Tx, matched: Sequence[Matched]) -> list[Event]:  # noqa: ARG002 - the protocol's
        return []
