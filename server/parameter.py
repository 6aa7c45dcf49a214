"""Query parameters: what one is called, takes and means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from base.errors import UnprocessableError
from base.time import now, parse_duration, parse_rfc3339

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Param:
    """One query parameter. `parse` raises ValueError with what is wrong."""

    name: str
    about: str
    parse: Callable[[str], Any]
    schema: Schema


def text(name: str, about: str) -> Param:
    return Param(name, about, _text, {"type": "string", "minLength": 1})


def choice(name: str, about: str, *allowed: str) -> Param:
    def parse(given: str) -> str:
        if given not in allowed:
            raise ValueError(f"{given[:60]!r} is not one of {', '.join(allowed)}")
        return given

    return Param(name, about, parse, {"type": "string", "enum": list(allowed)})


def instant(name: str, about: str) -> Param:
    about += " RFC 3339, or how long ago, such as `7d` or `90m`."
    return Param(name, about, _instant, {"type": "string"})


def integer(name: str, about: str, low: int, high: int) -> Param:
    """Out of its range is 422: it was understood."""

    def parse(given: str) -> int:
        if not given.removeprefix("-").isdecimal() or not given.isascii():
            raise ValueError(f"{given[:60]!r} is not a whole number")
        value = int(given[:20])
        if not low <= value <= high:
            raise UnprocessableError(
                f"{value} is out of range", place=name, hint=f"{low} to {high} is possible"
            )
        return value

    return Param(name, about, parse, {"type": "integer", "minimum": low, "maximum": high})


def limit(page: int) -> Param:
    return integer("limit", f"How many items; 100 unless said, at most {page:,}.", 1, page)


def _text(given: str) -> str:
    if not given or "\0" in given or len(given) > 1_024:
        raise ValueError("a text of 1 to 1,024 characters is wanted")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ValueError("this is not UTF-8") from None
    return given


def _instant(given: str) -> int:
    if given[:1].isdecimal() and "-" not in given:
        return max(now() - parse_duration(given), 0)
    return parse_rfc3339(given)


CURSOR: Final = text("cursor", "`next` of the page before.")
