"""CEL expressions: compiled and type-checked when they are read, bounded when they run.

The language is Google's Common Expression Language with the extensions for strings, math,
optional values and encoders. Three things about it shape this module:

* A run-time error is a returned value whose plain form is a truthy text, or sometimes a
  raised RuntimeError. Nothing but BOOL True may ever count as true.
* A map may hold JSON values only, so `event` carries its time as text. `event.time` still
  is a timestamp: it is declared as a variable of its own under that qualified name, which
  CEL looks up first. The same holds for `firing.time`. Within lists of events the text
  stays: `timestamp(events[0].time)`.
* Any name may be selected from a map, so `event.tpye` would pass the type check. Names
  selected from `event` are therefore held against the attributes that events have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from math import isfinite
from typing import Any, Literal

from cel_expr_python import cel

from base.errors import ConfigurationError
from base.time import to_datetime
from events.attribute_names import check_attributes
from events.event import Event
from events.expression_result import (
    MAX_RESULT,
    EvaluationError,
    timestamp,
    to_json,
    within_bounds,
)
from events.expression_words import classify, compile_report, spelled_type

__all__ = [
    "ACTION",
    "WHERE",
    "Activation",
    "EvaluationError",
    "Expression",
    "Failure",
    "Scope",
]

MAX_LENGTH = 8 * 1024
"""Letters in one expression."""

Kind = Literal[
    "any", "map", "list", "text", "timestamp", "event", "maybe_event", "events", "firing"
]

_BOOL, _ERROR = cel.Type.BOOL, cel.Type.ERROR
_OPTIONAL = "NOT_JSON: optional"  # it shows itself as an error without a text
_BUILDING = re.compile(r"\bmap\b|\[[^\]]*\D|\{")
"""What makes a list or a map of its own; anything else is at most as large as the event."""

_FEW = 2
"""Expressions that read different parts of an event, and for which it is converted in parts."""
_EVENT = re.compile(r"\bevent\b")
_STEPS = re.compile(r"\bevent\.([A-Za-z_]\w*)\b(?!\s*\()(?:\.([A-Za-z_]\w*)\b(?!\s*\())?")
_PATH = re.compile(r"event\.(?!time\b)[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""A field of the event, of which CEL is asked only where it is not simply there."""

_ANY_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_TYPES: Mapping[Kind, cel.Type] = {
    "any": cel.Type.DYN,
    "map": _ANY_MAP,
    "list": cel.Type.List(cel.Type.DYN),
    "text": cel.Type.STRING,
    "timestamp": cel.Type.TIMESTAMP,
    "event": _ANY_MAP,
    "maybe_event": cel.Type.DYN,
    "events": cel.Type.List(_ANY_MAP),
    "firing": _ANY_MAP,
}
_EVENTS: frozenset[Kind] = frozenset(("event", "maybe_event"))
_TIMED: frozenset[Kind] = _EVENTS | {"firing"}


class Scope:
    """The names an expression may use, and what they are. Made once, shared by all.

    `functions` are those beside CEL's own. What one of them raises is a run-time error of
    the expression, with its text.
    """

    __slots__ = ("_extended", "_types", "environment", "functions", "variables")

    def __init__(
        self, functions: Mapping[str, cel.FunctionDecl] | None = None, /, **variables: Kind
    ) -> None:
        self.variables: Mapping[str, Kind] = variables
        self.functions = functions or {}
        types = {name: _TYPES[kind] for name, kind in variables.items()}
        types |= {f"{n}.time": cel.Type.TIMESTAMP for n, k in variables.items() if k in _TIMED}
        self._types = types
        self._extended: cel.Env | None = None
        self.environment = self._make()

    def compile(self, source: str) -> cel.Expression:
        """With the extensions only where it takes them: what does without means the same with them.

        What activations are made for is `environment` in either case.
        """
        try:
            return self.environment.compile(source)
        except (RuntimeError, TypeError):
            if self._extended is None:
                self._extended = self._make(extensions=_extensions())
            return self._extended.compile(source)

    def _make(self, **more: Any) -> cel.Env:
        functions = list(self.functions.values())
        return cel.NewEnv(variables=self._types, functions=functions, **more)


