"""Expected against actual: maps as deep subsets, lists whole, `1` is `1.0` and is not `"1"`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from automations.rehearsal_case import Expected
from base.place import within
from base.time import Micros, format_duration, parse_duration

MISSING = object()


@dataclass(frozen=True, slots=True)
class Deed:
    """What an action did, or failed to do (`error`, and `message` for people).

    `fields` are named as in the rule: `with`, `data`, `body` …
    """

    kind: str
    target: str
    at: Micros
    fields: dict[str, Any]
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """At `place` of an entry one thing was wanted and another was there.

    `missing` says that nothing was there, which is not null.
    """

    place: str
    wanted: Any
    actual: Any
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison: in order when both are there and do not differ."""

    expected: Expected | None
    actual: Deed | None
    differences: tuple[Difference, ...] = field(default=())

    @property
    def agrees(self) -> bool:
        return self.expected is not None and self.actual is not None and not self.differences


def compare(expected: Sequence[Expected], actual: Sequence[Deed]) -> tuple[Row, ...]:
    """Both lists side by side; they agree when every row does.

    Lists of one length are compared one to one. Otherwise what is of the same kind and
    target is put side by side, so that what is missing or too many stands out.
    """
    if len(expected) == len(actual):
        return tuple(_row(one, other) for one, other in zip(expected, actual, strict=True))
    rows: list[Row] = []
    matcher = SequenceMatcher(None, list(map(_label, expected)), list(map(_label, actual)), False)
    for tag, low, high, start, end in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(expected[low:high], actual[start:end], strict=True)
            rows.extend(_row(one, other) for one, other in pairs)
        else:
            rows.extend(Row(one, None) for one in expected[low:high])
            rows.extend(Row(None, other) for other in actual[start:end])
    return tuple(rows)


def _label(entry: Expected | Deed) -> tuple[str, str]:
    return entry.kind, _target(entry)


def _target(entry: Expected | Deed) -> str:
    """Either spelling finds a flow."""
    is_flow = entry.kind == "run" or entry.target.startswith("flow ")
    return entry.target.replace("_", "-") if is_flow else entry.target


def _row(expected: Expected, actual: Deed) -> Row:
    found: list[Difference] = []
    if expected.kind != actual.kind:
        found.append(Difference("", expected.kind, actual.kind))
    elif _target(expected) != _target(actual):
        found.append(Difference(expected.kind, expected.target, actual.target))
    if expected.at is not None and expected.at != actual.at:
        found.append(Difference("at", format_duration(expected.at), format_duration(actual.at)))
    if expected.error != actual.error:
        found.append(Difference("error", expected.error, actual.error))
    if expected.error is None and actual.error is None and expected.kind == actual.kind:
        for name, wanted in expected.fields.items():
            found.extend(_field(name, wanted, actual.fields.get(name, MISSING)))
    return Row(expected, actual, tuple(found))


def _field(name: str, wanted: Any, actual: Any) -> list[Difference]:
    if name == "delay":
        return [] if _span(wanted) == actual else [Difference(name, wanted, actual)]
    if name == "headers" and isinstance(wanted, dict) and isinstance(actual, dict):
        lowered = {key.lower(): value for key, value in actual.items()}
        return differences({key.lower(): value for key, value in wanted.items()}, lowered, name)
    if name == "tags" and isinstance(wanted, str):
        wanted = [wanted]
    return differences(wanted, actual, name)


def _span(text: Any) -> Micros | None:
    try:
        return parse_duration(text)
    except (ValueError, TypeError, AttributeError):
        return None


def differences(wanted: Any, actual: Any, place: str) -> list[Difference]:
    """Where `actual` does not have what `wanted` asks for."""
    if isinstance(wanted, dict) and isinstance(actual, dict):
        found: list[Difference] = []
        for key, value in wanted.items():
            found.extend(differences(value, actual.get(key, MISSING), within(place, key)))
        return found
    if isinstance(wanted, list) and isinstance(actual, list) and len(wanted) == len(actual):
        pairs = enumerate(zip(wanted, actual, strict=True))
        return [d for n, (one, other) in pairs for d in differences(one, other, within(place, n))]
    if actual is MISSING:
        return [Difference(place, wanted, None, missing=True)]
    return [] if _same(wanted, actual) else [Difference(place, wanted, actual)]


def _same(wanted: Any, actual: Any) -> bool:
    """Python holds True to be 1; JSON does not."""
    if isinstance(wanted, bool) or isinstance(actual, bool):
        return wanted is actual
    return bool(wanted == actual)
