"""Rules, what they remember, and what they did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.shapes.words import (
    ANY,
    COUNT,
    FLAG,
    MAP,
    NAME,
    TEXT,
    TEXTS,
    TIME,
    WHEN,
    Schema,
    listing,
    object_of,
    one_of,
)

_AUTOMATION: Final = object_of(
    "name status revision firings errors",
    name=TEXT,
    description=NAME,
    status=one_of("active", "paused", "disabled", "invalid"),
    enabled=FLAG,
    paused=FLAG,
    pause_reason=NAME,
    shadow=FLAG,
    origin=TEXT,
    file=NAME,
    line={"type": ["integer", "null"]},
    revision=COUNT,
    created=TIME,
    updated=TIME,
    firings=COUNT,
    last_fired=WHEN,
    errors={
        **COUNT,
        "description": "conditions without an answer, and firings of which an action failed at once",
    },
    errors_in_a_row={**COUNT, "description": "its last events all were errors, so many of them"},
    last_error=NAME,
    last_error_at=WHEN,
    problem={**MAP, "description": "what is wrong with the newest content; absent if nothing is"},
    problems={"type": "array", "items": MAP},
)

_ACTION: Final = object_of(
    "id firing automation kind status attempts at",
    id=TEXT,
    firing=TEXT,
    automation=TEXT,
    kind=TEXT,
    status=one_of("done", "skipped", "failed", "waiting", "sending", "dead"),
    attempts=COUNT,
    at=TIME,
    due=WHEN,
    request={"type": ["object", "null"]},
    result={"type": ["object", "null"]},
    code=NAME,
    error=NAME,
)

_FIRING: Final = object_of(
    "id automation at outcome events actions",
    id=TEXT,
    automation=TEXT,
    revision=COUNT,
    trigger=COUNT,
    key=ANY,
    at=TIME,
    count=COUNT,
    events=TEXTS,
    outcome=one_of("acted", "shadow", "suppressed", "looped", "gathered", "resolved"),
    reason=NAME,
    occasion=NAME,
    actions={"type": "array", "items": {"$ref": "#/components/schemas/Action"}},
)

SHAPES: Final[Mapping[str, Schema]] = {
    "Automation": _AUTOMATION,
    "AutomationList": listing("Automation"),
    "AutomationDetail": {
        "allOf": [
            {"$ref": "#/components/schemas/Automation"},
            object_of(definition={"type": ["object", "null"]}),
        ]
    },
    "Action": _ACTION,
    "ActionList": listing("Action"),
    "Firing": _FIRING,
    "FiringList": listing("Firing"),
    "Fired": object_of(
        "firing runs actions",
        firing=TEXT,
        runs=TEXTS,
        actions={"type": "array", "items": {"$ref": "#/components/schemas/Action"}},
    ),
    "Applied": object_of(
        "created updated deleted unchanged",
        created=TEXTS,
        updated=TEXTS,
        deleted=TEXTS,
        unchanged=TEXTS,
    ),
}
