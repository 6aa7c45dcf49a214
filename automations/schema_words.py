"""What the JSON Schemas of rules are put together from."""

from __future__ import annotations

from typing import Any

from triggers.key import MOST_PATHS

TEXT = {"type": "string", "minLength": 1}
DURATION = {
    "description": "10m, 1h30m, 500ms, or a number of seconds",
    "anyOf": [
        {
            "type": "string",
            "pattern": r"^(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
            "minLength": 2,
        },
        {"type": "number", "minimum": 0},
    ],
}
TEXTS = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
GLOBS = {
    "description": "a glob: * is any text, ? one character; a list means any of",
    "anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}],
}
PATHS = {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MOST_PATHS}]}


def an_object(
    properties: dict[str, Any], *, required: tuple[str, ...] = (), description: str = ""
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if description:
        schema["description"] = description
    if required:
        schema["required"] = list(required)
    return schema | {"additionalProperties": False}
