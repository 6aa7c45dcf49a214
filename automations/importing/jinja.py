"""Templates of Prefect, as far as they are plain: `{{ event.resource.name }}` becomes CEL.

A path into the event, the flow run or the automation has an equal; filters, conditions and
loops have none and are left standing as text, with a note.
"""

from __future__ import annotations

import re
from typing import Any

from automations.importing.notes import Notes
from automations.importing.spelling import literal, selected

_PLACE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_STATEMENT = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[(?:'[^'\"]*'|\"[^'\"]*\"|\d+)\])*")
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(?:'([^']*)'|\"([^\"]*)\"|(\d+))\]")

_ANY = {
    "event.id": "event.id",
    "event.event": "event.type",
    "event.occurred": "event.time",
    "event.received": "event.time",
    "automation.name": "automation.name",
    "automation.description": "automation.description",
}
_RUN = {
    "event.resource.id": "event.subject",
    "event.resource.prefect.resource.id": "event.subject",
    "event.resource.prefect.state-name": "event.data.state",
    "event.resource.prefect.state-message": "event.data.message",
    "event.resource.prefect.run-count": "event.data.attempt",
    "flow_run.id": "event.subject",
    "flow_run.state.name": "event.data.state",
    "flow_run.state.type": "event.data.state",
    "flow_run.state.message": "event.data.message",
    "flow_run.parameters": "event.data.parameters",
    "flow_run.tags": "event.data.tags",
    "flow_run.run_count": "event.data.attempt",
    "flow_run.start_time": "event.data.started",
    "flow_run.end_time": "event.data.ended",
    "flow_run.expected_start_time": "event.data.scheduled",
    "flow_run.total_run_time": "event.data.duration",
    "flow.name": "event.data.flow",
    "deployment.name": "event.data.flow",
}


def templated(value: Any, notes: Notes, *, own: bool) -> Any:
    """A value with its templates in our form. `own`: the event is one of the service's own."""
    if isinstance(value, dict):
        return {key: templated(item, notes.at(key), own=own) for key, item in value.items()}
    if isinstance(value, list):
        return [templated(item, notes.at(n), own=own) for n, item in enumerate(value)]
    return _text(value, notes, own=own) if isinstance(value, str) else value


def _text(text: str, notes: Notes, *, own: bool) -> str:
    for statement in _STATEMENT.findall(text):
        notes.missing(f"`{statement}`", "templates have no statements here", "Use CEL in `${…}`.")
    parts, at = [], 0
    for found in _PLACE.finditer(text):
        parts.append(literal(text[at : found.start()]))
        expression = _expression(found[1], own=own)
        if expression is None:
            notes.missing(
                f"`{found[0]}`", "only plain paths have an equal", "Write it as CEL in `${…}`."
            )
            parts.append(literal(found[0]))
        else:
            parts.append(f"${{{expression}}}")
        at = found.end()
    return "".join((*parts, literal(text[at:])))


def _expression(path: str, *, own: bool) -> str | None:
    if not _PATH.fullmatch(path):
        return None
    head = re.match(r"\w+", path)
    assert head
    steps = ["".join(found) for found in _STEP.findall(path)]
    plain = ".".join((head[0], *steps))
    if known := _ANY.get(plain) or (_RUN.get(plain) if own else None):
        return known
    if head[0] != "event" or own or not steps:
        return None
    if steps[0] == "resource" and steps[1:] in (["id"], ["prefect.resource.id"]):
        return "event.subject"
    if steps[0] == "resource" and steps[1:] == ["name"]:
        steps = ["resource", "prefect.resource.name"]
    if steps[0] not in {"resource", "payload", "related"}:
        return None
    return "event.data" + "".join(
        selected(int(step) if step.isdecimal() else step) for step in steps
    )
