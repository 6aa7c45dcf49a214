"""What a delivery's body says, by its content type: JSON or a form."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from base.errors import InvalidInputError, TooLargeError, UnsupportedMediaError
from events import strict_json
from events.content_type import parse_content_type
from events.webhooks.request import HookRequest, is_sensitive

FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 1_000
_PAYLOAD = "payload"


def read_content(request: HookRequest, *, limit: int) -> Any:
    """The body as a JSON value. A form is a map of texts, of lists where a name comes twice.

    A form whose one field is `payload`, the way GitHub and Slack wrap JSON, is that JSON.
    Raises InvalidInputError, TooLargeError, UnsupportedMediaError.
    """
    kind = parse_content_type(request.header("Content-Type"))
    if not (kind.is_json or kind.media == FORM):
        raise UnsupportedMediaError(
            f"the content type {kind.media[:60]!r} is not taken by a hook"
            if kind.media
            else "the delivery does not say its content type",
            place="Content-Type",
            hint=f"send application/json or {FORM}",
        )
    if not request.body.strip():
        raise InvalidInputError("the body is empty", code="body_empty")
    if kind.is_json:
        return strict_json.loads(kind.utf8(request.body), max_bytes=limit)
    fields = _form(kind.text(request.body))
    if fields.keys() == {_PAYLOAD} and isinstance(fields[_PAYLOAD], str):
        return strict_json.loads(fields[_PAYLOAD].encode(), max_bytes=limit)
    return fields


def open_headers(request: HookRequest, configured: frozenset[str]) -> dict[str, str]:
    """The headers that an expression may read, by lower-case name: none that is a proof."""
    found: dict[str, str] = {}
    for name, value in request.headers:
        low = name.lower()
        if not is_sensitive(low, configured):
            text = _readable(value)
            found[low] = f"{found[low]}, {text}" if low in found else text
    return found


def query_fields(request: HookRequest) -> dict[str, str]:
    """The query, each name with its last value."""
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise TooLargeError("the query has too many fields", code="too_many_fields") from None
    return {_readable(name): _readable(value) for name, value in pairs}


def _form(text: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except UnicodeDecodeError:
        raise InvalidInputError("the form is not UTF-8", code="body_not_text") from None
    except ValueError:
        raise TooLargeError(
            f"a form has at most {_MOST_FIELDS:,} fields", code="too_many_fields"
        ) from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise InvalidInputError(
                "NUL characters are not accepted in text", code="body_nul_character"
            )
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def _readable(text: str) -> str:
    """The text with what is no character replaced: halves of surrogate pairs, and NUL."""
    readable = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return readable.replace("\0", "\N{REPLACEMENT CHARACTER}")
