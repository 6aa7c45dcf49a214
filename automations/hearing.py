"""What a rule listens to, and where in its definition that is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from automations.rule import Rule
from base.place import within
from events.expression import Expression
from triggers import kinds, listening
from triggers.absence import Absence
from triggers.event_trigger import EventTrigger
from triggers.glob import Glob
from triggers.key import Key
from triggers.listener import Trigger
from triggers.listening import Listening
from triggers.selector import Selector
from triggers.tree import Tree

_UNKEYED: Final = Key()


@dataclass(frozen=True, slots=True)
class Heard:
    """One selector of a rule.

    `place` is that of the map with the selector's fields, `globs` that of its type globs;
    `per_place` is where its key is named, which may be further out.
    """

    selector: Selector
    place: str
    globs: str
    form: Mapping[str, Any]
    per: Key = _UNKEYED
    per_place: str = ""
    value: Expression | None = None
    fires: bool = True
    """Whether a match may make the rule fire."""
    clears: bool = False
    """Whether a match may make it resolve."""
    node: listening.Node | None = None
    """What it is a member of; None for a trigger that fires on each match."""

    @property
    def written(self) -> Iterator[tuple[str, Glob]]:
        """Its type globs, each with its place."""
        name = self.globs.rpartition(".")[2]
        listed = isinstance(self.form.get(name), list)
        for number, glob in enumerate(self.selector.types):
            yield within(self.globs, number) if listed else self.globs, glob


def heard(rule: Rule, form: Any) -> Iterator[Heard]:
    """All selectors of a rule. `form` is its `trigger` as it was written."""
    items = form if isinstance(form, list) else [form]
    for number, (trigger, item) in enumerate(zip(rule.triggers, items, strict=True)):
        yield from _of(trigger, item, within("trigger", number) if form is items else "trigger")


def _of(trigger: Trigger, form: Mapping[str, Any], place: str) -> Iterator[Heard]:
    match trigger:
        case EventTrigger(selector):
            yield Heard(selector, place, within(place, "event"), form)
        case Tree(root):
            yield from _node(root, form, place, per_place="")


def _node(
    node: listening.Node, form: Mapping[str, Any], place: str, per_place: str
) -> Iterator[Heard]:
    if form.get("per") is not None:
        per_place = within(place, "per")
    for number, member in enumerate(node.members):
        item, here = _written(form, place, number)
        if not isinstance(member, Listening):
            yield from _node(member, item, here, per_place)
            continue
        fields = item if isinstance(item, Mapping) else {}
        named = next((name for name in ("event", *kinds.FIELDS) if name in fields), None)
        is_absent = isinstance(node, Absence) and number == 0
        yield Heard(
            member.selector,
            here,
            within(here, named) if named else here,
            fields,
            member.per,
            within(here, "per") if fields.get("per") is not None else per_place,
            member.value,
            fires=not is_absent,
            clears=node.is_condition,
            node=node,
        )


def _written(form: Mapping[str, Any], place: str, number: int) -> tuple[Any, str]:
    """The form of a node's member, and where it stands: a count's only one is its own form."""
    kind = kinds.kind_of(form) or ""
    if isinstance(form[kind], list) and kind in {"sequence", "all", "any"}:
        return form[kind][number], within(within(place, kind), number)
    return (form["after"], within(place, "after")) if number else (form, place)
