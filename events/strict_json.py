r"""Strict JSON: what is accepted here means the same to every program that reads it later.

Refused, besides what is not JSON: duplicate keys, NaN and infinities, integers that do not
fit into 64 bits (signed or unsigned), NUL characters, lone surrogates, a byte order mark,
and more than 64 levels.

orjson does most of the work at its own speed, and lets four things pass: a duplicate key
(the last one wins), a `\u0000`, an integer beyond 64 bits (it becomes a float), and up to
1,024 levels. Each leaves a trace that is cheap to look for:

* A duplicate is dropped, and its colon with it: dumped again, the document has fewer colons
  than it came with. Colons inside strings count alike on both sides, unless they came
  escaped. What is dumped as it came, byte for byte, had none.
* A NUL and an escaped colon can only come as `\u0000` and `\u003a`.
* An integer beyond 64 bits has nineteen digits or more, and none of them inside quotes.
* orjson refuses to write more than 254 levels: a value deeper than 64 cannot be written
  from inside 190 lists.

A trace is a suspicion, not a verdict: the slow, exact path (the standard library's parser
with hooks) gives that, and it alone says *where*. Its hooks put a `_Fault` where the fault
is, so the way to it through the parsed value is its place.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from base.errors import InvalidInputError, TooLargeError

MAX_BYTES = 1 << 20
MAX_DEPTH = 64

_HINT_INTEGER = "send numbers of this size as strings"
_SHORT = 4_096  # up to here counting the brackets is cheaper than putting the value into lists
_SPARE_DEPTH = 254 - MAX_DEPTH  # orjson writes 254 levels and no more
_LONGEST_NUMBER = 1_100  # the longest decimal that spells a double exactly has about 1,080 digits
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u00(?:00|3[aA])")
_DIGITS_TO_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_NINETEEN_DIGITS = b"0" * 19
_LONG_NUMBER = b"0" * _LONGEST_NUMBER
_LONG_INTEGER = re.compile(rb"(?:^|[\[:,\s-])\d{19}")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SURROGATE = re.compile("[\ud800-\udfff]")


def loads(raw: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """The one value that `raw` holds.

    Raises InvalidInputError, with a code of its own for each fault and, in `place`, the line
    and column where the text breaks off or the path to the value that cannot be accepted
    (`$.data.items[3].sku`); TooLargeError over `max_bytes`. Pure, and safe in any thread.
    """
    if len(raw) > max_bytes:
        raise TooLargeError(f"the JSON has {len(raw)} bytes, and {max_bytes} is the limit")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        _refuse(raw, error)
    if _suspicious(raw, value):
        _judge(raw)
    return value


def loads_exactly(raw: bytes) -> Any:
    """What `loads` means, by the slow path alone: the model that the fast one is held to."""
    return _judge(raw)


def path_of(steps: list[str | int]) -> str:
    """`$.data.items[3].sku`; names that are not plain are quoted: `$["a b"]`."""
    return "$" + "".join(map(_step, steps))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    name = step[:100]
    return f".{name}" if _PLAIN_NAME.fullmatch(name) else f"[{json.dumps(name)}]"


def _suspicious(raw: bytes, value: Any) -> bool:
    if b"\\" in raw and _SUSPICIOUS_ESCAPE.search(raw):
        return True
    deep = len(raw) > _SHORT or raw.count(b"[") + raw.count(b"{") > MAX_DEPTH
    try:
        dumped = _dumped_deep(value) if deep else orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    if dumped == raw:  # as it is from a program that writes JSON without spaces
        return False
    digits = raw.translate(_DIGITS_TO_ZERO)
    if _NINETEEN_DIGITS in digits and (_LONG_NUMBER in digits or _LONG_INTEGER.search(raw)):
        return True
    return dumped.count(b":") != raw.count(b":")


def _dumped_deep(value: Any) -> bytes:
    """Dumped from inside so many lists that a value too deep cannot be."""
    for _ in range(_SPARE_DEPTH):
        value = [value]
    return orjson.dumps(value)[_SPARE_DEPTH:-_SPARE_DEPTH]


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands in the parsed value where something cannot be accepted."""

    code: str
    message: str
    key: str | None = None
    hint: str | None = None


def _judge(raw: bytes) -> Any:
    """The value, or the error with its place, by the standard library's parser."""
    text = _text(raw)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        _refuse_syntax(text, error)
    except RecursionError:
        raise _too_deep("$") from None
    _refuse_faults(value)
    return value


