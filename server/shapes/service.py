"""The service itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.shapes.words import TEXT, Schema, object_of, one_of

_PROBLEM: Final = object_of(
    "type title status code detail",
    type=TEXT,
    title=TEXT,
    status={"type": "integer"},
    code={**TEXT, "description": "stable, for programs"},
    detail={**TEXT, "description": "for people"},
    place={**TEXT, "description": "the field, parameter, header, or file:line:column"},
    hint={**TEXT, "description": "the way out"},
    id={**TEXT, "description": "of what the server's log has on an unexpected error"},
)

SHAPES: Final[Mapping[str, Schema]] = {
    "Problem": _PROBLEM,
    "Health": object_of("status", status={"const": "alive"}),
    "Readiness": object_of(
        "status",
        status=one_of("ready", "waiting"),
        waiting={"type": "object", "additionalProperties": TEXT},
    ),
}
