"""Reading one condition of a pattern, such as `"x"` or `{"numeric": [">", 1]}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any, Literal

from base.errors import ConfigurationError
from triggers.cidr import cidr_test
from triggers.condition import (
    Affix,
    AnythingBut,
    Cidr,
    Condition,
    Exact,
    Exists,
    IgnoreCase,
    Numeric,
    Wildcard,
    is_number,
)
from triggers.wildcard import parse_wildcard


def refuse(message: str, place: str, *, hint: str | None = None) -> ConfigurationError:
    """The error for a pattern that is not one."""
    return ConfigurationError(message, code="pattern_invalid", place=place, hint=hint)


def parse_condition(form: object, place: str) -> Condition:
    """Raises ConfigurationError at `place` for what is no condition."""
    if isinstance(form, Mapping):
        name, operand = _single(form, place)
        if name not in _READERS:
            raise _unknown(name, list(_READERS), place)
        return _READERS[name](operand, f"{place}.{name}")
    if isinstance(form, list):
        raise refuse("a list within a list: conditions stand in one list", place)
    if isinstance(form, float) and not isfinite(form):
        raise refuse("a number out of range", place)
    if form is not None and not isinstance(form, str | int | float):
        raise refuse(f"{type(form).__name__} is no JSON value", place, hint="quote it")
    return Exact(form)


def _single(form: Mapping[Any, Any], place: str) -> tuple[str, Any]:
    if len(form) != 1:
        raise refuse(
            f"a condition has exactly one key, not {len(form)}",
            place,
            hint="several conditions are several entries of the list",
        )
    ((name, operand),) = form.items()
    return str(name), operand


def _unknown(name: str, known: list[str], place: str) -> ConfigurationError:
    near = get_close_matches(name, known, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(sorted(known))}"
    return refuse(f"there is no condition `{name}`", place, hint=hint)


def _text(operand: object, place: str) -> str:
    if not isinstance(operand, str):
        raise refuse(f"`{place.rpartition('.')[2]}` takes text", place)
    return operand


def _affix(end: Literal["prefix", "suffix"]) -> Callable[[object, str], Condition]:
    def read(operand: object, place: str) -> Condition:
        if not isinstance(operand, Mapping):
            return Affix(end, _text(operand, place))
        name, text = _single(operand, place)
        if name != "equals-ignore-case":
            raise _unknown(name, ["equals-ignore-case"], place)
        return Affix(end, _text(text, f"{place}.{name}"), ignore_case=True)

    return read


def _ignore_case(operand: object, place: str) -> Condition:
    return IgnoreCase(_text(operand, place))


def _wildcard(operand: object, place: str) -> Condition:
    text = _text(operand, place)
    try:
        parse_wildcard(text)
    except ValueError as error:
        raise refuse(str(error), place, hint=r"a star itself is `\*`, a backslash `\\`") from error
    return Wildcard(text)


def _exists(operand: object, place: str) -> Condition:
    if not isinstance(operand, bool):
        raise refuse("`exists` takes true or false", place)
    return Exists(operand)


def _cidr(operand: object, place: str) -> Condition:
    block = _text(operand, place)
    try:
        cidr_test(block)
    except ValueError as error:
        raise refuse(f"not a block of addresses: {error}", place, hint="as 10.0.0.0/8") from error
    return Cidr(block)


def _numeric(operand: object, place: str) -> Condition:
    if not isinstance(operand, list) or not operand:
        raise refuse("`numeric` takes a list", place, hint='as [">=", 0, "<", 10]')
    if len(operand) not in (2, 4):
        raise refuse("`numeric` takes one comparison or two", place, hint='as [">=", 0, "<", 10]')
    first, low = operand[0], _number(operand[1], operand[0], place)
    if len(operand) == 2:
        return _comparison(first, low, place)
    second, high = operand[2], _number(operand[3], operand[2], place)
    if first not in (">", ">=") or second not in ("<", "<="):
        raise refuse("a range has `>` or `>=` first, then `<` or `<=`", place)
    closed = first == ">=" and second == "<="
    if low > high or (low == high and not closed):
        raise refuse(f"nothing lies between {low} and {high}", place)
    return Numeric(low, high, first == ">=", second == "<=")


def _comparison(sign: object, bound: float, place: str) -> Condition:
    match sign:
        case "=":
            return Numeric(bound, bound)
        case "<" | "<=":
            return Numeric(None, bound, high_inclusive=sign == "<=")
        case ">" | ">=":
            return Numeric(bound, None, low_inclusive=sign == ">=")
        case _:
            raise refuse(f"`{sign}` is no comparison", place, hint="there are = < <= > >=")


def _number(value: Any, sign: object, place: str) -> float:
    if not is_number(value) or not isfinite(value):
        raise refuse(f"`{sign}` compares with a number, not {value!r}", place)
    return value  # type: ignore[no-any-return]  # is_number says so


def _anything_but(operand: object, place: str) -> Condition:
    if not isinstance(operand, Mapping):
        return AnythingBut("value", _refused_values(operand, place))
    name, value = _single(operand, place)
    at = f"{place}.{name}"
    values = value if isinstance(value, list) else [value]
    if not values:
        raise refuse("an empty list refuses nothing", at)
    match name:
        case "prefix" | "suffix":
            if "" in values:
                raise refuse(f"an empty {name} would refuse every text", at)
        case "wildcard":
            for text in values:
                _wildcard(text, at)
        case "equals-ignore-case":
            pass
        case _:
            known = ["prefix", "suffix", "wildcard", "equals-ignore-case"]
            raise _unknown(name, known, place)
    return AnythingBut(name, tuple(_text(text, at) for text in values))


def _refused_values(operand: object, place: str) -> tuple[str, ...] | tuple[float, ...]:
    values = operand if isinstance(operand, list) else [operand]
    if not values:
        raise refuse("an empty list refuses nothing", place)
    if all(isinstance(value, str) for value in values):
        return tuple(values)
    if all(is_number(value) for value in values):
        return tuple(_number(value, "anything-but", place) for value in values)
    raise refuse("`anything-but` takes texts or numbers, not both, and nothing else", place)


_READERS: dict[str, Callable[[object, str], Condition]] = {
    "prefix": _affix("prefix"),
    "suffix": _affix("suffix"),
    "equals-ignore-case": _ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "exists": _exists,
    "cidr": _cidr,
}

OPERATORS = frozenset(_READERS)
"""The names of all conditions."""
