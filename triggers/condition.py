"""The conditions of the pattern language: what one value of an event can be asked.

A value is a JSON scalar, null included. Numbers are compared exactly, integers beyond
2^53 too; `1` is `1.0`, and neither is `true`. Ignoring case is Unicode case folding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from triggers.cidr import cidr_test
from triggers.glob import Glob
from triggers.wildcard import parse_wildcard

Scalar = str | int | float | bool | None
Test = Callable[[Any], bool]
Refused = Literal["value", "prefix", "suffix", "wildcard", "equals-ignore-case"]


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; a boolean is not."""
    return type(value) is int or type(value) is float


@dataclass(frozen=True, slots=True)
class Exact:
    value: Scalar

    def as_json(self) -> Any:
        return self.value

    def test(self) -> Test:
        wanted = self.value
        if isinstance(wanted, bool) or wanted is None:
            return lambda value: value is wanted
        if isinstance(wanted, str):
            return lambda value: value == wanted
        return lambda value: value == wanted and value is not True and value is not False


@dataclass(frozen=True, slots=True)
class IgnoreCase:
    text: str

    def as_json(self) -> Any:
        return {"equals-ignore-case": self.text}

    def test(self) -> Test:
        folded = self.text.casefold()
        return lambda value: type(value) is str and value.casefold() == folded


@dataclass(frozen=True, slots=True)
class Affix:
    """`prefix` or `suffix`."""

    end: Literal["prefix", "suffix"]
    text: str
    ignore_case: bool = False

    def as_json(self) -> Any:
        return {self.end: {"equals-ignore-case": self.text} if self.ignore_case else self.text}

    def test(self) -> Test:
        has = str.startswith if self.end == "prefix" else str.endswith
        text = self.text
        if not self.ignore_case:
            return lambda value: type(value) is str and has(value, text)
        folded = text.casefold()
        return lambda value: type(value) is str and has(value.casefold(), folded)


@dataclass(frozen=True, slots=True)
class Wildcard:
    text: str

    def as_json(self) -> Any:
        return {"wildcard": self.text}

    def test(self) -> Test:
        matches = parse_wildcard(self.text).test()
        return lambda value: type(value) is str and matches(value)


@dataclass(frozen=True, slots=True)
class Globbed:
    """A glob over `source` or `subject`; patterns themselves have `wildcard`."""

    glob: Glob

    def as_json(self) -> Any:
        return {"glob": self.glob.text}

    def test(self) -> Test:
        matches = self.glob.test()
        return lambda value: type(value) is str and matches(value)


@dataclass(frozen=True, slots=True)
class Numeric:
    """A range; None is no bound on that side."""

    low: float | None
    high: float | None
    low_inclusive: bool = True
    high_inclusive: bool = True

    def as_json(self) -> Any:
        terms: list[Any] = []
        if self.low is not None and self.low == self.high:
            return {"numeric": ["=", self.low]}
        if self.low is not None:
            terms += [">=" if self.low_inclusive else ">", self.low]
        if self.high is not None:
            terms += ["<=" if self.high_inclusive else "<", self.high]
        return {"numeric": terms}

    def test(self) -> Test:
        def inside(value: Any) -> bool:
            return is_number(value) and self.holds(value)

        return inside

    def holds(self, value: float) -> bool:
        """Whether a number lies within."""
        low, high = self.low, self.high
        if low is not None and (value < low or (value == low and not self.low_inclusive)):
            return False
        return high is None or value < high or (value == high and self.high_inclusive)


@dataclass(frozen=True, slots=True)
class Cidr:
    block: str

    def as_json(self) -> Any:
        return {"cidr": self.block}

    def test(self) -> Test:
        return cidr_test(self.block)


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """Holds for each value that is there and that none of `values` describes."""

    refused: Refused
    values: tuple[str, ...] | tuple[float, ...]

    def as_json(self) -> Any:
        values = self.values[0] if len(self.values) == 1 else list(self.values)
        return {"anything-but": values if self.refused == "value" else {self.refused: values}}

    def test(self) -> Test:
        refuses = any_of([self._one(value) for value in self.values])
        return lambda value: not refuses(value)

    def _one(self, value: Any) -> Condition:
        match self.refused:
            case "value":
                return Exact(value)
            case "prefix" | "suffix":
                return Affix(self.refused, value)
            case "wildcard":
                return Wildcard(value)
            case "equals-ignore-case":
                return IgnoreCase(value)


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the field is there at all. Null is there; empty lists and objects are not."""

    wanted: bool

    def as_json(self) -> Any:
        return {"exists": self.wanted}

    def test(self) -> Test:
        wanted = self.wanted
        return lambda _: wanted


Condition = Exact | IgnoreCase | Affix | Wildcard | Globbed | Numeric | Cidr | AnythingBut | Exists


def any_of(conditions: Iterable[Condition]) -> Test:
    """One test that holds where any of them does; exact values are asked for all at once."""
    texts: set[str] = set()
    numbers: set[float] = set()
    tests: list[Test] = []
    for condition in conditions:
        if isinstance(condition, Exact) and isinstance(condition.value, str):
            texts.add(condition.value)
        elif isinstance(condition, Exact) and is_number(condition.value):
            numbers.add(condition.value)  # type: ignore[arg-type]  # is_number says so
        else:
            tests.append(condition.test())
    if numbers:
        tests.insert(0, _among_numbers(frozenset(numbers)))
    if texts:
        tests.insert(0, frozenset(texts).__contains__)
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def _among_numbers(numbers: frozenset[float]) -> Test:
    if len(numbers) == 1:
        return Exact(next(iter(numbers))).test()
    return lambda value: value in numbers and value is not True and value is not False
