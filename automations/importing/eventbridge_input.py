"""What a target is sent: the event, a part of it, a constant, or a template.

Paths into the event (`$.detail.state`) become CEL. Where a path leads nowhere, EventBridge
sends on without a value; here an empty text stands in its place.
"""

from __future__ import annotations

import json
import re
from typing import Any

from automations.importing.notes import Notes
from automations.importing.parts import Form, mapped
from automations.importing.spelling import literal, quoted, selected

_STEP = re.compile(r"\.([\w\-/:@]+)|\[(\d+)\]|\['([^']*)'\]")
_VARIABLE = re.compile(r"<([A-Za-z0-9_.\-]+)>")

EVENT: Form = {
    "version": "0",
    "id": "${event.id}",
    "detail-type": "${event.type}",
    "source": "${event.source}",
    "account": '${event.?account.orValue("")}',
    "time": "${event.time}",
    "region": '${event.?region.orValue("")}',
    "resources": "${has(event.subject) ? [event.subject] : []}",
    "detail": "${event.?data.orValue({})}",
}
"""An event in the form that EventBridge sends it."""

SCHEDULED: Form = {
    "version": "0",
    "id": "${firing.id}",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "time": "${firing.time}",
    "resources": ["${automation.name}"],
    "detail": {},
}
"""The event that EventBridge makes when a schedule comes due."""

_PREDEFINED = {
    "aws.events.rule-name": "automation.name",
    "aws.events.event.ingestion-time": "now",
}


class Sent:
    """Translates what goes to a target, for rules on events or on the clock."""

    def __init__(self, *, clock: bool) -> None:
        self._whole = SCHEDULED if clock else EVENT
        self._clock = clock

    def body(self, target: Form, notes: Notes) -> Any:
        if (said := target.get("Input")) is not None:
            return literal(_json(said))
        if (path := target.get("InputPath")) is not None:
            return self.value(path, notes.at("InputPath"))
        here = notes.at("InputTransformer")
        if transformer := mapped(target.get("InputTransformer"), here):
            return self._transformed(transformer, here)
        return self._whole

    def value(self, path: Any, notes: Notes) -> Any:
        """What a path leads to, as a template."""
        path = str(path)
        if path in {"$", "$."}:
            return self._whole
        expression = self._expression(path)
        if expression is None:
            notes.missing(f"the path `{path}`", "it has no equal", "Write it as CEL in `${…}`.")
            return literal(path)
        return f"${{{expression}}}"

    def text(self, value: Any, notes: Notes) -> str:
        """A parameter of a request: a text, or a path."""
        if isinstance(value, str) and value.startswith("$."):
            return str(self.value(value, notes))
        return str(literal(str(value)))

    def _expression(self, path: str) -> str | None:
        steps = [_step(found) for found in _STEP.finditer(path, 1)]
        if (
            not path.startswith("$")
            or "".join(found[0] for found in _STEP.finditer(path, 1)) != path[1:]
        ):
            return None
        if not steps:
            return None
        if self._clock:
            return {"$.time": "firing.time", "$.id": "firing.id"}.get(path) or (
                quoted(SCHEDULED[str(steps[0])]) if path in {"$.source", "$.detail-type"} else None
            )
        match steps:
            case ["detail"]:
                return "event.?data.orValue({})"
            case ["detail", *rest]:
                return f'event.?data{"".join(selected(one, optional=True) for one in rest)}.orValue("")'
            case ["source" | "id" | "time" as name]:
                return f"event.{name}"
            case ["detail-type"]:
                return "event.type"
            case ["account" | "region" as name]:
                return f'event.?{name}.orValue("")'
            case ["resources"]:
                return "has(event.subject) ? [event.subject] : []"
            case ["resources", 0]:
                return 'event.?subject.orValue("")'
            case ["version"]:
                return quoted("0")
            case _:
                return None

    def _transformed(self, transformer: Form, notes: Notes) -> Any:
        paths = mapped(transformer.get("InputPathsMap"), notes.at("InputPathsMap"))
        template = transformer.get("InputTemplate")
        if not isinstance(template, str):
            template = json.dumps(template)
        values = {
            name: self._variable(name, paths, notes)
            for name in dict.fromkeys(_VARIABLE.findall(template))
            if name in paths or name.startswith("aws.events.")
        }
        filling = _Filling(values, notes.at("InputTemplate"))
        try:
            return filling.filled(json.loads(_marked(template, values)))
        except ValueError:
            notes.info("the template", "it is no JSON, and was taken as a text")
            return filling.text(template)

    def _variable(self, name: str, paths: Form, notes: Notes) -> Any:
        if name in paths:
            return self.value(paths[name], notes.at("InputPathsMap", name))
        if name in {"aws.events.event.json", "aws.events.event"}:
            whole = dict(self._whole)
            if name == "aws.events.event":
                whole.pop("detail")
            return whole
        if expression := _PREDEFINED.get(name):
            return f"${{{expression}}}"
        notes.missing(f"`<{name}>`", "there is no such value here")
        return literal(f"<{name}>")


def _step(found: re.Match[str]) -> str | int:
    if found[2] is not None:
        return int(found[2])
    return found[1] if found[1] is not None else found[3]


_MARK = "\ue000"
"""Stands around the name of a variable that is a whole value; no template has it."""


def _marked(template: str, values: Form) -> str:
    """The template with what stands outside of strings made into strings."""
    out, inside, at = [], False, 0
    while at < len(template):
        letter = template[at]
        found = _VARIABLE.match(template, at)
        if found and found[1] in values and not inside:
            out.append(f'"{_MARK}{found[1]}{_MARK}"')
            at = found.end()
            continue
        if inside and letter == "\\":
            out.append(template[at : at + 2])
            at += 2
            continue
        if letter == '"':
            inside = not inside
        out.append(letter)
        at += 1
    return "".join(out)


class _Filling:
    """Puts the values of variables where their names stand."""

    def __init__(self, values: Form, notes: Notes) -> None:
        self._values = values
        self._notes = notes

    def filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if not isinstance(value, str):
            return value
        if len(value) > 1 and value[0] == _MARK == value[-1]:
            return self._values[value[1:-1]]
        return self.text(value)

    def text(self, text: str) -> str:
        parts, at = [], 0
        for found in _VARIABLE.finditer(text):
            if found[1] not in self._values:
                continue
            value = self._values[found[1]]
            if not isinstance(value, str):
                self._notes.missing(f"`{found[0]}` inside a text", "it is more than a text")
                value = literal(found[0])
            parts += [literal(text[at : found.start()]), value]
            at = found.end()
        return "".join((*parts, literal(text[at:])))


def _json(said: Any) -> Any:
    try:
        return json.loads(said) if isinstance(said, str) else said
    except ValueError:
        return said
