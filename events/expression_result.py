"""Results of expressions as JSON: times and durations as text, and nothing that is no data."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from cel_expr_python import cel

from base.errors import UnprocessableError
from base.time import to_datetime, to_rfc3339

MAX_RESULT = 4 * 1024 * 1024
"""Letters and members in a result that an expression builds anew."""


class EvaluationError(UnprocessableError):
    """An expression that could not be evaluated on what it was given.

    `code` is one of field_missing, type_error, division_by_zero, budget_exceeded,
    result_not_json, evaluation_error.
    """

    default_code = "evaluation_error"


def within_bounds(value: cel.Value, room: list[int]) -> Any:
    """The plain value, taken member by member for as long as there is room.

    A list that repeats the event in each item is small in CEL, which shares them, and could
    be gigabytes as JSON.
    """
    plain = value.value()
    room[0] -= 1 + (len(plain) if isinstance(plain, str) else 0)
    if room[0] < 0:
        raise EvaluationError("the result is too large", code="budget_exceeded")
    if isinstance(plain, list):
        return [within_bounds(item, room) for item in plain]
    if isinstance(plain, dict):
        return {key: within_bounds(item, room) for key, item in plain.items()}
    return plain


def to_json(value: Any) -> Any:
    """A plain CEL value as JSON, maps with sorted keys. Raises EvaluationError."""
    match value:
        case None | bool():
            return value
        case str():
            if "\0" in value:
                raise EvaluationError("text with a NUL character", code="result_not_json")
            return value
        case int():
            if not -(2**63) <= value < 2**63:
                raise EvaluationError(f"{value} is beyond 64 bits", code="result_not_json")
            return value
        case float():
            if not isfinite(value):
                raise EvaluationError(f"{value} is no JSON number", code="result_not_json")
            return value
        case list():
            return [to_json(item) for item in value]
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise EvaluationError("a map whose keys are not text", code="result_not_json")
            return {key: to_json(value[key]) for key in sorted(value)}
        case datetime():
            return timestamp(value)
        case timedelta():
            return _duration(value)
        case bytes() | bytearray():
            raise EvaluationError(
                "bytes (base64.encode makes text of them)", code="result_not_json"
            )
        case _:
            raise EvaluationError("a value that is no data", code="result_not_json")


def timestamp(moment: datetime) -> str:
    return to_rfc3339((moment - to_datetime(0)) // timedelta(microseconds=1))


def _duration(span: timedelta) -> str:
    """Seconds, as protobuf's JSON has it: `90s`, `-1.5s`."""
    micros = span // timedelta(microseconds=1)
    seconds, rest = divmod(abs(micros), 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{'-' if micros < 0 else ''}{seconds}{fraction}s"
