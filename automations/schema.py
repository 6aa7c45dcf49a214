"""JSON Schema (2020-12) of a rule file, for editors: what `ensue schema` prints.

Editors complete and check by it as one types; loading the file is what decides. A file
holds one rule or a list of them.
"""

from __future__ import annotations

from typing import Any

from automations import call_action, rehearsal_case, rule
from automations.action import KINDS
from automations.flow_control import MOST
from automations.schema_words import DURATION, PATHS, TEXT, TEXTS, an_object
from automations.steer_action import OBJECTS
from automations.trigger_schema import trigger_schemas
from base.time import parse_rfc3339, to_rfc3339

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_CONDITION = {"description": "CEL, true or false", "type": ["string", "boolean"]}
_SECRET = {
    "oneOf": [
        {
            "type": "object",
            "properties": {kind: TEXT, "prefix": {"type": "string"}},
            "required": [kind],
            "additionalProperties": False,
        }
        for kind in ("env", "file")
    ]
}
_CHANNEL = {
    "anyOf": [
        TEXT | {"description": "a channel of ensue.toml"},
        *(an_object({kind: TEXT}, required=(kind,)) for kind in ("env", "file")),
    ]
}
_STEERING = {
    "cancel": "Cancel a run, or all runs of a flow or a rule that have not ended.",
    "pause": "Hold back a run, a flow or a rule until it is resumed.",
    "resume": "Let a run, a flow or a rule go on.",
    "retry": "Do a run again that has ended.",
}
_TIME = {"description": "RFC 3339, such as 2030-01-01T12:00:00Z", "type": "string"}


def rule_schema() -> dict[str, Any]:
    """The schema of a file of rules."""
    return {
        "$schema": DIALECT,
        "title": "Ensue rules",
        "anyOf": [
            {"$ref": "#/$defs/rule"},
            {"type": "array", "items": {"$ref": "#/$defs/rule"}},
        ],
        "$defs": {
            "rule": _rule(),
            **trigger_schemas(),
            "action": {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in KINDS]},
            "run": _run(),
            "emit": _emit(),
            "call": _call(),
            "notify": _notify(),
            **{verb: _steer(verb) for verb in OBJECTS},
            "test": _test(),
            "given": _given(),
            "expected": {"oneOf": [_expected(kind) for kind in rehearsal_case.EXPECT_FIELDS]},
        },
    }


def _rule() -> dict[str, Any]:
    trigger = {"$ref": "#/$defs/trigger"}
    return an_object(
        {
            "name": {
                "description": "what the rule is known by: another name is another rule",
                "type": "string",
                "maxLength": rule.MAX_NAME,
                "pattern": f"^{rule.NAME}$",
            },
            "description": {"type": "string"},
            "tags": TEXTS,
            "enabled": {"type": "boolean", "default": True},
            "shadow": {
                "description": "evaluate and record, and never act",
                "type": "boolean",
                "default": False,
            },
            "max_depth": {
                "description": "how long a chain of firings may get",
                "type": "integer",
                "minimum": 1,
                "maximum": rule.DEEPEST,
                "default": rule.MAX_DEPTH,
            },
            "breaker": {
                "description": "firings in a minute that pause the rule when they are exceeded",
                "type": "integer",
                "minimum": 1,
                "maximum": rule.BREAKER_LIMIT,
                "default": rule.BREAKER,
            },
            "trigger": {
                "description": "what it waits for; of several, each fires on its own",
                "anyOf": [trigger, {"type": "array", "items": trigger, "minItems": 1}],
            },
            **_flow_control(),
            "actions": {"type": "array", "items": {"$ref": "#/$defs/action"}, "minItems": 1},
            "on_resolve": {
                "description": "what is done when a condition clears of which a firing told",
                "type": "array",
                "items": {"$ref": "#/$defs/action"},
                "minItems": 1,
            },
            "tests": {"type": "array", "items": {"$ref": "#/$defs/test"}},
        },
        required=("name", "trigger", "actions"),
    )


def _flow_control() -> dict[str, Any]:
    many = {"type": "integer", "minimum": 1, "maximum": MOST}
    return {
        "throttle": an_object(
            {"at_most": many | {"default": 1}, "every": DURATION, "per": PATHS},
            required=("every",),
            description="At most so many firings in a span; what is more is suppressed.",
        ),
        "debounce": an_object(
            {"quiet": DURATION, "max_wait": DURATION, "per": PATHS},
            required=("quiet",),
            description="Fires once for all when nothing more came for so long.",
        ),
        "batch": an_object(
            {"size": many, "within": DURATION, "per": PATHS},
            required=("size", "within"),
            description="Fires once for so many firings, or for those that came within a span.",
        ),
    }


