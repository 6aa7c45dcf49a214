"""What a rule may say and probably does not mean: the slips of who comes from another tool."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from automations.finding import Finding, finding
from automations.reader import RuleFile
from base.place import within
from base.time import SECOND, format_duration

_JINJA: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_COMPARISON: Final = re.compile(r"(>=|<=|==|!=|>|<|=)\s*(-?\d+(?:\.\d+)?)")
_SPANS: Final = frozenset(
    ("within", "for", "over", "every", "quiet", "max_wait", "allowed_lateness", "delay", "timeout")
)
_LITERAL: Final = frozenset(("match", "with", "data", "body", "headers", "expected", "tests"))
"""Below these stands what is somebody's own: names there mean nothing to us."""


def slips(file: RuleFile) -> Iterator[Finding]:
    form = file.document.value
    for place, value in _texts(form, ""):
        if (found := _JINJA.search(value)) and "${" not in value:
            inner = found[1] or "event.data.total"
            yield finding(
                file,
                "warning",
                place,
                "text_not_expression",
                f"`{found[0]}` is plain text here",
                f"an expression is written ${{{inner}}}, in CEL",
            )
    for place, value in _patterns(form, ""):
        if found := _COMPARISON.fullmatch(value.strip()):
            operator = {"==": "=", "!=": "="}.get(found[1], found[1])
            condition = f'{{numeric: ["{operator}", {found[2]}]}}'
            if found[1] == "!=":
                condition = f"{{anything-but: {found[2]}}}"
            yield finding(
                file,
                "warning",
                place,
                "text_not_condition",
                f"`{value}` is compared as text, letter for letter",
                f"write [{condition}]",
            )
    for place, number in _spans(form, ""):
        span = format_duration(round(number * SECOND))
        yield finding(
            file,
            "note",
            place,
            "seconds_counted",
            f"a number counts seconds: {number:,} is {span}",
            f"write {span}",
        )


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """All texts of the actions, where expressions may stand."""
    match value:
        case Mapping():
            for name, item in value.items():
                if place or name in {"actions", "on_resolve"}:
                    yield from _texts(item, within(place, name))
        case list():
            for number, item in enumerate(value):
                yield from _texts(item, within(place, number))
        case str():
            yield place, value


def _patterns(value: Any, place: str, *, inside: bool = False) -> Iterator[tuple[str, str]]:
    """All texts that a `match` compares with; not those of its conditions, such as `prefix`."""
    match value:
        case Mapping() if inside or not place or place.startswith("trigger"):
            for name, item in value.items():
                if inside or name == "match" or name not in _LITERAL:
                    yield from _patterns(
                        item, within(place, name), inside=inside or name == "match"
                    )
        case list():
            for number, item in enumerate(value):
                if not (inside and isinstance(item, Mapping) and not place.endswith("$or")):
                    yield from _patterns(item, within(place, number), inside=inside)
        case str() if inside:
            yield place, value


def _spans(value: Any, place: str) -> Iterator[tuple[str, float]]:
    """All durations that are written as bare numbers."""
    match value:
        case Mapping():
            for name, item in value.items():
                here = within(place, name)
                is_number = isinstance(item, int | float) and not isinstance(item, bool)
                if name in _SPANS and is_number and item:
                    yield here, item
                elif name not in _LITERAL:
                    yield from _spans(item, here)
        case list():
            for number, item in enumerate(value):
                yield from _spans(item, within(place, number))
