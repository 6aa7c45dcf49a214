"""What is told of rules before they work, and of why they did what they did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.shapes.windows import STANDING
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
    object_of,
    one_of,
)

_EXPLAINED_FIRING: Final = {
    "anyOf": [
        {"type": "null"},
        {
            "allOf": [
                {"$ref": "#/components/schemas/Firing"},
                object_of(
                    runs={
                        "type": "array",
                        "items": object_of("id flow state", id=TEXT, flow=TEXT, state=TEXT),
                    }
                ),
            ]
        },
    ]
}

_VERDICT: Final = object_of(
    "automation trigger guards conditions firing",
    automation=TEXT,
    trigger=COUNT,
    file=NAME,
    line={"type": ["integer", "null"]},
    guards={
        "type": "array",
        "items": one_of("paused", "disabled", "shadow", "too_deep"),
        "description": "what keeps the rule from acting on a match",
    },
    changed_since={**FLAG, "description": "the rule was another when the event came in"},
    no_answer={**NAME, "description": "the code of a `where` that could not be decided"},
    conditions={
        "type": "array",
        "items": object_of(
            "path wanted actual", path=TEXT, wanted=ANY, actual=ANY, missing=FLAG, note=TEXT
        ),
        "description": "what the event does not meet; none where it matches",
    },
    firing=_EXPLAINED_FIRING,
    windows={
        "type": "array",
        "items": object_of(
            "path kind key have need until holds remembered",
            **STANDING,
            remembered={**FLAG, "description": "the event is still in it"},
        ),
        "description": "where the trigger remembers: the windows that the event went to, as they are now",
    },
)

_TALLY: Final = {
    "type": ["object", "null"],
    "properties": {
        "automation": TEXT,
        "fired": COUNT,
        "resolved": COUNT,
        "suppressed": COUNT,
        "looped": COUNT,
        "errors": {**COUNT, "description": "conditions without an answer"},
        "last_error": NAME,
        "first": WHEN,
        "last": WHEN,
        "stopped": {**WHEN, "description": "when its breaker would have paused it"},
        "missed": {**COUNT, "description": "firings after that"},
    },
    "description": "what the rule would have done over these events",
}

_CHANGE: Final = object_of(
    "automation change fields resets conflict",
    automation=TEXT,
    change=one_of("created", "updated", "deleted", "unchanged"),
    file=NAME,
    line={"type": ["integer", "null"]},
    fields={
        "type": "array",
        "items": object_of("path old new", path=TEXT, old=ANY, new=ANY, added=FLAG, removed=FLAG),
    },
    resets={**FLAG, "description": "what the rule's windows hold is lost"},
    conflict={**NAME, "description": "the file of the project directory that the rule belongs to"},
    before=_TALLY,
    after=_TALLY,
)

SHAPES: Final[Mapping[str, Schema]] = {
    "Explanation": object_of(
        "event rules matched missed more_missed other_types other_firings",
        event=object_of(
            "id type source position",
            id=TEXT,
            type=TEXT,
            source=TEXT,
            subject=NAME,
            time=TIME,
            received=TIME,
            position=COUNT,
            depth=COUNT,
        ),
        rules={**COUNT, "description": "how many were asked"},
        matched={"type": "array", "items": _VERDICT},
        missed={"type": "array", "items": _VERDICT, "description": "the closest first"},
        more_missed=COUNT,
        other_types={**COUNT, "description": "rules that do not listen to this type"},
        other_firings={
            "type": "array",
            "items": _EXPLAINED_FIRING,
            "description": "by replay, by hand, or by rules that have changed since",
        },
    ),
    "Plan": object_of(
        "base since from until events left_out changes problems",
        base={**TEXT, "description": "what the plan rests on; give it to apply"},
        since=TIME,
        until=TIME,
        events={**COUNT, "description": "over how many events old and new were compared"},
        left_out={**COUNT, "description": "events since then that were not looked at: older ones"},
        **{"from": {**WHEN, "description": "when the first of them came in, or `since`"}},
        changes={"type": "array", "items": _CHANGE},
        problems={"type": "array", "items": MAP},
    ),
    "Findings": object_of(
        "findings rules",
        findings={
            "type": "array",
            "items": object_of(
                "severity file line column code message",
                severity=one_of("error", "warning", "note"),
                file=TEXT,
                line=COUNT,
                column=COUNT,
                code=TEXT,
                message=TEXT,
                hint=NAME,
                automation=NAME,
            ),
        },
        rules={**COUNT, "description": "how many are in order"},
    ),
    "Tests": object_of(
        "tests failed problems",
        tests={
            "type": "array",
            "items": object_of(
                "file automation test passed rows",
                file=TEXT,
                automation=TEXT,
                test=TEXT,
                passed=FLAG,
                place=ANY,
                rows={
                    "type": "array",
                    "items": object_of(
                        "agrees expected actual differences",
                        agrees=FLAG,
                        expected=NAME,
                        actual=NAME,
                        differences=TEXTS,
                    ),
                },
            ),
        },
        failed=COUNT,
        problems={**TEXTS, "description": "rules that cannot be read, with their place"},
    ),
    "Fields": object_of(
        "types left_out whole",
        types={
            "type": "array",
            "items": object_of(
                "type events root",
                type=TEXT,
                events={**COUNT, "description": "how many were looked at"},
                root={
                    **MAP,
                    "description": "what they were like, from their root: `fields` by their "
                    "names, `items` of a list, `open` where there is more than is told",
                },
            ),
        },
        left_out={**TEXTS, "description": "types that are stored and were not looked at"},
        whole={**FLAG, "description": "false where there are too many types to know them all"},
    ),
}
