"""The shapes of the API's answers, as JSON Schema, by the names that routes give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.shapes import events, laboratory, rules, runs, service, windows
from server.shapes.words import Schema

SHAPES: Final[Mapping[str, Schema]] = {
    **service.SHAPES,
    **events.SHAPES,
    **rules.SHAPES,
    **windows.SHAPES,
    **laboratory.SHAPES,
    **runs.SHAPES,
}
