"""Texts and paths as CEL and templates have them."""

from __future__ import annotations

import json
import re
from typing import Any

RESERVED = frozenset(
    ("in", "as", "for", "if", "else", "let", "true", "false", "null", "var", "void", "loop",
     "while", "break", "const", "continue", "function", "import", "namespace", "package", "return")
)  # fmt: skip
"""Names that CEL keeps for itself."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted(text: str | float) -> str:
    """A text or a number as CEL has it."""
    return json.dumps(text, ensure_ascii=False)


def literal(value: Any) -> Any:
    """A JSON value that is no template, whatever its texts look like."""
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def selected(step: str | int, *, optional: bool = False) -> str:
    """A step into a map or a list; an optional one may lead nowhere."""
    mark = "?" if optional else ""
    if isinstance(step, str) and _NAME.fullmatch(step) and step not in RESERVED:
        return f".{mark}{step}"
    return f"[{mark}{quoted(step)}]"