@cache
def _extensions() -> list[cel.CelExtensionBase]:
    # Three megabytes each, and most rules use none of them.
    from cel_expr_python.ext import ext_encoders, ext_math, ext_optional, ext_strings

    return [
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_optional.ExtOptional(),
        ext_encoders.ExtEncoders(),
    ]


WHERE = Scope(event="event")
"""What `where` sees."""

ACTION = Scope(
    event="maybe_event",
    events="events",
    automation="map",
    firing="firing",
    vars="map",
    now="timestamp",
)
"""What actions see. `event` is null where a clock or a silence set them off."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an expression gave no answer: what the service kept to explain it."""

    raw: str
    source: str

    @property
    def code(self) -> str:
        return classify(self.raw, self.source)[0]

    @property
    def message(self) -> str:
        return classify(self.raw, self.source)[1]


_Members = tuple[frozenset[str], frozenset[str] | None]
"""Of `event`, which attributes an expression reads; and of `data`, None for all of it."""


def _members(source: str) -> _Members | None:
    """What an expression can read of `event`, told by its text alone; None for all of it.

    Parts are told only where each `event` is followed by a name, and that by no bracket: what
    calls a function on the map, searches or compares it, sees all of it.
    """
    steps = _STEPS.findall(source)
    if "//" in source or len(steps) != len(_EVENT.findall(source)):
        return None
    data = [inner for name, inner in steps if name == "data"]
    return frozenset(name for name, _ in steps), frozenset(data) if all(data) else None


class Activation:
    """What one event (or firing) gives to all expressions on it; converted for a few at once."""

    __slots__ = ("_converted", "_values", "_variables")

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._values: Mapping[str, Any] | None = None
        """As CEL takes them; made when it is first asked."""
        self._converted: dict[tuple[Scope, _Members | None], cel.Activation] = {}

    @classmethod
    def of(cls, **variables: Any) -> Activation:
        """Values are JSON, a datetime with a zone, an Event, or a list of Events.

        A map whose `time` is a datetime gives that as `<name>.time`, as an Event does.
        """
        return cls(variables)

    def scalar(self, path: Sequence[str]) -> str | int | float | bool | None:
        """What stands in `event` at a path, where CEL would give it back as it is; else None."""
        value = self._variables.get("event")
        if isinstance(value, Event):
            value = value.root()
        for name in path:
            if type(value) is not dict:
                return None
            value = value.get(name)
        if isinstance(value, str):
            return None if "\0" in value else value
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if -(2**63) <= value < 2**63 else None
        return value if isinstance(value, float) and isfinite(value) else None

    def within(self, scope: Scope, members: _Members | None) -> cel.Activation:
        """`members` is what is needed of `event`: converting all of it takes longer than asking."""
        converted = self._converted
        if members is not None and len(converted) >= _FEW and (scope, members) not in converted:
            members = None  # many expressions share the whole event
        found = converted.get((scope, members))
        if found is None:
            if self._values is None:
                self._values = _values(self._variables)
            found = scope.environment.Activation(_reduced(self._values, members))
            converted[scope, members] = found
        return found


