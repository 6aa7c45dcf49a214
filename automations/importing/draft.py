"""A draft: the rule that an import made, with its notes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automations.importing.notes import Note
from automations.rule import MAX_NAME, Rule
from base.fields import FormError

_NOT_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition as it is to be written. `origin` is what the original was called."""

    name: str
    origin: str
    definition: Mapping[str, Any]
    notes: tuple[Note, ...]

    @property
    def loads(self) -> bool:
        """Whether this version takes the rule as it is written."""
        return not any(note.kind == "refused" for note in self.notes)


@dataclass(frozen=True, slots=True)
class Imported:
    """What a document gave; `notes` are those that belong to no rule."""

    drafts: tuple[Draft, ...]
    notes: tuple[Note, ...]


def finished(drafts: Iterable[Draft]) -> tuple[Draft, ...]:
    """Each under a name of its own, in shadow where something is missing, tried for loading."""
    taken: set[str] = set()
    done = []
    for draft in drafts:
        name = _free(draft.name, taken)
        taken.add(name)
        definition = {**draft.definition, "name": name}
        if any(note.kind == "missing" for note in draft.notes):
            definition["shadow"] = True
        definition = _ordered(definition)
        notes = (*draft.notes, *_refusals(definition))
        done.append(replace(draft, name=name, definition=definition, notes=notes))
    return tuple(done)


def named(text: str) -> str:
    """A rule's name out of any text: `Cancel long runs!` is `cancel-long-runs`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    if " " in plain.strip():
        plain = plain.lower()
    return _NOT_NAME.sub("-", plain)[:MAX_NAME].strip("-._") or "imported"


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: MAX_NAME - 5]}-{number}"
    return free


_ORDER = ("name", "description", "tags", "enabled", "shadow", "trigger")


def _ordered(definition: Mapping[str, Any]) -> dict[str, Any]:
    names: Sequence[str] = [*_ORDER, *(name for name in definition if name not in _ORDER)]
    return {name: definition[name] for name in names if name in definition}


def _refusals(definition: Mapping[str, Any]) -> list[Note]:
    try:
        Rule.parse(dict(definition))
    except FormError as error:
        return [
            Note(
                "refused",
                one.place or "rule",
                one.message.splitlines()[0],
                _why(one.code),
                one.hint or "",
            )
            for one in error.complaints
        ]
    return []


def _why(code: str) -> str:
    return f"the rule does not load as it stands ({code})"
