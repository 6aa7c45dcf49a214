"""The type-checked tree of an expression, as far as advice on it needs.

The CEL library gives its tree only in serialised form: a `cel.expr.CheckedExpr` (see
checked.proto and syntax.proto of github.com/google/cel-spec) inside a `google.protobuf.Any`.
This reads the few fields that matter straight from the wire format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from events.expression import Expression

_Field = tuple[int, bytes | int]
_ARITHMETIC = frozenset(("_+_", "_-_", "_*_", "_/_"))
_DYN, _PRIMITIVE, _DOUBLE = 1, 3, 4
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
