"""Values that are typed: JSON from an argument, a file or stdin; parameters; times.

Each function is the `type` of an option, and refuses with click's BadParameter.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from ensue.cli import words

JSON_METAVAR: Final = "JSON|@FILE|-"


def json_value(text: str) -> Any:
    """JSON, `@file` with JSON in it, or `-` for JSON from stdin."""
    content, place = _read(text)
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        hint = "" if place else "; a string needs quotes of its own: '\"text\"'"
        where = f"{place or 'not JSON'}: line {error.lineno}, column {error.colno}"
        raise click.BadParameter(f"{where}: {error.msg}{hint}") from None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    except RecursionError:
        raise click.BadParameter("it is nested too deeply") from None


def pair(text: str) -> tuple[str, Any]:
    """`name=value`; the value is JSON where it is, otherwise text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return name, value


def instant(text: str) -> str:
    """A moment in RFC 3339, from one, or from a span back from now (`2h`)."""
    try:
        return words.instant(text, datetime.now(UTC))
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is neither a time (2030-01-01T12:00:00Z) nor a span back (2h, 7d)"
        ) from None


def _read(text: str) -> tuple[str, str]:
    """The content, and where it is from unless from the argument itself."""
    place = "stdin" if text == "-" else text[1:]
    try:
        if text == "-":
            return sys.stdin.read(), place
        if text.startswith("@"):
            return Path(place).read_text(encoding="utf-8"), place
    except UnicodeDecodeError:
        raise click.BadParameter(f"{place} is not UTF-8 text") from None
    except OSError as error:
        raise click.BadParameter(f"{place} cannot be read: {error.strerror}") from None
    return text, ""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