def _values(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    for name, value in variables.items():
        if isinstance(value, Event):
            values[name] = value.root()
            values[f"{name}.time"] = to_datetime(value.time)
        elif isinstance(value, list) and value and isinstance(value[0], Event):
            values[name] = [event.root() for event in value]
        elif isinstance(value, dict) and isinstance(value.get("time"), datetime):
            values[name] = value | {"time": timestamp(value["time"])}
            values[f"{name}.time"] = value["time"]
        else:
            values[name] = value
    return values


def _reduced(values: Mapping[str, Any], members: _Members | None) -> Mapping[str, Any]:
    event = values.get("event")
    if members is None or event is None:
        return values
    names, of_data = members
    part = {name: event[name] for name in names if name in event}
    data = part.get("data")
    if of_data is not None and type(data) is dict:
        part["data"] = {name: data[name] for name in of_data if name in data}
    return {**values, "event": part}


class Expression:
    """A compiled expression, bound to a scope."""

    __slots__ = ("_builds", "_members", "_path", "_program", "place", "scope", "source", "type")

    def __init__(self, program: cel.Expression, source: str, scope: Scope, place: str) -> None:
        self._program = program
        self._builds = _BUILDING.search(source) is not None
        self._members = _members(source)
        self._path = tuple(source.split(".")[1:]) if _PATH.fullmatch(source) else None
        self.source = source
        self.scope = scope
        self.place = place
        self.type = str(program.return_type().name())
        """The static type, such as BOOL or LIST<INT>; DYN where only a run can tell."""

    @classmethod
    def compile(cls, source: str, *, scope: Scope, place: str = "") -> Expression:
        """Raises ConfigurationError `expression_invalid`, its message with a caret."""
        if len(source) > MAX_LENGTH:
            raise ConfigurationError(
                f"an expression has at most {MAX_LENGTH:,} characters, this one {len(source):,}",
                code="expression_invalid",
                place=place,
            )
        if not source.strip():
            raise ConfigurationError(
                "the expression is empty", code="expression_invalid", place=place
            )
        try:
            compiled = cls(scope.compile(source), source, scope, place)
        except (RuntimeError, TypeError) as error:
            message, advice = compile_report(str(error), source, scope.variables, scope.functions)
            raise ConfigurationError(
                message, code="expression_invalid", place=place or None, hint=advice
            ) from None
        if scope.variables.get("event") in _EVENTS:
            check_attributes(source, place)
        return compiled

    @classmethod
    def condition(cls, source: Any, *, scope: Scope, place: str = "") -> Expression:
        """As `compile`, and the answer must be able to be true or false."""
        if isinstance(source, bool):
            source = "true" if source else "false"
        if not isinstance(source, str):
            raise ConfigurationError(
                "a condition is a CEL expression, as text", code="expression_invalid", place=place
            )
        compiled = cls.compile(source, scope=scope, place=place)
        if compiled.type not in {"BOOL", "DYN"}:
            raise ConfigurationError(
                f"a condition must be true or false, and `{source}` is {spelled_type(compiled.type)}",
                code="expression_invalid",
                place=place,
            )
        return compiled

    def checked(self) -> bytes:
        """The type-checked tree, as a serialised `cel.expr.CheckedExpr`."""
        return bytes(self._program.serialize())

    def evaluate(self, activation: Activation) -> Any:
        """The result as JSON (times as RFC 3339 text, durations as `1.5s`).

        Raises EvaluationError.
        """
        if self._path is not None and (found := activation.scalar(self._path)) is not None:
            return found
        outcome = self._run(activation)
        if isinstance(outcome, Failure):
            raise EvaluationError(outcome.message, code=outcome.code, place=self.place or None)
        try:
            if self._builds:
                return to_json(within_bounds(outcome, [MAX_RESULT]))
            return to_json(outcome.plain_value())
        except (RuntimeError, TypeError, SystemError):
            # What has no plain value: a type, an optional, a map with fractions as keys.
            raise EvaluationError(
                f"the result of `{self.source}` is not JSON",
                code="result_not_json",
                place=self.place or None,
                hint="an optional value needs a default: .orValue(…)",
            ) from None
        except EvaluationError as error:
            raise EvaluationError(
                f"the result of `{self.source}` is not JSON: {error.message}"
                if error.code == "result_not_json"
                else f"{error.message}: `{self.source}`",
                code=error.code,
                place=self.place or None,
            ) from None

    def holds(self, activation: Activation) -> Literal[True, False] | Failure:
        """True or False, or why there is no answer; only True itself is a yes."""
        try:
            outcome = self._program.eval(activation.within(self.scope, self._members))
            kind = outcome.type()
            if kind == _BOOL:
                return outcome.value() is True
            if kind == _ERROR:
                return Failure(str(outcome.plain_value()), self.source)
        except RuntimeError as error:
            return Failure(str(error), self.source)
        except (TypeError, SystemError):
            return Failure(_OPTIONAL, self.source)
        return Failure(f"NOT_BOOL: {kind.name()}", self.source)

    def _run(self, activation: Activation) -> cel.Value | Failure:
        try:
            value = self._program.eval(activation.within(self.scope, self._members))
            if value.type() == _ERROR:
                return Failure(str(value.plain_value()), self.source)
        except RuntimeError as error:
            return Failure(str(error), self.source)
        except (TypeError, SystemError):
            return Failure(_OPTIONAL, self.source)
        return value
