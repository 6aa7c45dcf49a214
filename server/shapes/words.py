"""The words that shapes are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]


def object_of(required: str = "", **properties: Any) -> Schema:
    shape: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        shape["required"] = required.split()
    return shape


def listing(item: str, **more: Any) -> Schema:
    return object_of(
        "items next",
        items={"type": "array", "items": {"$ref": f"#/components/schemas/{item}"}},
        next={"type": ["string", "null"], "description": "`cursor` of the next page"},
        **more,
    )


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


TEXT: Final = {"type": "string"}
NAME: Final = {"type": ["string", "null"]}
TIME: Final = {"type": "string", "format": "date-time"}
WHEN: Final = {"type": ["string", "null"], "format": "date-time"}
COUNT: Final = {"type": "integer", "minimum": 0}
SECONDS: Final = {"type": ["number", "null"], "description": "seconds"}
ANY: Final[Schema] = {}
MAP: Final = {"type": "object", "additionalProperties": True}
FLAG: Final = {"type": "boolean"}
TEXTS: Final = {"type": "array", "items": {"type": "string"}}

PROBLEMS_OF_FILES: Final = {
    "type": "array",
    "items": object_of("file message", file=TEXT, line={"type": ["integer", "null"]}, message=TEXT),
    "description": "what is wrong with the files that these come from",
}
