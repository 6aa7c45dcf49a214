"""JSON Schema (2020-12) of a file of sources, for editors."""

from __future__ import annotations

from typing import Any

from events.webhooks.schemes import SCHEMES

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEXT = {"type": "string", "minLength": 1}
_ONE_SECRET = {
    "oneOf": [
        {
            "type": "object",
            "properties": {kind: _TEXT},
            "required": [kind],
            "additionalProperties": False,
        }
        for kind in ("env", "file")
    ]
}
_SECRETS = {
    "description": "where the secret is; two while it is being changed",
    "anyOf": [_ONE_SECRET, {"type": "array", "items": _ONE_SECRET, "minItems": 1, "maxItems": 2}],
}
_DURATION = {"description": "10m, 1h30m, 500ms, or seconds", "type": ["string", "number"]}
_OWN: dict[str, dict[str, Any]] = {
    "twilio": {"url": _TEXT | {"description": "the URL that Twilio was given"}},
    "basic": {"user": _TEXT},
    "hmac-sha256": {
        "header": _TEXT | {"description": "the header with the signature"},
        "prefix": {"type": "string"},
        "encoding": {"enum": ["hex", "base64"], "default": "hex"},
    },
}
_NEEDED = {"basic": ["user"], "hmac-sha256": ["header"]}


def source_schema() -> dict[str, Any]:
    """The schema of a file of sources."""
    return {
        "$schema": DIALECT,
        "title": "Ensue sources",
        "type": "object",
        "properties": {
            "webhooks": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$"},
                "additionalProperties": {"$ref": "#/$defs/hook"},
            },
        },
        "additionalProperties": False,
        "$defs": {"hook": _hook(), "event": _event()},
    }


def _hook() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "description": {"type": "string"},
            "verify": {"oneOf": [{"const": "none"}, *map(_verify, SCHEMES)]},
            "event": {"$ref": "#/$defs/event"},
            "limit": {
                "description": "the most bytes of a body, such as 512KiB",
                "type": ["string", "integer"],
            },
            "tolerance": _DURATION,
            "replay_window": _DURATION,
        },
        "required": ["verify"],
        "additionalProperties": False,
    }


def _verify(scheme: str) -> dict[str, Any]:
    secret = {} if scheme == "none" else {"secret": _SECRETS}
    return {
        "type": "object",
        "properties": {"scheme": {"const": scheme}, **secret, **_OWN.get(scheme, {})},
        "required": ["scheme", *secret, *_NEEDED.get(scheme, ())],
        "additionalProperties": False,
    }


def _event() -> dict[str, Any]:
    names = ("type", "source", "subject", "id", "time")
    return {
        "description": "the event that a delivery becomes; ${…} is CEL over body and headers",
        "type": "object",
        "properties": dict.fromkeys(names, _TEXT) | {"data": {}},
        "additionalProperties": False,
    }
