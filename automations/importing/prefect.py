"""Automations of Prefect: what `prefect automation inspect` prints, or `create` reads.

One automation, a list of them, or a map with `automations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automations.importing.draft import Draft, Imported, finished, named
from automations.importing.notes import Note, Notes
from automations.importing.prefect_action import Around, action
from automations.importing.prefect_event_trigger import Trigger
from automations.importing.prefect_trigger import trigger

_KNOWN = {"name", "description", "enabled", "tags", "trigger", "actions", "actions_on_trigger",
          "actions_on_resolve"}  # fmt: skip
_NAMES_IT_THERE = {"id", "created", "updated", "account", "workspace", "actor"}
"""What Prefect keeps about an automation, and what means nothing elsewhere."""


def from_prefect(document: Any, names: Mapping[str, str] | None = None) -> Imported:
    """Drafts of the rules; `names` says what ids stand for here.

    Automations of the same document know each other by their ids.
    """
    notes = Notes("")
    listed = _listed(document, notes)
    known = {
        **{
            str(one["id"]): named(str(one.get("name", "")))
            for _, one in listed
            if isinstance(one, dict) and one.get("id")
        },
        **(names or {}),
    }
    drafts = [_draft(one, place, known) for place, one in listed]
    return Imported(finished(drafts), tuple(notes.found))


def _listed(document: Any, notes: Notes) -> list[tuple[str, Any]]:
    if isinstance(document, dict) and "automations" in document:
        for name in document.keys() - {"automations"}:
            notes.at(name).missing(f"`{name}`", "this field is not known")
        document, place = document["automations"], "automations"
    else:
        place = ""
    if isinstance(document, list):
        return [(f"{place}[{number}]", one) for number, one in enumerate(document)]
    return [] if document is None else [(place, document)]


def _draft(form: Any, place: str, names: Mapping[str, str]) -> Draft:
    notes = Notes(place)
    if not isinstance(form, dict):
        notes.missing("this automation", "it is not a map")
        form = {}
    for name in form.keys() - _KNOWN - _NAMES_IT_THERE:
        notes.at(name).missing(f"`{name}`", "rules have nothing like it")
    origin = str(form.get("name") or "an automation without a name")
    definition: dict[str, Any] = {}
    if description := form.get("description") or (origin if named(origin) != origin else ""):
        definition["description"] = str(description)
    if isinstance(form.get("tags"), list) and form["tags"]:
        definition["tags"] = [str(tag) for tag in form["tags"]]
    if form.get("enabled") is False:
        definition["enabled"] = False
    found = trigger(form.get("trigger"), notes.at("trigger")) or Trigger(
        {"event": "imported.never"}
    )
    definition["trigger"] = found.form
    if found.throttle:
        definition["throttle"] = found.throttle
    _actions(form, definition, Around(found, names), notes)
    return Draft(named(origin), origin, definition, tuple(_sorted(notes.found)))


def _actions(
    form: dict[str, Any], definition: dict[str, Any], around: Around, notes: Notes
) -> None:
    deeds = [
        action(one, around, notes.at(field, number))
        for field in ("actions", "actions_on_trigger")
        for number, one in enumerate(_list(form.get(field)))
        if not _is_nothing(one, notes.at(field, number))
    ]
    if not deeds:
        notes.at("actions").info(
            "no actions", "a rule has at least one: it sends an event", "Put what is to be done."
        )
        deeds.append({"emit": "prefect.action.do-nothing"})
    definition["actions"] = deeds
    resolving = [
        action(one, around, notes.at("actions_on_resolve", number))
        for number, one in enumerate(_list(form.get("actions_on_resolve")))
        if not _is_nothing(one, notes.at("actions_on_resolve", number))
    ]
    if resolving:
        definition["on_resolve"] = resolving


def _is_nothing(form: Any, notes: Notes) -> bool:
    if not isinstance(form, dict) or form.get("type") != "do-nothing":
        return False
    notes.info("`do-nothing`", "it was left out: `ensue.automation.fired` tells of each firing")
    return True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _sorted(notes: list[Note]) -> list[Note]:
    """What is missing first."""
    return sorted(
        notes, key=lambda note: ("missing", "differs", "info", "refused").index(note.kind)
    )
