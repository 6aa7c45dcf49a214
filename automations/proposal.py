"""A proposal meets what there is: which rules come, change, stay and go.

Works inside the journal's transaction; the outcome, the events and the changes of the rules at
work are left in the fields of the application.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automations import notices, store
from automations.reader import Problem
from automations.rule import MAX_NAME, Rule
from automations.store import Brought, Saved
from events.event import Event
from events.tx import Tx


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an origin brings: rules in order, each with where it stands, and what is wrong."""

    origin: str
    rules: Sequence[tuple[Rule, Brought | None]]
    problems: Sequence[Problem] = ()
    prune: bool = False
    """Whether that is all it has: then what it brought before, and does not now, is deleted."""
    check: Callable[[Mapping[str, Saved]], None] = lambda _saved: None
    """Asked with all there is, in the transaction that is to apply it; raises to refuse."""


@dataclass(slots=True)
class Outcome:
    """What applying came to, by name."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    """Those with problems, whether an earlier definition goes on working or not."""
    skipped: bool = False
    """It was an older copy, or one that was applied already: nothing was done."""


class Application:
    """One proposal being applied."""

    def __init__(self, tx: Tx, proposal: Proposal, saved: dict[str, Saved]) -> None:
        self._tx = tx
        self._proposal = proposal
        self._saved = saved
        self._kept: set[str] = set()
        self.outcome = Outcome()
        self.events: list[Event] = []
        self.changed: dict[str, tuple[Rule, int] | None] = {}
        """By name: the rule and its revision; None for one that is gone."""
        self.forgotten: list[str] = []
        """Rules whose windows mean nothing any more: they wait for something else, or are gone."""
        self.beginning: list[Rule] = []
        """Rules that begin to listen, or to listen for something else."""
        self.ending: list[str] = []
        """Rules that were heard of before and listen no more."""

    async def run(self) -> None:
        """Raises what the proposal's check raises."""
        self._proposal.check(self._saved)
        for rule, brought in self._proposal.rules:
            await self._upsert(rule, brought)
            self._kept.add(rule.name)
        for name, problems in self._faulty().items():
            await self._mark(name, problems)
        if self._proposal.prune:
            await self._prune()

    async def _upsert(self, rule: Rule, brought: Brought | None) -> None:
        saved, origin = self._saved.get(rule.name), self._proposal.origin
        if saved is not None and not saved.is_good:
            await store.remove(self._tx, [rule.name])
            saved = None
        if saved is None:
            await store.add(self._tx, rule, origin, brought)
            self.outcome.created.append(rule.name)
            self._tell(notices.CREATED, rule, 1)
            if rule.enabled:
                self.beginning.append(rule)
        elif saved.digest != rule.digest:
            revision = saved.revision + 1
            await store.change(self._tx, rule, origin, brought, revision=revision)
            self.outcome.updated.append(rule.name)
            restarts = saved.trigger_digest != rule.trigger_digest
            if restarts:
                self.forgotten.append(rule.name)
            if rule.enabled and not saved.paused and (restarts or not saved.listens):
                self.beginning.append(rule)
            elif not rule.enabled:
                self.ending.append(rule.name)
            self._tell(notices.UPDATED, rule, revision, trigger_changed=restarts)
        else:
            self.outcome.unchanged.append(rule.name)
            here = (brought.file, brought.line) if brought else (None, None)
            if (saved.origin, saved.file, saved.line) != (origin, *here) or saved.problems:
                await store.place(self._tx, rule.name, origin, brought)

    def _tell(self, type_: str, rule: Rule, revision: int, **more: Any) -> None:
        data = {
            "revision": revision,
            "origin": self._proposal.origin,
            "enabled": rule.enabled,
            "shadow": rule.shadow,
            **more,
        }
        self.events.append(notices.changed(type_, rule.name, data, self._tx.now))
        self.changed[rule.name] = (rule, revision)

    def _faulty(self) -> dict[str, list[Problem]]:
        """The problems by the rule they concern.

        Where a rule's name cannot be read, its whole file is concerned: each rule that the file
        brought before and does not bring now may be the one. Where there is none such, the
        problem stands under the file's name.
        """
        faulty: dict[str, list[Problem]] = {}
        for problem in self._proposal.problems:
            if problem.automation is not None and self._is_ours(problem.automation):
                names = [problem.automation]
            else:
                names = self._brought_before(problem.file) or [problem.file]
            for concerned in names:
                faulty.setdefault(concerned, []).append(problem)
        return faulty

    def _is_ours(self, name: str) -> bool:
        """Whether a problem may stand under this name, as far as it is one."""
        if not 0 < len(name) <= MAX_NAME or "/" in name:
            return False
        saved = self._saved.get(name)
        return saved is None or name in self._kept or saved.origin == self._proposal.origin

    def _brought_before(self, file: str) -> list[str]:
        return [
            saved.name
            for saved in self._saved.values()
            if saved.origin == self._proposal.origin
            and saved.file == file
            and saved.is_good
            and saved.name not in self._kept
        ]

    async def _mark(self, name: str, problems: Sequence[Problem]) -> None:
        if name in self._saved or name in self._kept:
            await store.set_problems(self._tx, name, problems)
        else:
            brought = Brought(problems[0].file, problems[0].line)
            origin = self._proposal.origin
            await store.add_problems(self._tx, name, origin, brought, problems)
        self._kept.add(name)
        self.outcome.invalid.append(name)

    async def _prune(self) -> None:
        gone = [
            saved
            for saved in self._saved.values()
            if saved.origin == self._proposal.origin and saved.name not in self._kept
        ]
        await store.remove(self._tx, [saved.name for saved in gone])
        for saved in gone:
            if saved.is_good:
                self.outcome.deleted.append(saved.name)
                data = {"origin": saved.origin}
                event = notices.changed(notices.DELETED, saved.name, data, self._tx.now)
                self.events.append(event)
                self.changed[saved.name] = None
                self.forgotten.append(saved.name)
