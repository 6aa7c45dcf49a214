"""Conditions that need no CEL: fields of the event compared with literals.

`event.data.total > 1000.0 && event.subject == 'a'` is what most conditions are like, and CEL
takes ten times as long to be asked as such a comparison takes. So it is asked only where Python
could mean something else by the same signs: an answer is given here for a field that is there
and of the very type of the literal, text, fraction or integer in 64 bits. Anything else (it is
missing, a list, an integer beside a fraction) is CEL's to decide and to explain.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Comparison = Callable[[Mapping[str, Any]], bool | None]
"""Asked of the root of an event; None where CEL has to be asked."""

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
# `event.time` is a timestamp there, and text here.
_FORM: Final = re.compile(
    rf"\s*event\.(?!time\b)(?P<path>{_NAME}(?:\.{_NAME})*)\s*(?P<sign>[<>]=?|[=!]=)\s*"
    r"(?:(?P<fraction>-?\d{1,15}\.\d{1,15})|(?P<integer>-?\d{1,18})"
    r"|'(?P<single>[^'\\\n\r]*)'|\"(?P<double>[^\"\\\n\r]*)\")\s*"
)
_SIGNS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_INTEGERS: Final = range(-(2**63), 2**63)


def comparison(source: str) -> Comparison | None:
    """For an expression that is made of comparisons alone, joined by `&&`; None for any other."""
    compared = [_one(part) for part in source.split("&&")]
    parts = [one for one in compared if one is not None]
    if len(parts) < len(compared):
        return None
    if len(parts) == 1:
        return parts[0]

    def all_hold(root: Mapping[str, Any]) -> bool | None:
        answers = [part(root) for part in parts]
        return None if None in answers else all(answers)

    return all_hold


def _one(source: str) -> Comparison | None:
    form = _FORM.fullmatch(source)
    if form is None:
        return None
    literal = _literal(form)
    kind, holds = type(literal), _SIGNS[form["sign"]]
    if kind is str and form["sign"] not in ("==", "!="):
        return None
    *outer, last = form["path"].split(".")

    def compare(root: Mapping[str, Any]) -> bool | None:
        inner: Any = root
        for name in outer:
            inner = inner.get(name)
            if type(inner) is not dict:
                return None
        value = inner.get(last)
        if type(value) is not kind or (kind is int and value not in _INTEGERS):
            return None
        return holds(value, literal)

    return compare


def _literal(form: re.Match[str]) -> float | str:
    if form["fraction"]:
        return float(form["fraction"])
    if form["integer"]:
        return int(form["integer"])
    return form["single"] or form["double"] or ""
