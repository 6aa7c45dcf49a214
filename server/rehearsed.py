"""The tests of rules, run; and what came of them in words, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from automations.comparison import Deed, Row
from automations.reader import Loaded
from automations.rehearsal import Result, rehearse
from automations.rehearsal_case import Expected
from base.fields import FormError
from base.time import format_duration


@dataclass(slots=True)
class Rehearsed:
    """What came of the tests of many rules."""

    results: list[tuple[str, Result]] = field(default_factory=list)
    """Each with the file that it stands in."""
    problems: list[str] = field(default_factory=list)
    """Rules and tests that cannot be read, with their place."""
    untested: list[str] = field(default_factory=list)
    """Names of rules without tests."""

    @property
    def failed(self) -> int:
        return sum(not result.passed for _, result in self.results)

    def to_json(self) -> dict[str, Any]:
        tests = [told(file, result) for file, result in self.results]
        return {"tests": tests, "failed": self.failed, "problems": self.problems}


def rehearse_all(loaded: Loaded, variables: Mapping[str, Any]) -> Rehearsed:
    """Run the tests of all rules. Pure, and safe in any thread."""
    all_ = Rehearsed(problems=[str(problem) for problem in loaded.problems])
    for file in loaded.rules:
        try:
            found = rehearse(file.rule, variables)
        except FormError as error:
            for one in error.complaints:
                line = file.document.position(file.document.path(one.place)).line
                all_.problems.append(f"{file.file}:{line}: {one}")
            continue
        all_.results += [(file.file, result) for result in found]
        if not found:
            all_.untested.append(file.rule.name)
    return all_


def differences(row: Row) -> list[str]:
    if row.actual is None and row.expected is not None:
        return [f"{row.expected.kind} {row.expected.target}: did not happen"]
    if row.expected is None and row.actual is not None:
        why = f" ({row.actual.message})" if row.actual.message else ""
        return [f"{row.actual.kind} {row.actual.target}: was not expected{why}"]
    told = []
    for one in row.differences:
        actual = "nothing was there" if one.missing else f"was {brief(one.actual)}"
        told.append(f"{one.place or 'action'}: wanted {brief(one.wanted)}, {actual}")
    if row.actual and row.actual.message and not row.agrees:
        told.append(row.actual.message)
    return told


def expected(one: Expected) -> str:
    at = f"{format_duration(one.at)} " if one.at is not None else ""
    fields = f" {brief(dict(one.fields))}" if one.fields else ""
    return f"{at}{one.kind} {one.target}{fields}{f' error {one.error}' if one.error else ''}"


def deed(one: Deed) -> str:
    at = format_duration(one.at)
    if one.error:
        return f"{at} {one.kind} {one.target} error {one.error}"
    shown = {name: value for name, value in one.fields.items() if value not in (None, [], {}, 0)}
    return f"{at} {one.kind} {one.target} {brief(shown) if shown else ''}".rstrip()


def brief(value: Any) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= 300 else text[:299] + "…"


def told(file: str, result: Result) -> dict[str, object]:
    return {
        "file": file,
        "automation": result.automation,
        "test": result.name,
        "passed": result.passed,
        "place": result.place,
        "rows": [
            {
                "agrees": row.agrees,
                "expected": expected(row.expected) if row.expected else None,
                "actual": deed(row.actual) if row.actual else None,
                "differences": differences(row) if not row.agrees else [],
            }
            for row in result.rows
        ],
    }