def _text(raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise InvalidInputError(
            "the JSON begins with a byte order mark",
            code="json_byte_order_mark",
            place="line 1, column 1",
            hint="send UTF-8 without it",
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        raise InvalidInputError(
            f"the byte {raw[error.start]:#04x} is not UTF-8",
            code="json_not_utf8",
            place=_line_and_column(before, len(before)),
        ) from None
    if not text.strip():
        raise InvalidInputError("there is no JSON, the body is empty", code="body_empty")
    return text


def _refuse(raw: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    """Say why orjson refused: in our words if the slow path finds it too, else in its own."""
    _judge(raw)
    raise InvalidInputError(  # the two parsers disagree: the stricter one has the word
        f"the JSON is invalid: {error.msg}",
        code="json_invalid",
        place=f"line {error.lineno}, column {error.colno}",
    ) from None


def _refuse_syntax(text: str, error: json.JSONDecodeError) -> NoReturn:
    place = _line_and_column(text, error.pos)
    unterminated = error.msg.startswith("Unterminated string")
    cut_escape = error.msg.startswith("Invalid \\u") and len(text) - error.pos < 5
    if unterminated or error.pos >= len(text.rstrip()) or cut_escape or _cut_word(text, error.pos):
        end = len(text)
        raise InvalidInputError(
            "the JSON breaks off before its end",
            code="json_truncated",
            place=_line_and_column(text, end),
        ) from None
    message = error.msg[:1].lower() + error.msg[1:]
    raise InvalidInputError(
        f"the JSON is invalid: {message}", code="json_invalid", place=place
    ) from None


def _cut_word(text: str, position: int) -> bool:
    """Whether the text ends inside a word that could have become valid."""
    rest = text[position:].rstrip() if len(text) - position < 40 else "too long"
    return rest == "-" or any(word.startswith(rest) for word in ("true", "false", "null"))


def _line_and_column(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            break
        seen.add(key)
    return _Fault("json_duplicate_key", f"the key {key[:100]!r} is there twice", key)


def _integer(text: str) -> Any:
    if len(text) <= 20 and -(1 << 63) <= (number := int(text)) < 1 << 64:
        return number
    return _Fault(
        "json_number_out_of_range",
        f"the integer {text[:20]}… does not fit into 64 bits",
        hint=_HINT_INTEGER,
    )


def _float(text: str) -> Any:
    if len(text) > _LONGEST_NUMBER:
        return _Fault("json_number_out_of_range", f"a number of {len(text)} characters is too long")
    number = float(text)
    if math.isinf(number):
        return _Fault("json_number_out_of_range", f"the number {text[:40]} is beyond any double")
    return number


def _constant(text: str) -> Any:
    return _Fault("json_not_a_number", f"{text} is not JSON", hint="send null instead")


def _refuse_faults(value: Any) -> None:
    """Walk the value in the order of the document and raise the first fault with its path."""
    stack: list[tuple[list[str | int], Any]] = [([], value)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, _Fault):
            _raise(node, path)
        elif isinstance(node, str):
            _refuse_characters(node, path)
        elif isinstance(node, dict | list):
            if len(path) >= MAX_DEPTH:
                raise _too_deep(path_of(path[:8]) + "…")
            if isinstance(node, dict):
                for key in node:
                    _refuse_characters(key, path)
            items = node.items() if isinstance(node, dict) else enumerate(node)
            stack.extend(reversed([([*path, step], child) for step, child in items]))


def _raise(fault: _Fault, path: list[str | int]) -> NoReturn:
    steps = path if fault.key is None else [*path, fault.key]
    raise InvalidInputError(
        fault.message, code=fault.code, place=path_of(steps), hint=fault.hint
    ) from None


def _refuse_characters(text: str, path: list[str | int]) -> None:
    if "\0" in text:
        raise InvalidInputError(
            r"the character \u0000 is not accepted in text",
            code="json_nul_character",
            place=path_of(path),
        )
    if lone := _SURROGATE.search(text):
        raise InvalidInputError(
            f"half of a surrogate pair, \\u{ord(lone[0]):04x}, is not a character",
            code="json_lone_surrogate",
            place=path_of(path),
        )


def _too_deep(place: str) -> InvalidInputError:
    return InvalidInputError(
        f"the JSON is nested more than {MAX_DEPTH} levels deep",
        code="json_too_deep",
        place=place,
    )
