"""YAML read strictly, with positions.

YAML's conveniences are traps in a file that decides what runs: `on:` is true, `10:00` is
600, a repeated key silently wins, an alias can grow a kilobyte into gigabytes. So this
reader takes the parser's events and builds the value itself, by the core schema of YAML
1.2 and nothing else:

* values are JSON: maps with text keys, lists, text, numbers, true, false, null. Keys are
  always text; times and dates are text; `yes`, `no`, `on` and `off` are text.
* anchors, aliases, tags, merge keys and duplicate keys are refused,
* and so are integers beyond 64 bits, infinities, NaN and NUL characters.

Every error says where it is: `file:line:column`, both counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from base.errors import ConfigurationError
from base.place import Path, spelled

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Mapping[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_MAY_BE_NUMBER = frozenset("+-.0123456789")


@dataclass(frozen=True, slots=True)
class Position:
    """Line and column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its JSON value, and where each part of it stands.

    `keys` leads from a path to the position of a map entry's key (of a list's item: of the
    item itself), `values` to that of its value.
    """

    value: Any
    file: str
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]

    def position(self, path: Path, *, key: bool = False) -> Position:
        """Where `path` stands, or else the nearest part around it that exists."""
        positions = self.keys if key else self.values
        while path and path not in positions:
            path = path[:-1]
        return positions.get(path) or Position(1, 1)

    def place(self, path: Path, *, key: bool = False) -> str:
        """`file:line:column`."""
        position = self.position(path, key=key)
        return f"{self.file}:{position.line}:{position.column}"

    def path(self, place: str) -> Path:
        """The path that an error's `place` (`actions[0].with`) names, as far as it exists."""
        best: Path = ()
        length = 0
        for path in self.values:
            text = spelled(path)
            if len(text) > length and (place == text or place.startswith((f"{text}.", f"{text}["))):
                best, length = path, len(text)
        return best

    def items(self) -> list[Document]:
        """The items of a list, each as a document of its own with its positions."""
        keys: list[dict[Path, Position]] = [{} for _ in self.value]
        values: list[dict[Path, Position]] = [{} for _ in self.value]
        for whole, parts in ((self.keys, keys), (self.values, values)):
            for path, here in whole.items():
                if path and isinstance(path[0], int):
                    parts[path[0]][path[1:]] = here
        return [
            Document(value, self.file, keys[number], values[number])
            for number, value in enumerate(self.value)
        ]


