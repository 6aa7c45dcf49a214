"""JSON Schema of the triggers, by kind."""

from __future__ import annotations

from typing import Any

from automations.schema_words import DURATION, GLOBS, PATHS, TEXT, an_object
from triggers import kinds
from triggers.figure import FUNCTIONS

_LOCAL = {"description": "RFC 3339, or without an offset in the timezone", "type": "string"}

_SELECTOR = {
    "source": GLOBS,
    "subject": GLOBS,
    "match": {"description": "a pattern from the root of the event", "type": "object"},
    "where": {"description": "CEL over `event`, true or false", "type": "string"},
}
_MANY = {"type": "integer", "minimum": 1, "maximum": kinds.MOST_COUNTED}
_TRIGGERS = ("event", "clock", *kinds.FIELDS)


def trigger_schemas() -> dict[str, Any]:
    """The definitions `trigger`, `member`, and one for each kind of trigger."""
    return {
        "trigger": {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in _TRIGGERS]},
        "event": _event(),
        "clock": _clock(),
        "count": _count(),
        "sequence": _gathering("sequence", "When these came in this order."),
        "all": _gathering("all", "When all of these came within a span."),
        "any": _gathering("any", "When so many of these came within a span."),
        "absent": _absent(),
        "aggregate": _aggregate(),
        "member": _member(),
    }


def _event() -> dict[str, Any]:
    return an_object(
        {
            "event": GLOBS | {"description": "the type of event it waits for"},
            **_SELECTOR,
        },
        required=("event",),
        description="On each match.",
    )


def _remembering(
    properties: dict[str, Any], *, required: tuple[str, ...], description: str
) -> dict[str, Any]:
    shared = {
        "per": PATHS | {"description": "what tells keys apart: a path of the event, or a list"},
        "allowed_lateness": DURATION,
    }
    return an_object(properties | shared, required=required, description=description)


def _count() -> dict[str, Any]:
    return _remembering(
        {"count": GLOBS, **_SELECTOR, "at_least": _MANY, "within": DURATION},
        required=("count", "at_least", "within"),
        description="When so many matches fall within a span.",
    )


def _gathering(kind: str, description: str) -> dict[str, Any]:
    members = {"type": "array", "items": {"$ref": "#/$defs/member"}, "minItems": 1, "maxItems": 32}
    properties: dict[str, Any] = {kind: members, "within": DURATION}
    required: tuple[str, ...] = (kind, "within")
    if kind == "any":
        properties["at_least"] = _MANY | {"default": 1}
        required = (kind,)
    return _remembering(properties, required=required, description=description)


def _absent() -> dict[str, Any]:
    key = {"type": ["string", "number", "boolean"]}
    return _remembering(
        {
            "absent": GLOBS,
            **_SELECTOR,
            "for": DURATION,
            "after": {"$ref": "#/$defs/member"},
            "expected": {
                "description": "keys that are missed though they never spoke",
                "type": "array",
                "items": {"anyOf": [key, {"type": "array", "items": key}]},
                "minItems": 1,
            },
        },
        required=("absent", "for"),
        description="When no match came for so long; clears when one comes.",
    )


def _aggregate() -> dict[str, Any]:
    bounds = {"above": {"type": "number"}, "below": {"type": "number"}}
    schema = _remembering(
        {
            "aggregate": GLOBS,
            **_SELECTOR,
            "value": {"description": "CEL over `event`", "type": "string"},
            "function": {"enum": list(FUNCTIONS)},
            "over": DURATION,
            **bounds,
            "at_least": _MANY | {"default": 1},
        },
        required=("aggregate", "value", "function", "over"),
        description="When a figure over a span crosses a bound; clears when it comes back.",
    )
    return schema | {"oneOf": [{"required": [side]} for side in bounds]}


def _member() -> dict[str, Any]:
    selector = an_object(
        {"event": GLOBS, **_SELECTOR, "per": PATHS},
        required=("event",),
    )
    nested = [{"$ref": f"#/$defs/{kind}"} for kind in kinds.FIELDS]
    return {
        "description": "a type glob, a selector, or a trigger that remembers",
        "oneOf": [GLOBS, selector, *nested],
    }


def _clock() -> dict[str, Any]:
    clocks: dict[str, Any] = {
        "cron": TEXT | {"description": "five fields, or @daily and its kind"},
        "every": DURATION,
        "rrule": TEXT | {"description": "a recurrence of iCalendar"},
        "at": _LOCAL,
    }
    schema = an_object(
        clocks
        | {
            "timezone": TEXT | {"description": "such as Europe/Berlin", "default": "UTC"},
            "start": _LOCAL,
            "catch_up": {
                "description": "what becomes of the times that a stop has missed",
                "enum": ["all", "latest", "none"],
                "default": "latest",
            },
            "where": {"description": "CEL over `now` and `vars`, true or false", "type": "string"},
        },
        description="On the clock.",
    )
    return schema | {"oneOf": [{"required": [kind]} for kind in clocks]}
