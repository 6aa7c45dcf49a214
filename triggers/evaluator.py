"""The evaluator that the journal calls: from events to firings.

    match     outside the transaction: the index names the triggers, `where` has the last word
    advance   inside it: each trigger takes the events it is concerned by, in the order of the
              log, and says when it fires; all firings of a round go to the sink at once

`advance` sorts firings by the event that completed them, then by rule and trigger, so that
their order is the same whatever the batch, the replica or the order in which rules came.

An event that has come down a chain to the rule's `max_depth` sets nothing off. That is told,
once for each firing that was cut; except for the telling itself, which would go on for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from base.logs import logger
from base.time import Micros
from events.evaluation import Matched
from events.event import Event, Stored
from events.tx import Tx
from triggers.event_trigger import EventTrigger
from triggers.index import Index
from triggers.selector import Failure
from triggers.sink import Fired, FiringSink, Occasion, Trouble

log = logger("triggers")

LOOPED: Final = "ensue.automation.looped"
"""The type of the event that tells of a chain that was cut."""


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """A trigger at work: the one of this number in the rule of this name."""

    automation: str
    number: int
    trigger: EventTrigger
    max_depth: int

    def fired(self, stored: Stored, *, occasion: Occasion | None = None) -> Fired:
        deep = stored.event.depth >= self.max_depth
        return Fired(self.automation, self.number, None, (stored,), deep, occasion)


@dataclass(frozen=True, slots=True)
class Hit:
    """A listener concerned by an event; with `failure`, one whose condition has no answer."""

    listener: Listener
    failure: Failure | None = None


class TriggerEvaluator:
    """Meets `events.evaluation.Evaluator`."""

    def __init__(self, sink: FiringSink) -> None:
        self._sink = sink
        self._index: Index[Listener] = Index()
        self.epoch = 0

    def change(self, gone: Iterable[Listener], come: Iterable[Listener]) -> None:
        """Let these listen no more, and those from now on: one step, seen whole or not at all."""
        for listener in gone:
            self._index.remove(listener)
        for listener in come:
            self._index.add(listener, listener.trigger.selector)
        self.epoch += 1

    def match(self, event: Event) -> Matched:
        found = self._index.match(event.root())
        if not found:
            return Matched(event, (), self.epoch)
        hits = [hit for listener in found if (hit := _hit(listener, event)) is not None]
        return Matched(event, hits, self.epoch)

    async def advance(self, tx: Tx, matched: Sequence[Matched]) -> list[Event]:
        fired, troubles = decided(matched, tx.now)
        if not fired and not troubles:
            return []
        return await self._sink.fire(tx, fired, troubles)


def decided(
    matched: Sequence[Matched], now: Micros, *, occasion: Occasion | None = None
) -> tuple[list[Fired], list[Trouble]]:
    """What fires on these events, in order, and what could not be decided."""
    turns: dict[Listener, list[Stored]] = {}
    troubles = []
    for one in matched:
        for hit in one.hits:
            listener, failure = hit.listener, hit.failure
            if failure is None:
                turns.setdefault(listener, []).append(Stored(one.position, one.event))
            else:
                trouble = Trouble(
                    listener.automation,
                    listener.number,
                    one.event,
                    failure.code,
                    failure.message,
                    now,
                )
                troubles.append(trouble)
    fired = [
        listener.fired(stored, occasion=occasion)
        for listener, turn in turns.items()
        for stored in turn
    ]
    fired.sort(key=_order)
    return fired, troubles


def _hit(listener: Listener, event: Event) -> Hit | None:
    if event.depth >= listener.max_depth and event.type == LOOPED:
        return None
    predicate = listener.trigger.selector.predicate
    if predicate is None:
        return Hit(listener)
    try:
        answer = predicate.holds(event)
    except Exception as error:
        # A mistake of ours, and still no reason to refuse the event.
        log.exception("condition_not_decided", automation=listener.automation)
        answer = Failure("internal", repr(error)[:500])
    if answer is True:
        return Hit(listener)
    return Hit(listener, answer) if isinstance(answer, Failure) else None


def _order(fired: Fired) -> tuple[int, str, int]:
    return fired.events[-1].position, fired.automation, fired.trigger
