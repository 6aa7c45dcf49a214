"""What rules remember, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.shapes.words import (
    ANY,
    COUNT,
    FLAG,
    NAME,
    TEXT,
    WHEN,
    Schema,
    listing,
    object_of,
    one_of,
)
from triggers.standing import KINDS

STANDING: Final = {
    "path": {**TEXT, "description": "the place of a nested trigger; `#…` is flow control"},
    "kind": one_of(*KINDS),
    "key": ANY,
    "have": {**COUNT, "description": "matches, steps, members, values or firings"},
    "need": {**COUNT, "description": "how many it takes; 0 where no number is asked for"},
    "until": {
        **WHEN,
        "description": "when what is there stops to count, or when it fires, goes or opens",
    },
    "holds": {**FLAG, "description": "it fired, and has not resolved"},
    "since": {**WHEN, "description": "what a wait counts from"},
    "parts": {
        "type": "array",
        "items": object_of("name seen holds", name=TEXT, seen=WHEN, holds=FLAG),
        "description": "members or steps in their order, and when each was seen",
    },
    "measure": {
        "type": ["object", "null"],
        "properties": {
            "function": TEXT,
            "figure": {"type": ["number", "null"], "description": "null: too few values, or many"},
            "above": {"type": "number"},
            "below": {"type": "number"},
        },
        "description": "of an aggregate",
    },
    "suppressed": {
        **COUNT,
        "description": "held back by a throttle since it let the last one pass",
    },
    "events": {**COUNT, "description": "gathered by a debounce or a batch"},
    "more": {**FLAG, "description": "there are more members than are looked at"},
}
"""How a window stands."""

_WINDOW: Final = object_of(
    "automation trigger path kind key have need until holds",
    automation=TEXT,
    trigger=COUNT,
    **STANDING,
    firing={**NAME, "description": "the firing that told of a condition that holds"},
    listens={**FLAG, "description": "false for a rule that is paused or disabled: no time rings"},
)

SHAPES: Final[Mapping[str, Schema]] = {
    "Window": _WINDOW,
    "WindowList": listing(
        "Window",
        remembers={**FLAG, "description": "whether there is anything that rules could remember"},
    ),
}
