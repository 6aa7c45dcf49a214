"""Parts of a document that are a map or a list, where they are; what they are not is told."""

from __future__ import annotations

from typing import Any

from automations.importing.notes import Notes

Form = dict[str, Any]


def mapped(value: Any, notes: Notes) -> Form:
    """A map; an empty one, with a note, for anything else that is there."""
    if isinstance(value, dict):
        return value
    if value is not None:
        notes.missing("this part", "it is not a map")
    return {}


def listed(value: Any, notes: Notes) -> list[Any]:
    """A list; of a single value a list of one."""
    if value is None:
        return []
    if isinstance(value, dict):
        notes.missing("this part", "it is not a list")
        return []
    return value if isinstance(value, list) else [value]


def maps(value: Any, notes: Notes) -> list[tuple[Form, Notes]]:
    """The maps in a list, each with its place."""
    found = []
    for number, item in enumerate(listed(value, notes)):
        here = notes.at(number)
        if isinstance(item, dict):
            found.append((item, here))
        else:
            here.missing("this part", "it is not a map")
    return found


def text(value: Any) -> str | None:
    """A text, where it is one."""
    return value if isinstance(value, str) else None
