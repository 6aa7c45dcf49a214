"""The names that may be selected from `event`.

CEL lets any name be selected from a map, so a misspelt attribute would pass its type check
and never match. The attributes of CloudEvents and ours are known; a sender may add
extensions, whose names are lower-case letters and digits. What is neither, or is one slip
away from a known name, is refused when the expression is read.
"""

from __future__ import annotations

import re

from base.errors import ConfigurationError
from base.suggest import edits, nearest
from events.expression_words import caret

ATTRIBUTES = frozenset(
    (
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "data",
        "datacontenttype",
        "dataschema",
        "correlationid",
        "causationid",
        "depth",
        "traceparent",
        "tracestate",
    )
)
"""The attributes every reader of events knows; others are extensions of the sender's."""

_TOKEN = re.compile(
    r"""
    (?://[^\n]*)                                              # a comment
  | (?:[rRbB]{0,2}(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}))
  | (?:[rRbB]{0,2}(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
  | (?P<select>(?<![\w.])event\s*\.\s*\??\s*(?P<name>[A-Za-z_]\w*)(?!\s*\(|\w))
  | \w+
    """,
    re.VERBOSE | re.DOTALL,
)
_EXTENSION = re.compile(r"[a-z0-9]{1,20}")


def check_attributes(source: str, place: str) -> None:
    """Refuse `event.tpye`: an attribute that no event has, or that is a slip of the pen.

    Raises ConfigurationError `attribute_unknown`, with a caret.
    """
    for token in _TOKEN.finditer(source):
        name = token["name"]
        if name is None or name in ATTRIBUTES:
            continue
        if not _EXTENSION.fullmatch(name):
            message = f"no event has an attribute `{name}`: they are lower-case letters and digits"
            meant = nearest(name, ATTRIBUTES)
            advice = f"did you mean `{meant}`?" if meant else f"did you mean `event.data.{name}`?"
        elif slip := _slip(name):
            message = f"no event has an attribute `{name}`"
            advice = f'did you mean `{slip}`? An extension of that name is event["{name}"]'
        else:
            continue
        at = token.start("name")
        line = source.count("\n", 0, at) + 1
        column = at - source.rfind("\n", 0, at)
        raise ConfigurationError(
            f"{message}{caret(source, line, column)}",
            code="attribute_unknown",
            place=place or None,
            hint=advice,
        )


def _slip(name: str) -> str | None:
    """The attribute that `name` most likely misspells: one edit, two in longer words."""
    near = [(edits(name, known), known) for known in ATTRIBUTES if abs(len(known) - len(name)) <= 2]
    distance, known = min(near, default=(99, ""))
    reach = 0 if min(len(name), len(known)) < 3 else 1 if len(known) <= 5 else 2
    return known if distance <= reach else None
