"""`${…}` in JSON: values made out of an event.

A text that is nothing but one `${…}` takes the type of its result; anything around it
makes it an interpolation. Keys of maps are literal. `$${` is a literal `${`. The closing
brace is found with CEL's own strings and maps in mind, so `${ {"a": "}"} }` is whole.

In an interpolation text stands bare and everything else is compact JSON, maps with their
keys sorted; times are RFC 3339 text, durations like `1.5s`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from base.errors import ConfigurationError
from base.place import within
from events.expression import Activation, Expression, Scope

_STRING = re.compile(
    r"[rRbB]{0,2}(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')|//[^\n]*",
    re.DOTALL,
)
_OPENING = re.compile(r"\$?\$\{")

_Render = Callable[[Activation], Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A JSON value with expressions in it, compiled.

    `source` is the value as it was written, `expressions` what was found in it, in order.
    """

    source: Any
    expressions: tuple[Expression, ...]
    _render: _Render | None

    @classmethod
    def compile(cls, value: Any, *, scope: Scope, place: str = "") -> Template:
        """Raises ConfigurationError with the place of the text at fault."""
        compiler = _Compiler(scope)
        render = compiler.compile(value, place)
        return cls(value, tuple(compiler.expressions), render)

    @property
    def is_literal(self) -> bool:
        """Whether it renders to the same value always."""
        return self._render is None

    def render(self, activation: Activation) -> Any:
        """The value. Its literal parts are shared: treat it as read-only.

        Raises EvaluationError, whose `place` names the field at fault.
        """
        return self.source if self._render is None else self._render(activation)


class _Compiler:
    """Turns a value into a closure; None stands for a literal."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.expressions: list[Expression] = []

    def compile(self, value: Any, place: str) -> _Render | None:
        if isinstance(value, str):
            return self._text(value, place) if "${" in value else None
        if isinstance(value, dict):
            return self._map(value, place)
        if isinstance(value, list):
            return self._list(value, place)
        return None

    def _map(self, value: dict[str, Any], place: str) -> _Render | None:
        members = {key: self.compile(item, within(place, key)) for key, item in value.items()}
        dynamic = [(key, render) for key, render in members.items() if render is not None]
        if not dynamic:
            return None

        def render_map(activation: Activation) -> dict[str, Any]:
            rendered = dict(value)
            for key, render in dynamic:
                rendered[key] = render(activation)
            return rendered

        return render_map

    def _list(self, value: list[Any], place: str) -> _Render | None:
        members = [self.compile(item, within(place, n)) for n, item in enumerate(value)]
        if not any(members):
            return None

        def render_list(activation: Activation) -> list[Any]:
            return [
                render(activation) if render else item
                for render, item in zip(members, value, strict=True)
            ]

        return render_list

    def _text(self, text: str, place: str) -> _Render:
        parts: list[str | Expression] = []
        for part, is_expression in _split(text, place):
            parts.append(self._expression(part, place) if is_expression else part)
        if len(parts) == 1 and isinstance(parts[0], Expression):
            return parts[0].evaluate

        def render_text(activation: Activation) -> str:
            return "".join(
                part if isinstance(part, str) else spelled(part.evaluate(activation))
                for part in parts
            )

        return render_text

    def _expression(self, source: str, place: str) -> Expression:
        expression = Expression.compile(source, scope=self._scope, place=place)
        kind = expression.type.lower()
        if kind.startswith("optional_type"):
            raise ConfigurationError(
                f"`{source}` may have no value",
                code="result_not_json",
                place=place or None,
                hint="give it a default: .orValue(…)",
            )
        if kind == "bytes" or kind.startswith("type"):
            raise ConfigurationError(
                f"the result of `{source}` is not JSON",
                code="result_not_json",
                place=place or None,
                hint="base64.encode(…) makes text of bytes" if kind == "bytes" else None,
            )
        self.expressions.append(expression)
        return expression


def spelled(value: Any) -> str:
    """A JSON value inside a text: text bare, all else as compact JSON with sorted keys."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def literal_parts(text: str) -> Iterator[str | None]:
    """The parts of a text, in order; None stands for an expression."""
    return (None if is_expression else part for part, is_expression in _split(text, ""))


def _split(text: str, place: str) -> Iterator[tuple[str, bool]]:
    """The parts of a text, each with whether it is an expression."""
    literal, at = "", 0
    while found := _OPENING.search(text, at):
        literal += text[at : found.start()]
        if found[0] == "$${":
            literal += "${"
            at = found.end()
            continue
        end = _closing(text, found.end())
        if end is None:
            raise ConfigurationError(
                "`${` is not closed",
                code="expression_invalid",
                place=place or None,
                hint="write $${ for a literal ${",
            )
        if literal:
            yield literal, False
            literal = ""
        yield text[found.end() : end].strip(), True
        at = end + 1
    if literal + text[at:]:
        yield literal + text[at:], False


def _closing(text: str, at: int) -> int | None:
    """Where the brace stands that closes the expression starting at `at`."""
    depth = 0
    while at < len(text):
        if text[at] == "}":
            if depth == 0:
                return at
            depth -= 1
        elif text[at] == "{":
            depth += 1
        elif string := _STRING.match(text, at):
            at = string.end()
            continue
        at += 1
    return None
