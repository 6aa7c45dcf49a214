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

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from base.logs import logger
from base.time import Micros
from events.evaluation import Matched
from events.event import Event
from events.tx import Tx
from triggers.deciding import Batch
from triggers.erring import Erring
from triggers.index import Index
from triggers.key import Missing
from triggers.listener import Ear, Hit, Listener, Node, Rung
from triggers.selector import Failure
from triggers.sink import FiringSink, Occasion, Outcome, Trouble
from triggers.timer import DUE, read_timer
from triggers.window import Tick
from triggers.windows import APART, NEW, WindowKey, Windows

log = logger("triggers")

LOOPED: Final = "ensue.automation.looped"
"""The type of the event that tells of a chain that was cut."""


class TriggerEvaluator:
    """Meets `events.evaluation.Evaluator`."""

    def __init__(
        self,
        sink: FiringSink,
        windows: Windows | None = None,
        *,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        """`variables` are what a clock's `where` sees as `vars`."""
        self._sink = sink
        self.windows = windows or Windows()
        self._variables = variables or {}
        self._index: Index[Ear] = Index()
        self._ears: dict[Listener, tuple[Ear, ...]] = {}
        self._listeners: dict[tuple[str, int], Listener] = {}
        self._erring = Erring()
        self.epoch = 0
        self.followed = 0
        """The epoch of the database that the rules here are of."""
        self.on_epoch: Callable[[Tx], Awaitable[None]] | None = None
        """Called in a transaction that is of another one."""

    def suspect(self, automations: Iterable[str]) -> None:
        """These rules erred when they were last asked."""
        self._erring.names |= set(automations)

    def change(self, gone: Iterable[Listener], come: Iterable[Listener]) -> None:
        """Let these listen no more, and those from now on: one step, seen whole or not at all."""
        for listener in gone:
            del self._listeners[listener.automation, listener.number]
            for ear in self._ears.pop(listener):
                self._index.remove(ear)
        for listener in come:
            self._listeners[listener.automation, listener.number] = listener
            ears = tuple(Ear(listener, leaf) for leaf in listener.trigger.leaves)
            self._ears[listener] = ears
            for ear in ears:
                self._index.add(ear, ear.leaf.selector)
        self.epoch += 1

    def match(self, event: Event) -> Matched:
        if event.type in self._index.unheard and event.type != DUE:
            return Matched(event, (), self.epoch)
        found = self._index.match(event.root())
        hits: list[Hit | Rung] = [hit for ear in found if (hit := _hit(ear, event)) is not None]
        if event.type == DUE and (rung := self._rung(event)) is not None:
            hits.append(rung)
        if self._erring.names:
            hits += self._erring.answers(found, hits)
        return Matched(event, hits, self.epoch)

    @property
    def listening(self) -> list[str]:
        """The rules that have triggers here."""
        return list({automation for automation, _ in self._listeners})

    def span(self, key: WindowKey) -> Micros | None:
        """How long the node behind a window waits; None where nobody listens."""
        if key.path.startswith(APART):
            return 0 if (key.automation, key.trigger) in self._listeners else None
        node = self.node(key)
        return node.span if node else None

    def node(self, key: WindowKey) -> Node | None:
        """The node of a trigger that a window belongs to, where it listens."""
        listener = self._listeners.get((key.automation, key.trigger))
        nodes = listener.trigger.nodes if listener else ()
        return next((node for node in nodes if node.path == key.path), None)

    async def follow(self, tx: Tx, epoch: int) -> None:
        if epoch != self.followed and self.on_epoch is not None:
            await self.on_epoch(tx)
        self.followed = epoch

    async def skip(self, tx: Tx, timer: Event) -> None:
        """Let a window go on behind its timer, as if it had rung, without what that sets off."""
        rung = self._rung(timer)
        node = self.node(rung.key) if rung else None
        if rung is None or node is None:
            return
        rows = self.windows.within(tx)
        before = (await rows.load([rung.key])).get(rung.key, NEW)
        # As it was then: what else may have been missed by now is not skipped with it.
        state = node.advance(before.state, Tick(rung.due, 0), rung.due).state
        await rows.save({rung.key: (before, replace(before, state=state))})

    async def advance(self, tx: Tx, matched: Sequence[Matched]) -> list[Event]:
        batch = Batch(matched, tx.now, variables=self._variables)
        if batch.keys:
            rows = self.windows.within(tx)
            batch.run(await rows.load(batch.keys))
            await rows.save(batch.changed)
            missing = batch.missing
            fired, troubles = batch.outcome(await rows.events(missing) if missing else ())
        else:
            batch.run({})
            fired, troubles = batch.outcome()
        if troubles or self._erring.names:
            troubles = self._erring.noted(matched, troubles, self._asked, tx.now)
        if not fired and not troubles:
            return []
        derived = await self._sink.fire(tx, fired, troubles)
        self._erring.settle(troubles)
        return derived

    def _asked(self, event: Event) -> list[Ear]:
        return self._index.match(event.root())

    def _rung(self, event: Event) -> Rung | None:
        timer = read_timer(event)
        if timer is None:
            return None
        key, due, late = timer
        listener = self._listeners.get((key.automation, key.trigger))
        return Rung(listener, key, due, late) if listener else None


def decided(
    matched: Sequence[Matched], now: Micros, *, occasion: Occasion
) -> tuple[list[Outcome], list[Trouble]]:
    """What fires when somebody asks for these events again; no window hears of them."""
    batch = Batch(matched, now, occasion)
    batch.run({})
    return batch.outcome()


def _hit(ear: Ear, event: Event) -> Hit | None:
    listener, leaf = ear.listener, ear.leaf
    if event.depth >= listener.max_depth and event.type == LOOPED:
        return None
    try:
        predicate = leaf.selector.predicate
        answer = True if predicate is None else predicate.holds(event)
        if answer is not True:
            return Hit(listener, leaf, failure=answer) if isinstance(answer, Failure) else None
        if leaf.key is None:
            return Hit(listener, leaf)
        key = leaf.key.of(event.root())
        if isinstance(key, Missing):
            return Hit(listener, leaf, failure=Failure(key.code, key.message))
        window = WindowKey(listener.automation, listener.number, leaf.path, key)
        return Hit(listener, leaf, window, leaf.value(event))
    except Exception as error:
        # A mistake of ours, and still no reason to refuse the event.
        log.exception("condition_not_decided", automation=listener.automation)
        return Hit(listener, leaf, failure=Failure("internal", repr(error)[:500]))
