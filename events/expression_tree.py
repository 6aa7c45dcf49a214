"""The type-checked tree of an expression, as far as advice on it needs.

The CEL library gives its tree only in serialised form: a `cel.expr.CheckedExpr` (see
checked.proto and syntax.proto of github.com/google/cel-spec) inside a `google.protobuf.Any`.
This reads the few fields that matter straight from the wire format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from events.expression import Expression

_Field = tuple[int, bytes | int]
_ARITHMETIC = frozenset(("_+_", "_-_", "_*_", "_/_"))
_DYN, _PRIMITIVE, _DOUBLE = 1, 3, 4
_CONST, _IDENT = 3, 4
_SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class Mixing:
    """A fraction and a value that may be an integer, in one arithmetic operation.

    `at` is the operator's offset in the source.
    """

    operator: str
    at: int


def mixings(expression: Expression) -> list[Mixing]:
    """Where the expression fails at run time if what the event holds is an integer.

    CEL does not mix integers and fractions in arithmetic; the type checker finds that only
    where it knows both types.
    """
    checked = _fields(_only(_fields(expression.checked()), 2))
    types = {number: _type(kind) for number, kind in _entries(checked, 3)}
    found = []
    for number, function, arguments in _calls(_only(checked, 4)):
        if function in _ARITHMETIC:
            taken = sorted(types.get(argument, "") for argument in arguments)
            if taken == ["double", "dyn"]:
                found.append((function.strip("_"), number))
    positions = _positions(_only(checked, 5)) if found else {}
    return sorted(
        (Mixing(operator, positions.get(number, 0)) for operator, number in found),
        key=lambda mixing: mixing.at,
    )


ITEM: Final = None
"""In a path: any item of a list, or value of a map."""

FieldPath = tuple[str | None, ...]
"""A name of the scope, and the way from there through maps and lists."""


@dataclass(frozen=True, slots=True)
class Read:
    """A field that an expression reads. `optional` where it says itself that it may be missing.

    `at` is the offset in the source of the last step.
    """

    path: FieldPath
    optional: bool
    at: int


def reads(expression: Expression) -> list[Read]:
    """The fields of maps that an expression reads, each way as far as it is written out."""
    checked = _fields(_only(_fields(expression.checked()), 2))
    reader = _Reader(_positions(_only(checked, 5)))
    reader.walk(_only(checked, 4), {})
    guarded = [one.path for one in reader.found if one.optional]
    return [
        replace(one, optional=any(one.path[: len(path)] == path for path in guarded))
        for one in reader.found
    ]


_Way = tuple[FieldPath, bool]
"""A path, and whether a step of it is optional."""
_Bound = dict[str, _Way | None]


class _Reader:
    """Walks a tree and keeps the longest ways from names through fields."""

    def __init__(self, positions: dict[int, int]) -> None:
        self._positions = positions
        self.found: list[Read] = []

    def walk(self, expression: bytes, bound: _Bound) -> _Way | None:
        """The way that this expression is, if it is one; it is kept then."""
        way = self._way(expression, bound)
        if way is not None and len(way[0]) > 1:
            number = _number(_fields(expression), 2)
            read = Read(way[0], way[1], self._positions.get(number, 0))
            if read not in self.found:
                self.found.append(read)
        return way

    def _way(self, expression: bytes, bound: _Bound) -> _Way | None:
        node = _fields(expression)
        if ident := _all(node, _IDENT):
            name = _only(_fields(ident[0]), 1).decode()
            return bound.get(name, ((name,), False))
        if select := _all(node, _SELECT):
            fields = _fields(select[0])
            name = _only(fields, 2).decode()
            return _on(self._way(_only(fields, 1), bound), name, optional=bool(_number(fields, 3)))
        if call := _all(node, _CALL):
            return self._call(_fields(call[0]), bound)
        if comprehension := _all(node, _COMPREHENSION):
            self._comprehension(_fields(comprehension[0]), bound)
            return None
        for child in _children(node):
            self.walk(child, bound)
        return None

    def _call(self, fields: list[_Field], bound: _Bound) -> _Way | None:
        function = _only(fields, 2).decode()
        target, arguments = _all(fields, 1), _all(fields, 3)
        if function in {"_[_]", "_[?_]", "_?._"} and len(arguments) == 2:
            optional = "?" in function
            constant = _fields(_only(_fields(arguments[1]), _CONST))
            if texts := _all(constant, 6):
                return _on(self._way(arguments[0], bound), texts[0].decode(), optional=optional)
            if constant:
                return _on(self._way(arguments[0], bound), ITEM, optional=optional)
        elif function == "value" and target:
            return self._way(target[0], bound)
        for one in (*target, *arguments):
            self.walk(one, bound)
        return None

    def _comprehension(self, fields: list[_Field], bound: _Bound) -> None:
        over = self.walk(_only(fields, 2), bound)
        begun = self.walk(_only(fields, 4), bound)
        inner = dict(bound)
        inner[_only(fields, 1).decode()] = _on(over, ITEM)
        inner[_only(fields, 3).decode()] = begun
        for part in (5, 6, 7):
            for one in _all(fields, part):
                self.walk(one, inner)


def _on(way: _Way | None, step: str | None, *, optional: bool = False) -> _Way | None:
    return None if way is None else ((*way[0], step), way[1] or optional)


def _type(kind: bytes) -> str:
    fields = _fields(kind)
    if _all(fields, _DYN):
        return "dyn"
    return "double" if _number(fields, _PRIMITIVE) == _DOUBLE else ""


def _positions(info: bytes) -> dict[int, int]:
    pairs = [_fields(entry) for entry in _all(_fields(info), 4)]
    return {_number(pair, 1): _number(pair, 2) for pair in pairs}


def _entries(fields: list[_Field], number: int) -> Iterator[tuple[int, bytes]]:
    """A map from numbers to messages."""
    for entry in _all(fields, number):
        pair = _fields(entry)
        yield _number(pair, 1), _only(pair, 2)


def _calls(expression: bytes) -> Iterator[tuple[int, str, list[int]]]:
    """Id, function and the ids of the arguments of all calls in a tree."""
    waiting = [expression]
    while waiting:
        node = _fields(waiting.pop())
        if call := _all(node, _CALL):
            fields = _fields(call[0])
            arguments = [*_all(fields, 1), *_all(fields, 3)]
            name = _only(fields, 2).decode()
            yield _number(node, 2), name, [_number(_fields(one), 2) for one in arguments]
            waiting.extend(arguments)
        waiting.extend(_children(node))


def _children(node: list[_Field]) -> Iterator[bytes]:
    """The expressions inside an expression that is not a call."""
    for select in _all(node, _SELECT):
        yield from _all(_fields(select), 1)
    for elements in _all(node, _LIST):
        yield from _all(_fields(elements), 1)
    for struct in _all(node, _STRUCT):
        for entry in _all(_fields(struct), 2):
            fields = _fields(entry)
            yield from (*_all(fields, 3), *_all(fields, 4))
    for comprehension in _all(node, _COMPREHENSION):
        fields = _fields(comprehension)
        for part in (2, 4, 5, 6, 7):
            yield from _all(fields, part)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> list[_Field]:
    """Number and content of each field of a message."""
    fields: list[_Field] = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            fields.append((number, value))
            continue
        size = {1: 8, 5: 4}.get(wire)
        if size is None:
            size, at = _varint(data, at)
        fields.append((number, data[at : at + size]))
        at += size
    return fields


def _all(fields: list[_Field], number: int) -> list[bytes]:
    return [value for n, value in fields if n == number and isinstance(value, bytes)]


def _only(fields: list[_Field], number: int) -> bytes:
    return next(iter(_all(fields, number)), b"")


def _number(fields: list[_Field], number: int) -> int:
    return next((value for n, value in fields if n == number and isinstance(value, int)), 0)
