"""Changing the rules: applied, paused and resumed through the journal, one operation each.

A rule is its name. Applying is an upsert by name; what an origin no longer brings goes, where
the origin says that what it brings is all it has. The revision of a rule rises only when its
definition changed, and the rules at work change with the commit (see `ruleset`).

What is wrong in the newest content never stops what was right before: the last good definition
goes on working, and the problems are kept beside it. What never was in order is kept too, with
no definition, so that it can be seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlmodel import col, select

from automations import notices, reach, store
from automations.proposal import Application, Outcome, Proposal
from automations.rule import Rule
from automations.ruleset import Changes, Live, Ruleset, Turnover
from automations.tables import AutomationRow
from base.database import Database
from base.errors import EnsueError, NotFoundError, UnprocessableError
from base.logs import logger
from events import epoch
from events.change import Change, Lane
from events.event import Event
from events.journal import Journal
from events.tx import Tx
from triggers.arming import arm
from triggers.reading import Limits
from triggers.trigger_form import LIMITS
from triggers.windows import Windows

log = logger("automations")

_Decided = tuple[Sequence[Event], Turnover]
_NOTHING: _Decided = ((), dict)


class Rulebook:
    """All that changes rules. What its methods did is in force when they return."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        rules: Ruleset,
        windows: Windows,
        *,
        limits: Limits = LIMITS,
    ) -> None:
        self._database = database
        self._journal = journal
        self._rules = rules
        self._windows = windows
        self._limits = limits
        self.on_resumed: Callable[[str], None] = lambda _name: None
        """Called with the name of a rule that a person resumed."""
        journal.subscribe(rules.committed)

    async def load(self) -> None:
        """Take over all rules from the database: before the journal runs, or after a doubt."""
        columns: Any = (
            AutomationRow.name,
            AutomationRow.definition,
            AutomationRow.revision,
            AutomationRow.paused,
            AutomationRow.in_a_row,
        )
        statement: Any = select(*columns).where(col(AutomationRow.definition).is_not(None))
        async with self._database.reader() as session:
            rows = (await session.exec(statement)).all()
        changes: dict[str, Live | None] = {live.rule.name: None for live in self._rules}
        for name, definition, revision, paused, _ in rows:
            changes[name] = self._read(name, definition, revision, bool(paused))
        self._rules.switch(changes)
        self._rules.suspect(row[0] for row in rows if row[-1])

    async def follow(self, tx: Tx) -> None:
        """Take over what other servers changed, as this transaction sees it."""
        there = {row.name: row for row in await store.standing(tx)}
        changes: dict[str, Live | None] = {
            live.rule.name: None for live in self._rules if live.rule.name not in there
        }
        news = []
        for name, row in there.items():
            live = self._rules.get(name)
            if live is None or (live.revision, live.rule.digest) != (row.revision, row.digest):
                news.append(name)
            elif live.paused != row.paused:
                changes[name] = replace(live, paused=row.paused)
        for name, definition in await store.definitions(tx, news):
            changes[name] = self._read(name, definition, there[name].revision, there[name].paused)
        before = {name: self._rules.get(name) for name in changes}
        self._rules.switch(changes)
        for name, now in changes.items():
            was = before[name]
            if was and was.paused and now and not now.paused:
                self.on_resumed(name)

    def _read(self, name: str, definition: str, revision: int, paused: bool) -> Live | None:
        try:
            rule = Rule.parse(orjson.loads(definition), limits=self._limits)
        except EnsueError as error:
            # Another version took it for a rule; it is back when it is applied again.
            log.warning("stored_rule_invalid", automation=name, reason=str(error))
            return None
        return Live(rule, revision, paused)

    async def apply(self, proposal: Proposal, *, instance: str = "", digest: str = "") -> Outcome:
        """Make the rules what the proposal says, in one transaction.

        With `instance` and `digest`, only if this copy of the origin changed since it was last
        applied: so replicas with older copies do not undo what a newer one brought. Raises
        UnprocessableError for two rules of one name.
        """
        _refuse_namesakes(proposal)
        outcome = Outcome()

        async def decide(tx: Tx) -> _Decided:
            nonlocal outcome
            if instance and not await store.is_news(tx, proposal.origin, instance, digest):
                outcome = Outcome(skipped=True)
                return _NOTHING
            application = Application(tx, proposal, await store.saved(tx))
            await application.run()
            await self._remember(tx, application)
            outcome = application.outcome
            return application.events, lambda: self._with(application.changed)

        await self._submit(decide)
        return outcome

    async def remove(self, name: str) -> None:
        """Delete a rule, whoever brought it. Raises NotFoundError."""

        async def decide(tx: Tx) -> _Decided:
            await _must_exist(tx, name)
            await store.remove(tx, [name])
            await self._windows.drop(tx, [name])
            event = notices.changed(notices.DELETED, name, {}, tx.now)
            return [event], lambda: {name: None}

        await self._submit(decide)

    async def pause(self, name: str, reason: str = "manual") -> bool:
        """Stop a rule until it is resumed. False where it was paused. Raises NotFoundError."""
        return await self._set_paused(name, paused=True, reason=reason)

    async def resume(self, name: str) -> bool:
        """Let a paused rule go on. False where it was not paused. Raises NotFoundError."""
        resumed = await self._set_paused(name, paused=False)
        if resumed:
            self.on_resumed(name)
        return resumed

    async def _set_paused(self, name: str, *, paused: bool, reason: str = "") -> bool:
        changed = False

        async def decide(tx: Tx) -> _Decided:
            nonlocal changed
            await _must_exist(tx, name)
            if paused:
                changed = await reach.pause(tx, self._windows, name, reason)
            else:
                changed = await reach.resume(tx, self._windows, self._rules, name)
            if not changed:
                return _NOTHING
            type_ = notices.PAUSED if paused else notices.RESUMED
            event = notices.changed(type_, name, {"reason": reason} if paused else {}, tx.now)
            return [event], lambda: self._paused(name, paused=paused)

        await self._submit(decide)
        return changed

    async def _remember(self, tx: Tx, application: Application) -> None:
        """Keep, forget and set going what rules remember, as their triggers stay or change."""
        await self._windows.drop(tx, application.forgotten)
        await self._windows.hush(tx, application.ending)
        for rule in application.beginning:
            await arm(tx, self._windows, rule.name, rule.triggers)

    def _with(self, changed: dict[str, tuple[Rule, int] | None]) -> Changes:
        """The rules at work with these definitions; who was paused stays so."""
        changes: dict[str, Live | None] = {}
        for name, now in changed.items():
            before = self._rules.get(name)
            changes[name] = Live(*now, before.paused if before else False) if now else None
        return changes

    def _paused(self, name: str, *, paused: bool) -> Changes:
        live = self._rules.get(name)
        return {name: replace(live, paused=paused)} if live else {}

    async def _submit(self, decide: Callable[[Tx], Awaitable[_Decided]]) -> None:
        """Change the database, and the rules at work with its commit."""
        staged: list[str] = []

        async def operation(tx: Tx) -> Sequence[Event]:
            events, turnover = await decide(tx)
            if events:
                await epoch.advance(tx)
                self._rules.stage(events[0].id, turnover)
                staged.append(events[0].id)
            return events

        try:
            await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        finally:
            unseen = [event for event in staged if self._rules.discard(event)]
        if staged and staged[-1] in unseen:
            # Its commit was not seen, and the change is there all the same.
            await self.load()


async def _must_exist(tx: Tx, name: str) -> None:
    if not await store.exists(tx, name):
        raise NotFoundError(f"there is no automation {name}", code="automation_unknown")


def _refuse_namesakes(proposal: Proposal) -> None:
    for name, count in Counter(rule.name for rule, _ in proposal.rules).items():
        if count > 1:
            raise UnprocessableError(
                f"there are {count} rules named {name}",
                code="name_taken",
                hint="a rule is its name: choose another",
            )
