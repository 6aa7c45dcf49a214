"""What the CEL library complains of, in the words of a rule's author.

Two sources: the compiler's report, with line and column, and the text of a run-time
error. Both are the library's own wording, which the tests of this module pin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from base.suggest import hint

_FUNCTIONS = [
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "has",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "bytes",
    "timestamp",
    "duration",
    "type",
    "dyn",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "substring",
    "trim",
    "join",
    "format",
    "reverse",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "orValue",
    "or",
    "hasValue",
    "value",
    "optMap",
    "optFlatMap",
]

_SHOWN = 100
"""Letters of an expression that a message repeats."""

_MISSING_KEY = re.compile(r'Key not found in map : "?(.*?)"?$', re.DOTALL)
_INDEX = re.compile(r"Index error: index=(-?\d+) size=(\d+)")
_STATUS = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")
_RULES: tuple[tuple[str, str, str], ...] = (
    ("Applying SELECT to non-message", "field_missing", "a field is read from what is not a map"),
    ("No value with name", "field_missing", "there is no event here"),
    ("optional.none() dereference", "field_missing", "an optional value is missing"),
    ("divide by zero", "division_by_zero", "division by zero"),
    ("modulus by zero", "division_by_zero", "division by zero"),
    ("Iteration budget exceeded", "budget_exceeded", "it takes more steps than one may"),
    ("NOT_JSON: optional", "result_not_json", "an optional value needs a default: .orValue(…)"),
)


@lru_cache(maxsize=1024)
def classify(raw: str, source: str) -> tuple[str, str]:
    """The code and the sentence for a run-time error of the CEL library."""
    source = source if len(source) <= _SHOWN else f"{source[:_SHOWN]}…"
    if found := _MISSING_KEY.search(raw):
        return "field_missing", f"there is no field `{_dotted(found[1], source)}`"
    if found := _INDEX.search(raw):
        return "field_missing", f"there is no item {found[1]} in a list of {found[2]}"
    for mark, code, message in _RULES:
        if mark in raw:
            return code, f"{message}: `{source}`"
    if raw.startswith("NOT_BOOL: "):
        return "type_error", f"`{source}` is {spelled_type(raw[10:])}, and must be true or false"
    text = _STATUS.sub("", raw)
    if "No matching overloads found" in text:
        return "type_error", f"{_overload(text.partition(' : ')[2])}: `{source}`"
    if "expected integer type" in text:
        return "type_error", f"a list is indexed by whole numbers: `{source}`"
    return "evaluation_error", f"{text}: `{source}`"


def _dotted(key: str, source: str) -> str:
    """The path that ends in `key`, as the expression spells it, if it can be told."""
    spelled = re.search(rf"(?:[A-Za-z_]\w*\.\??)+{re.escape(key)}\b", source)
    return spelled[0].replace("?", "") if spelled else key


_TYPE_WORDS = {
    "dyn": "a value",
    "int64": "an integer",
    "int": "an integer",
    "uint64": "an unsigned integer",
    "uint": "an unsigned integer",
    "double": "a fraction",
    "string": "text",
    "bool": "true or false",
    "bytes": "bytes",
    "map": "a map",
    "list": "a list",
    "null_type": "null",
    "timestamp": "a time",
    "google.protobuf.timestamp": "a time",
    "duration": "a duration",
    "google.protobuf.duration": "a duration",
    "null": "null",
    "type": "a type",
}


def spelled_type(type_name: str) -> str:
    bare = re.split(r"[(<]", type_name, maxsplit=1)[0].strip().lower()
    if bare == "optional_type":
        return "an optional value"
    return _TYPE_WORDS.get(bare, type_name.lower())


def _overload(call: str) -> str:
    """`_+_(int64, double)` → `+` cannot take an integer and a fraction."""
    if call.startswith(("<jump_condition>", "_&&_", "_||_")):
        return "a condition must be true or false"
    head, _, rest = call.rpartition("(")
    types = [spelled_type(part) for part in rest.rstrip(")").split(",") if part.strip()]
    if method := re.fullmatch(r"\((.*)\)\.(\w+)", head):  # "(int64).size", of a receiver
        return f"`{method[2]}` cannot be asked of {spelled_type(method[1])}"
    taken = " and ".join(types) or "that"
    return f"`{_function(head or call)}` cannot take {taken}"


def _function(name: str) -> str:
    bare = name.removeprefix("@").strip("_")
    return "[ ]" if bare.startswith("[") else bare


_REPORT = re.compile(
    r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\n \| |\nERROR: | \[[A-Z_]+\]$|$)", re.DOTALL
)
_OF_EVENTS = frozenset(("data", "type", "source", "subject", "time", "id"))
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_NO_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")


def compile_report(
    report: str, source: str, variables: Iterable[str], functions: Iterable[str] = ()
) -> tuple[str, str | None]:
    """The compiler's first complaint with a caret below its place, and a way out of it.

    `functions` are those that are known beside CEL's own.
    """
    found = _REPORT.search(report)
    if not found:
        return _STATUS.sub("", report.split("\n", 1)[0]), None
    line, column, text = int(found[1]), int(found[2]), found[3].strip()
    advice = None
    if name := _UNDECLARED.search(text):
        row = source.split("\n")[line - 1]
        head = name[1].partition(".")[0]
        is_function = row[column - 1 : column] == "("
        known = [*_FUNCTIONS, *functions] if is_function else sorted(variables)
        text = f"there is no {'function ' if is_function else ''}`{head}` here"
        advice = hint(head, known)
        if head in _OF_EVENTS and "event" in known:
            advice = f"write event.{head}"
        if not advice and not is_function:
            advice = f"there are {', '.join(known)}" if known[1:] else f"there is {known[0]}"
        column = max(row.rfind(head, 0, column - 1 + len(head)), 0) + 1
    elif call := _NO_OVERLOAD.search(text):
        types = [spelled_type(part) for part in _split_types(call[2])]
        text = f"`{_function(call[1])}` cannot take {' and '.join(types) or 'nothing'}"
        if {"an integer", "a fraction"} <= set(types):
            advice = "CEL does not mix them: write double(…) around the integer"
    elif "Syntax error" in text:
        text, advice = _syntax(text)
    return f"{text}{caret(source, line, column)}", advice


_OPERATORS = {"and": "write &&", "or": "write ||", "not": "write !", "is": "write =="}
"""What other languages have for CEL's, and how CEL writes it."""


def _syntax(text: str) -> tuple[str, str | None]:
    if "input '<EOF>'" in text:
        return "the expression ends too early", None
    if token := re.search(r"token recognition error at: '(.*)'$", text, re.DOTALL):
        if token[1].startswith("="):
            return "`=` does not compare", "write =="
        if token[1].startswith(("'", '"')):
            return "a text is not closed", None
        return f"`{token[1].strip()}` is not CEL", None
    if token := re.search(r"(?:mismatched|extraneous) input '(.*?)'", text, re.DOTALL):
        return f"`{token[1]}` is not expected here", _OPERATORS.get(token[1])
    return text, None


def _split_types(text: str) -> list[str]:
    """`map(string, dyn), int` → two types."""
    parts, depth, last = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[last:at])
            last = at + 1
    return [part for part in (*parts, text[last:]) if part.strip()]


def caret(source: str, line: int, column: int) -> str:
    """The row of `source` that is meant, with a caret under the column, both from 1."""
    if line < 1:
        return ""
    rows = source.split("\n")
    row = rows[line - 1] if line <= len(rows) else ""
    return f"\n  {row}\n  {' ' * (column - 1)}^"
