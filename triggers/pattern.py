"""The pattern language of EventBridge: what the content of an event must be like.

A pattern is an object with the shape of the event. Its leaves are lists of conditions, of
which one must hold; all fields must hold; `$or` has alternatives. A bare scalar is a list
of one, and `{"a": {"b": …}}` is `{"a.b": …}`. Written out, a pattern is a list of
*branches* (one for each way through its `$or`s), each a conjunction over paths.

`docs/decisions/0003-event-pattern-conformance.md` says what this is held to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import isfinite, prod
from typing import Any

from triggers.branch import Branch, Group, Path
from triggers.matching import compile_branch
from triggers.operator import OPERATORS, parse_condition, refuse

MAX_BRANCHES = 1_000
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Pattern:
    """A valid pattern. `branches` are alternatives; there is at least one."""

    branches: tuple[Branch, ...]

    @classmethod
    def parse(cls, form: object, place: str = "match") -> Pattern:
        """Raises ConfigurationError (`pattern_invalid`) with the path of what is wrong."""
        if not isinstance(form, Mapping):
            raise refuse("a pattern is an object with the fields of the event", place)
        conjunction = _Conjunction()
        _read_object(form, (), conjunction, place)
        return cls(tuple(_sealed(branch) for branch in conjunction.branches(place)))

    def matches(self, root: Mapping[str, Any]) -> bool:
        """Whether an object is as the pattern says."""
        return any(compile_branch(branch)(root) for branch in self.branches)

    @classmethod
    def from_json(cls, text: str, place: str = "match") -> Pattern:
        """The same from JSON text; numbers that a double cannot hold are refused."""
        try:
            form = json.loads(text, parse_float=_strict_float, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise refuse(f"not JSON: {error}", place) from error
        return cls.parse(form, place)


Leaves = dict[Path, list[Group]]


class _Conjunction:
    """What must hold together: leaves, and `$or`s with their alternatives."""

    def __init__(self) -> None:
        self.leaves: Leaves = {}
        self.choices: list[list[Leaves]] = []

    def add(self, path: Path, group: Group, place: str) -> None:
        if path in self.leaves:
            raise refuse(f"the field `{'.'.join(path)}` is given twice", place)
        self.leaves[path] = [group]

    def branches(self, place: str) -> list[Leaves]:
        if prod(map(len, self.choices)) > MAX_BRANCHES:
            raise refuse(f"its `$or`s have more than {MAX_BRANCHES:,} combinations", place)
        branches = []
        for ways in product(*self.choices):
            branch = {path: list(groups) for path, groups in self.leaves.items()}
            for way in ways:
                for path, groups in way.items():
                    branch.setdefault(path, []).extend(groups)
            branches.append(branch)
        return branches


def _sealed(leaves: Leaves) -> Branch:
    return tuple((path, tuple(groups)) for path, groups in sorted(leaves.items()))


def _read_object(form: Mapping[Any, Any], path: Path, into: _Conjunction, place: str) -> None:
    if not form:
        raise refuse("an empty object says nothing", place)
    for key, value in form.items():
        if not isinstance(key, str):
            raise refuse(f"`{key}` is no field name: quote it", place)
        at = f"{place}.{key}"
        if key == "$or":
            into.choices.append(_read_choice(value, path, at))
        else:
            _read_field(value, (*path, *key.split(".")), into, at)


def _read_field(value: object, path: Path, into: _Conjunction, place: str) -> None:
    if len(path) > MAX_DEPTH:
        raise refuse(f"a path of more than {MAX_DEPTH} segments", place)
    if isinstance(value, Mapping):
        _expect_no_bare_condition(value, path, place)
        _read_object(value, path, into, place)
    else:
        into.add(path, _read_group(value, place), place)


def _read_choice(value: object, path: Path, place: str) -> list[Leaves]:
    if not isinstance(value, list):
        raise refuse("`$or` takes a list of patterns", place)
    if len(value) < 2:
        raise refuse("`$or` takes at least two patterns", place)
    alternatives: list[Leaves] = []
    for number, form in enumerate(value):
        at = f"{place}[{number}]"
        if not isinstance(form, Mapping):
            raise refuse("an alternative of `$or` is an object", at)
        if names := sorted(OPERATORS.intersection(form)):
            raise refuse(f"`{names[0]}` is a condition, and `$or` takes patterns", at)
        alternative = _Conjunction()
        _read_object(form, path, alternative, at)
        alternatives += alternative.branches(at)
        if len(alternatives) > MAX_BRANCHES:
            raise refuse(f"its `$or`s have more than {MAX_BRANCHES:,} combinations", place)
    return alternatives


def _read_group(value: object, place: str) -> Group:
    """The conditions of a field, each once."""
    if not isinstance(value, list):
        return (parse_condition(value, place),)
    if not value:
        raise refuse("an empty list matches nothing", place, hint="leave the field out")
    conditions = [parse_condition(item, f"{place}[{at}]") for at, item in enumerate(value)]
    return tuple({json.dumps(item.as_json()): item for item in conditions}.values())


def _expect_no_bare_condition(form: Mapping[Any, Any], path: Path, place: str) -> None:
    """`{total: {numeric: …}}` would silently ask for a field called `numeric`."""
    if len(form) != 1 or (name := next(iter(form))) not in OPERATORS:
        return
    raise refuse(
        f"`{name}` is a condition, and conditions stand in a list",
        place,
        hint=f"write [{{{name}: …}}]; for a field of that name `{'.'.join(path)}.{name}`",
    )


def _strict_float(text: str) -> float:
    number = float(text)
    mantissa = re.split("[eE]", text)[0]
    if not isfinite(number) or (number == 0 and mantissa.strip("-0.")):
        raise ValueError(f"the number {text} is out of range")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")
