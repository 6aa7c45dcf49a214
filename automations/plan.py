"""What applying rules would change: files against what is in force.

Rules that a project directory brought are the directory's: they are compared like any other,
and cannot be applied over. What a plan rests on has a digest, its `base`, so that it can be
refused when things have moved on since it was shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal

import orjson

from automations.directory import ORIGIN as DIRECTORY
from automations.proposal import Proposal
from automations.queries import Automation
from automations.reader import Loaded, Problem, RuleFile
from automations.rule import Rule
from automations.store import Brought, Saved
from base.errors import ConflictError, UnprocessableError
from base.place import within

ORIGIN: Final = "api"
"""What rules belong to that are applied over the API."""

_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that differs. `added` says that it was not there, `removed` that it is to go."""

    path: str
    old: Any
    new: Any
    added: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of a rule.

    `resets` says that what its triggers remember is lost, for they would mean something else.
    `brought_by` is the file of the project directory that the rule belongs to: it is changed
    there, and nowhere else.
    """

    name: str
    kind: Literal["created", "updated", "deleted", "unchanged"]
    old: Rule | None
    new: RuleFile | None
    fields: tuple[FieldChange, ...] = ()
    resets: bool = False
    brought_by: str | None = None

    @property
    def conflicts(self) -> bool:
        return self.brought_by is not None and self.kind != "unchanged"


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes by name, and what is wrong with the files."""

    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    prune: bool
    base: str

    def proposal(self, base: str | None = None) -> Proposal:
        """What is to be applied. `base` is that of the plan which was agreed to.

        Raises UnprocessableError while files are invalid, ConflictError for rules that a
        directory brought, or, also when it is applied, for a plan that is out of date.
        """
        if self.problems:
            raise _invalid(self.problems)
        if base is not None and base != self.base:
            raise _outdated()
        for change in self.changes:
            if change.conflicts:
                raise _conflict(change.name, change.brought_by)
        brought = [one for one in self.changes if one.new and one.brought_by is None]
        return Proposal(
            ORIGIN,
            [(one.new.rule, Brought(one.new.file, one.new.line)) for one in brought if one.new],
            prune=self.prune,
            check=self._check,
        )

    def _check(self, saved: Mapping[str, Saved]) -> None:
        """Whether the plan still rests on what there is."""
        rests_on = {name: (one.revision, one.origin) for name, one in saved.items()}
        names = [change.name for change in self.changes]
        if _base(names, rests_on, prune=self.prune) != self.base:
            raise _outdated()


def plan(loaded: Loaded, in_force: Sequence[Automation], *, prune: bool) -> Plan:
    """Compares the rules of files with all that there are. Blocks: old rules are compiled.

    With `prune` the files are all that this origin has: what it applied before and does not
    bring now is deleted.
    """
    there = {one.name: one for one in in_force}
    changes = [_change(found, there.get(found.rule.name)) for found in loaded.rules]
    brought = {change.name for change in changes}
    gone = [one for one in in_force if one.origin == ORIGIN and one.name not in brought]
    if prune:
        changes += [Change(one.name, "deleted", _rule(one), None) for one in gone]
    changes.sort(key=lambda change: change.name)
    rests_on = {one.name: (one.revision, one.origin) for one in in_force}
    names = [change.name for change in changes]
    return Plan(tuple(changes), loaded.problems, prune, _base(names, rests_on, prune=prune))


def _change(found: RuleFile, there: Automation | None) -> Change:
    new = found.rule
    old = _rule(there) if there else None
    brought_by = None
    if there and there.origin == DIRECTORY:
        brought_by = there.file or DIRECTORY
    if old is None:
        return Change(new.name, "created", None, found, brought_by=brought_by)
    if old.digest == new.digest:
        return Change(new.name, "unchanged", old, found, brought_by=brought_by)
    fields = tuple(compare(_plain(old), _plain(new)))
    resets = old.trigger_digest != new.trigger_digest and _remembers(old)
    return Change(new.name, "updated", old, found, fields, resets, brought_by)


def _remembers(rule: Rule) -> bool:
    """Whether it has windows that could be lost."""
    gathers = rule.flow.throttle is not None or rule.flow.gathering is not None
    return gathers or any(trigger.nodes for trigger in rule.triggers)


def _rule(there: Automation) -> Rule | None:
    """The definition in force; None for what never was in order."""
    return Rule.parse(dict(there.definition)) if there.definition else None


def _plain(rule: Rule) -> Mapping[str, Any]:
    """The definition as people write it: a single trigger is no list."""
    definition = dict(rule.definition)
    if len(definition["trigger"]) == 1:
        (definition["trigger"],) = definition["trigger"]
    return definition


def compare(old: Any, new: Any, place: str = "") -> Iterator[FieldChange]:
    """The fields that differ, in the order of the new ones."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*new, *old)):
            here = within(place, name)
            yield from compare(old.get(name, _ABSENT), new.get(name, _ABSENT), here)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from compare(one, other, within(place, number))
    elif old is _ABSENT:
        yield FieldChange(place, None, new, added=True)
    elif new is _ABSENT:
        yield FieldChange(place, old, None, removed=True)
    elif orjson.dumps(old) != orjson.dumps(new):
        yield FieldChange(place, old, new)


def _base(names: Iterable[str], rests_on: Mapping[str, tuple[int, str]], *, prune: bool) -> str:
    """A digest of what there is of these rules; and of all that are this origin's, to prune."""
    ours = [name for name, (_, origin) in rests_on.items() if prune and origin == ORIGIN]
    there = [(name, *rests_on.get(name, (0, ""))) for name in sorted({*names, *ours})]
    return blake2b(orjson.dumps(there), digest_size=12).hexdigest()


def _invalid(problems: Sequence[Problem]) -> UnprocessableError:
    first = problems[0]
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return UnprocessableError(
        f"{first.message}{more}",
        code="rules_invalid",
        place=f"{first.file}:{first.line}:{first.column}",
        hint=first.hint,
    )


def _conflict(name: str, file: str | None) -> ConflictError:
    return ConflictError(
        f"the rule {name} is brought by {file} of the project directory",
        code="rule_of_directory",
        hint=f"change it there, or take it out of {file} first",
    )


def _outdated() -> ConflictError:
    return ConflictError(
        "the rules have changed since this plan was made",
        code="plan_outdated",
        hint="make the plan again and look at it",
    )