def read(text: str | bytes, file: str = "yaml") -> list[Document]:
    """The documents in `text`; empty ones, with nothing but comments, are left out.

    Raises ConfigurationError (code `yaml_invalid`, or `too_large`) at the first thing
    that is not plain, strict YAML.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(
            f"{len(raw):,} bytes are too many: a file has at most {MAX_BYTES:,}",
            code="too_large",
            place=f"{file}:1:1",
        )
    try:
        source = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise ConfigurationError(
            "the file is not UTF-8", code="yaml_invalid", place=f"{file}:{line}:{column}"
        ) from None
    return [found for found in _Builder(source, file).documents() if found.value is not None]


class _Builder:
    """Builds values out of the parser's events."""

    def __init__(self, source: str, file: str) -> None:
        self._source = source
        self._file = file
        self._events: Iterator[Event] = yaml.parse(source, Loader=_LOADER)
        self._keys: dict[Path, Position] = {}
        self._values: dict[Path, Position] = {}

    def documents(self) -> Iterator[Document]:
        try:
            yield from self._documents()
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except ReaderError as error:
            before = self._source[: error.position]
            line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
            self._refuse("a control character stands in the file", line, column)

    def _documents(self) -> Iterator[Document]:
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                self._keys, self._values = {}, {}
                value = self._build(next(self._events), (), 0)
                yield Document(value, self._file, self._keys, self._values)

    def _build(self, event: Event, path: Path, depth: int) -> Any:
        here = _position(event)
        self._values[path] = here
        self._keys.setdefault(path, here)
        if isinstance(event, AliasEvent):
            self._refuse_event(event, "aliases are not supported", "spell the value out")
        assert isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent)
        if event.anchor is not None:
            self._refuse_event(event, "anchors are not supported", "spell each value out")
        if event.tag is not None:
            self._refuse_event(
                event, f"tags are not supported: {event.tag}", "quote text that must stay text"
            )
        if depth > MAX_DEPTH:
            self._refuse_event(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, depth)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, depth)
        return self._scalar(event)

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event)
            if key in built:
                first = self._keys[*path, key]
                self._refuse_event(event, f"the key `{key}` is already on line {first.line}")
            self._keys[*path, key] = _position(event)
            built[key] = self._build(next(self._events), (*path, key), depth + 1)
        return built

    def _sequence(self, path: Path, depth: int) -> list[Any]:
        built: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            built.append(self._build(event, (*path, len(built)), depth + 1))
        return built

    def _key(self, event: Event) -> str:
        if isinstance(event, AliasEvent):
            self._refuse_event(event, "aliases are not supported", "spell the key out")
        if not isinstance(event, ScalarEvent):
            self._refuse_event(event, "a key must be text", "quote braces and brackets in a key")
        if event.anchor is not None or event.tag is not None:
            self._refuse_event(event, "anchors and tags are not supported")
        if event.value == "<<" and not event.style:
            self._refuse_event(event, "merge keys are not supported", "spell the values out")
        self._check_text(event)
        return str(event.value)

    def _scalar(self, event: ScalarEvent) -> str | int | float | bool | None:
        text: str = event.value
        if event.style:  # quoted or a block: text, whatever it looks like
            self._check_text(event)
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] in _MAY_BE_NUMBER:
            return self._number(event, text)
        return text

    def _number(self, event: ScalarEvent, text: str) -> str | int | float:
        if _INTEGER.fullmatch(text):
            if len(text) > 70 or not -(2**63) <= (number := _integer(text)) < 2**63:
                self._refuse_event(
                    event, f"{text[:40]} does not fit in 64 bits", "quote it to keep it as text"
                )
            return number
        if _FLOAT.fullmatch(text):
            value = float(text)
            if value in {float("inf"), float("-inf")}:
                self._refuse_event(event, f"{text[:40]} is too large for a number")
            return value
        if _NOT_FINITE.fullmatch(text):
            self._refuse_event(event, f"{text} is not a number that JSON has")
        return text

    def _check_text(self, event: ScalarEvent) -> None:
        text: str = event.value
        if "\0" in text:
            self._refuse_event(event, "a NUL character cannot stand in text")
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            self._refuse_event(event, "half a surrogate pair cannot stand in text")

    def _syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        rows = self._source.splitlines()
        letter = rows[line][column : column + 1] if line < len(rows) else ""
        if letter == "\t":
            self._refuse("a tab cannot indent", line, column, "indent with spaces")
        if letter in {"@", "`", "%"} and "cannot start" in (error.problem or ""):
            self._refuse(f"text that starts with {letter} must be quoted", line, column)
        problem = error.problem or "this is not YAML"
        during = f" {error.context}" if error.context else ""
        self._refuse(f"{problem}{during}", line, column)

    def _refuse_event(self, event: Event, message: str, hint: str | None = None) -> NoReturn:
        here = _position(event)
        self._refuse(message, here.line - 1, here.column - 1, hint)

    def _refuse(self, message: str, line: int, column: int, hint: str | None = None) -> NoReturn:
        raise ConfigurationError(
            message, code="yaml_invalid", place=f"{self._file}:{line + 1}:{column + 1}", hint=hint
        ) from None


def _position(event: Event) -> Position:
    mark = event.start_mark
    assert mark is not None, "both parsers mark every event"
    return Position(mark.line + 1, mark.column + 1)


def _integer(text: str) -> int:
    if text.startswith(("0o", "0x")):
        return int(text, 0)
    return int(text)