def _run() -> dict[str, Any]:
    return an_object(
        {
            "run": TEXT | {"description": "the name of a flow"},
            "with": {"description": "its parameters; ${…} is CEL", "type": "object"},
            "tags": TEXTS,
            "delay": {"anyOf": [DURATION, {"type": "string", "pattern": r"\$\{"}]},
            "pool": TEXT,
            "idempotency_key": TEXT,
            "if": _CONDITION,
        },
        required=("run",),
        description="Set off a run of a flow.",
    )


def _emit() -> dict[str, Any]:
    return an_object(
        {
            "emit": TEXT | {"description": "the type of the event"},
            "source": TEXT,
            "subject": TEXT,
            "data": {"description": "any JSON; ${…} is CEL"},
            "time": _TIME,
            "if": _CONDITION,
        },
        required=("emit",),
        description="Send an event.",
    )


def _call() -> dict[str, Any]:
    status = {"type": "integer", "minimum": 200, "maximum": 599}
    return an_object(
        {
            "call": TEXT | {"description": "an http or https URL; ${…} is CEL"},
            "method": {
                "enum": [*call_action.METHODS, *map(str.lower, call_action.METHODS)],
                "default": "POST",
            },
            "headers": {
                "type": "object",
                "additionalProperties": {"anyOf": [{"type": "string"}, _SECRET]},
            },
            "body": {"description": "sent as JSON"},
            "timeout": DURATION,
            "expect": {
                "description": "the status codes that mean success; any 2xx without it",
                "anyOf": [status, {"type": "array", "items": status}],
            },
            "if": _CONDITION,
        },
        required=("call",),
        description="Send an HTTP request.",
    )


def _notify() -> dict[str, Any]:
    return an_object(
        {
            "notify": _CHANNEL,
            "title": TEXT,
            "message": TEXT | {"description": "what is said; ${…} is CEL"},
            "tags": TEXTS | {"description": "which addresses of the channel"},
            "if": _CONDITION,
        },
        required=("notify", "message"),
        description="Send a message to people.",
    )


def _steer(verb: str) -> dict[str, Any]:
    return an_object(
        {verb: _thing(verb), "if": _CONDITION},
        required=(verb,),
        description=_STEERING[verb],
    )


def _thing(verb: str) -> dict[str, Any]:
    """What is steered: one thing, or the run that the event tells of."""
    described = {
        "run": "the id of a run; ${…} is CEL",
        "flow": "the name of a flow",
        "automation": "the name of a rule",
    }
    named = an_object(
        {what: TEXT | {"description": described[what]} for what in OBJECTS[verb]},
        description="Without a name it is the run that the event tells of.",
    )
    return {"anyOf": [named | {"maxProperties": 1}, {"type": "null"}]}


def _test() -> dict[str, Any]:
    return an_object(
        {
            "name": TEXT,
            "start": _TIME | {"default": to_rfc3339(parse_rfc3339(rehearsal_case.START))},
            "given": {"type": "array", "items": {"$ref": "#/$defs/given"}},
            "expect": {"type": "array", "items": {"$ref": "#/$defs/expected"}},
        },
        required=("given", "expect"),
    )


def _given() -> dict[str, Any]:
    return an_object(
        {
            "at": DURATION,
            "type": TEXT,
            "source": TEXT | {"default": rehearsal_case.SOURCE},
            "subject": TEXT,
            "id": TEXT,
            "data": {},
            "time": {"description": "absolute, or an offset such as -30s", "type": "string"},
            "attributes": {
                "description": "extension attributes",
                "type": "object",
                "additionalProperties": {"type": ["string", "integer", "boolean"]},
            },
            "repeat": {"type": "integer", "minimum": 1, "maximum": rehearsal_case.MAX_REPEAT},
            "every": DURATION,
        },
        description="An event; without a type time only passes.",
    )


def _expected(kind: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "with": {"type": "object"},
        "tags": TEXTS,
        "delay": DURATION,
        "headers": {"type": "object"},
    }
    return an_object(
        {"at": DURATION, kind: _target(kind), "error": TEXT}
        | {name: fields.get(name, {}) for name in rehearsal_case.EXPECT_FIELDS[kind]},
        required=(kind,),
    )


def _target(kind: str) -> dict[str, Any]:
    if kind in OBJECTS:
        return _thing(kind)
    return _CHANNEL if kind == "notify" else TEXT
