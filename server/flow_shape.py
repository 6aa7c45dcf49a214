"""What lint asks of a flow, out of the JSON Schema of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automations.lint import FlowShape


def shape(schema: Mapping[str, Any]) -> FlowShape:
    """Which parameters it needs, which it may be given, and whether it takes any others."""
    required = frozenset(schema.get("required", ()))
    named = frozenset(schema.get("properties", ()))
    closed = schema.get("additionalProperties", True) is False
    return FlowShape(required, named - required, open_ended=not closed)
