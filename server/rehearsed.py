"""The result of a rule's test in words, and as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from automations.comparison import Deed, Row
from automations.rehearsal import Result
from automations.rehearsal_case import Expected
from base.time import format_duration


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
