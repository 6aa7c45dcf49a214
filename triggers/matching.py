"""Branches of a pattern, compiled to closures that keep to array consistency.

Where the event has a list, all fields below it must be satisfied within one and the same
element, at every level. Each closure *judges* a value: `PRESENT` when its conditions hold
and at least one was met by a value that is there, `ABSENT` when they hold because every
field is missing and may be (`exists: false`), `NO` otherwise. A list is `PRESENT` through
any one element, but `ABSENT` only through all: "no item has an error" must not be true
because one of several items has none.

A name of the event may carry dots (`{"a.b": 1}`): it is the nested field then. Where it
meets what is there already, objects are made one, and otherwise the shorter name stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from triggers.branch import Branch, Group, Path
from triggers.condition import Exists, Test, any_of

NO: Final = 0
ABSENT: Final = 1
PRESENT: Final = 2
MISSING: Final = object()

Judge = Callable[[Any], int]


def compile_branch(branch: Branch) -> Judge:
    """Judges the root of an event; anything but `NO` is a match."""
    if not branch:
        return lambda _: ABSENT
    return _compile(branch, 0)


def _compile(leaves: Branch, depth: int) -> Judge:
    """Judges the value found `depth` segments down, by all leaves at or below it."""
    here = [groups for path, groups in leaves if len(path) == depth]
    below = tuple(leaf for leaf in leaves if len(leaf[0]) > depth)
    if not below:
        return _compile_leaf(here[0])
    inner = _compile_object(below, depth)
    return _conjoin(_compile_leaf(here[0]), inner) if here else inner


def _compile_leaf(groups: tuple[Group, ...]) -> Judge:
    if_absent = ABSENT if all(Exists(wanted=False) in group for group in groups) else NO
    test = _all_of([any_of(group) for group in groups])

    def judge(value: Any) -> int:
        kind = type(value)
        if kind is list:
            return judge_elements(judge, value, if_absent)
        if kind is dict or value is MISSING:
            return if_absent
        return PRESENT if test(value) else NO

    return judge


def _all_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _compile_object(leaves: Branch, depth: int) -> Judge:
    """Judges an object by its members."""
    members = [
        (name, _compile(tuple(part), depth + 1))
        for name, part in groupby(leaves, lambda leaf: leaf[0][depth])
    ]
    dotted = _dotted_names(leaves, depth)
    if_absent = ABSENT if all(judge(MISSING) for _, judge in members) else NO

    def judge(value: Any) -> int:
        kind = type(value)
        if kind is dict:
            if dotted and not dotted.isdisjoint(value):
                value = undotted(value)
            best = ABSENT
            for name, member in members:
                verdict = member(value.get(name, MISSING))
                if not verdict:
                    return NO
                if verdict > best:  # noqa: PLR1730 - `max` costs a call for each member
                    best = verdict
            return best
        if kind is list:
            return judge_elements(judge, value, if_absent)
        return if_absent

    return judge


def _conjoin(leaf: Judge, inner: Judge) -> Judge:
    """For a path that carries conditions of its own and has fields below it."""
    if_absent = min(leaf(MISSING), inner(MISSING))

    def judge(value: Any) -> int:
        if type(value) is list:
            return judge_elements(judge, value, if_absent)
        verdicts = leaf(value), inner(value)
        return max(verdicts) if all(verdicts) else NO

    return judge


def judge_elements(judge: Judge, elements: list[Any], if_absent: int) -> int:
    """What a list is judged to be by its elements; an empty one counts as missing."""
    result = if_absent
    for element in elements:
        verdict = judge(element)
        if verdict == PRESENT:
            return PRESENT
        result = min(result, verdict)
    return result


def _dotted_names(leaves: Branch, depth: int) -> frozenset[str]:
    """Names with dots by which a field below could be hiding in an object."""
    return frozenset(name for path, _ in leaves for name in _dotted(path[depth:]))


def _dotted(path: Path) -> list[str]:
    return [".".join(path[:end]) for end in range(2, len(path) + 1)]


def undotted(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object with its dotted names made nested, the shortest first."""
    result: dict[str, Any] = {}
    for name in sorted(value, key=_dots):
        nested = value[name]
        first, *rest = name.split(".")
        for segment in reversed(rest):
            nested = {segment: nested}
        result[first] = _merged(result[first], nested) if first in result else nested
    return result


def _dots(name: str) -> int:
    return name.count(".")


def _merged(one: Any, other: Any) -> Any:
    """Both objects in one; where anything else meets, the first stands."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return one
    result = dict(one)
    for name, value in other.items():
        result[name] = _merged(result[name], value) if name in result else value
    return result


def instances(value: Any, path: Path) -> Iterator[Any]:
    """Every scalar that a path leads to, through lists and dotted names."""
    if isinstance(value, list):
        for element in value:
            yield from instances(element, path)
    elif isinstance(value, dict):
        if path:
            if not value.keys().isdisjoint(_dotted(path)):
                value = undotted(value)
            yield from instances(value.get(path[0], MISSING), path[1:])
    elif not path and value is not MISSING:
        yield value
