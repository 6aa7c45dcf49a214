"""Event patterns: the pattern language is ours too, over events of another shape.

| EventBridge | here |
|---|---|
| `source` | `source` |
| `detail-type` | `type` |
| `detail` | `data` |
| `id`, `time` | `id`, `time` |
| `resources` | `subject`, the first of them |
| `account`, `region` | extension attributes of these names |
"""

from __future__ import annotations

import json
from typing import Any

from automations.importing.notes import Notes
from automations.importing.parts import Form

_FIELDS = {
    "source": "source",
    "detail-type": "type",
    "detail": "data",
    "id": "id",
    "time": "time",
    "resources": "subject",
    "account": "account",
    "region": "region",
}


def event_trigger(pattern: Any, notes: Notes) -> Form:
    """An `event` trigger; a pattern that cannot be read makes one that never fires."""
    if isinstance(pattern, str):
        try:
            pattern = json.loads(pattern)
        except ValueError:
            pattern = None
    if not isinstance(pattern, dict) or not pattern:
        notes.missing("the pattern", "it is not an object with fields")
        return {"event": "imported.never"}
    match = _renamed(pattern, notes)
    trigger: Form = {"event": "*"}
    if globs := _globs(match.get("type")):
        trigger["event"] = globs
        del match["type"]
    if globs := _globs(match.get("source")):
        trigger["source"] = globs
        del match["source"]
    if match:
        trigger["match"] = match
    return trigger


def _renamed(pattern: Form, notes: Notes) -> Form:
    """The pattern over our fields. Alternatives have fields of their own."""
    renamed: Form = {}
    for name, conditions in pattern.items():
        if name == "$or" and isinstance(conditions, list):
            renamed["$or"] = [
                _renamed(one, notes.at("$or", number)) if isinstance(one, dict) else one
                for number, one in enumerate(conditions)
            ]
            continue
        field, dot, rest = name.partition(".")
        here = notes.at(name)
        if field == "version":
            here.info("`version`", "events of EventBridge always have the version 0")
        elif own := _FIELDS.get(field):
            renamed[f"{own}{dot}{rest}"] = conditions
            _tell(field, here)
        else:
            here.missing(f"`{field}`", "events of EventBridge have no such field")
    return renamed


def _tell(field: str, notes: Notes) -> None:
    if field == "resources":
        notes.differs("`resources`", "an event has one subject here, the first of the resources")
    elif field in {"account", "region"}:
        notes.differs(
            f"`{field}`",
            f"it is the extension attribute `{field}` here, where the sender gives one",
        )
    elif field == "time":
        notes.differs("`time`", "it is written here with what fraction of a second it has")


def _globs(conditions: Any) -> str | list[str] | None:
    """Globs that say the same as the conditions, where there are such."""
    globs = [_glob(one) for one in (conditions if isinstance(conditions, list) else [conditions])]
    found = [glob for glob in globs if glob is not None]
    if not found or len(found) < len(globs):
        return None
    return found[0] if len(found) == 1 else found


def _glob(condition: Any) -> str | None:
    """None where a glob cannot say it, or reaches less: `*` leaves the service's own events."""
    if isinstance(condition, str):
        return condition if condition and not set(condition) & {"*", "?"} else None
    if not isinstance(condition, dict) or len(condition) != 1:
        return None
    [(operator, text)] = condition.items()
    if not isinstance(text, str) or not text or set(text) & {"?", "\\"}:
        return None
    if operator == "wildcard" and not text.startswith("*"):
        return text
    if "*" in text:
        return None
    return {"prefix": f"{text}*", "suffix": f"*{text}"}.get(operator)
