"""Firing once more, because somebody asks: by hand, or by replaying an event.

Each asking is an *occasion*, whose id is part of the identity of the firings it leads to; so
they act again, and asking twice is two occasions. The breaker does not count them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automations import notices, store
from automations.firing_sink import FiringRecorder
from automations.ruleset import Live, Ruleset
from base.errors import ConflictError, NotFoundError
from base.ids import new_id
from base.time import now
from events.change import Change, Lane
from events.event import Event, Stored
from events.journal import Journal
from events.tx import Tx
from triggers.evaluator import TriggerEvaluator, decided
from triggers.listener import Hit
from triggers.sink import Fired, Occasion


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it: the id of the occasion, and of the firings.

    `untold` are the rules that the event would have concerned, had they not heard of it before.
    """

    id: str
    firings: tuple[str, ...]
    untold: tuple[str, ...] = ()


class Occasions:
    """Lets rules fire again."""

    def __init__(
        self,
        journal: Journal,
        rules: Ruleset,
        recorder: FiringRecorder,
        evaluator: TriggerEvaluator,
    ) -> None:
        self._journal = journal
        self._rules = rules
        self._recorder = recorder
        self._evaluator = evaluator

    async def fire(self, name: str, stored: Stored | None = None, *, data: Any = None) -> Asked:
        """Let a rule fire on an event of the log, whatever its trigger says of it.

        Without one, on an event made for it and stored with the firing:
        `ensue.automation.manual` from the rule itself, with `data`. Also a rule that is paused
        or disabled fires; one in shadow only records it. Raises NotFoundError.
        """
        self._live(name)
        occasion = Occasion(new_id(), now())
        made = None if stored else _manual(name, data, occasion)
        events = (stored,) if stored else (Stored(0, made),) if made else ()
        fired = [Fired(name, 0, None, events, occasion=occasion)]

        async def operation(tx: Tx) -> Sequence[Event]:
            derived = await self._recorded(tx, fired)
            return [made, *derived] if made else derived

        return await self._submit(occasion, lambda: fired, operation)

    async def replay(self, stored: Stored, automation: str | None = None) -> Asked:
        """Evaluate an event of the log again, by the rules of now, or by one of them.

        Triggers that remember do not hear of it: in their windows it was counted, or was not, and
        counting it twice would be wrong. `untold` names their rules. Flow control is passed by.
        Raises NotFoundError for a rule that is not there, ConflictError for one that is paused
        or disabled.
        """
        if automation is not None and not self._live(automation).listens:
            raise ConflictError(
                f"the automation {automation} is paused or disabled",
                code="automation_not_listening",
                hint="resume it, or fire it by hand",
            )
        occasion = Occasion(new_id(), now())
        fired: list[Fired] = []
        untold: list[str] = []

        async def operation(tx: Tx) -> Sequence[Event]:
            nonlocal fired, untold
            matched = self._evaluator.match(stored.event)
            matched.position = stored.position
            untold = sorted(
                {
                    hit.listener.automation
                    for hit in matched.hits
                    if isinstance(hit, Hit) and hit.window is not None
                }
            )
            found, _ = decided([matched], tx.now, occasion=occasion)
            fired = [
                one
                for one in found
                if isinstance(one, Fired) and automation in (None, one.automation)
            ]
            return await self._recorded(tx, fired)

        asked = await self._submit(occasion, lambda: fired, operation)
        return replace(asked, untold=tuple(n for n in untold if automation in (None, n)))

    async def _recorded(self, tx: Tx, fired: Sequence[Fired]) -> Sequence[Event]:
        """Record the firings, unless an earlier try of this very occasion did."""
        done = await store.known(tx, [one.id for one in fired])
        return await self._recorder.fire(tx, [o for o in fired if o.id not in done])

    async def _submit(
        self,
        occasion: Occasion,
        fired: Callable[[], Sequence[Fired]],
        operation: Callable[[Tx], Awaitable[Sequence[Event]]],
    ) -> Asked:
        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        return Asked(occasion.id, tuple(one.id for one in fired()))

    def _live(self, name: str) -> Live:
        live = self._rules.get(name)
        if live is None:
            raise NotFoundError(f"there is no automation {name}", code="automation_unknown")
        return live


def _manual(name: str, data: Any, occasion: Occasion) -> Event:
    return Event(
        id=occasion.id,
        source=notices.source(name),
        type=notices.MANUAL,
        subject=name,
        time=occasion.at,
        received=occasion.at,
        data=data,
    )
