"""CloudEvents over HTTP: structured, batch and binary (HTTP Protocol Binding 1.0.2).

For convenience plain `application/json` is taken too: one object, or a list of them, with
the attributes of a CloudEvent, of which only `type` must be there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from base.errors import InvalidInputError, TooLargeError, UnsupportedMediaError
from base.ids import new_id
from base.time import Micros
from events import envelope, strict_json
from events.content_type import ContentType, parse_content_type
from events.event import Event

DEFAULT_SOURCE = "/api"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_PLAIN = "application/json"
_CE = "ce-"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of one request, in its order; `batch` says in which form they came."""

    events: list[Event]
    batch: bool


def decode(
    content_type: str | None,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    *,
    now: Micros,
    max_bytes: int = strict_json.MAX_BYTES,
    max_events: int = envelope.MAX_BATCH,
) -> Decoded:
    """The events that a request carries; `headers` are looked at for the binary form only.

    All or nothing: one event that cannot be taken refuses the request, and `place` says
    which (`$[3].type`, `$.time`, or the header `ce-id`). Raises InvalidInputError,
    UnsupportedMediaError or TooLargeError. Plain values in and out: a long body may be
    decoded in a thread.
    """
    kind = parse_content_type(content_type)
    if kind.media == BATCH:
        values = strict_json.loads(kind.utf8(body), max_bytes=max_bytes)
        return Decoded(envelope.batch(values, now=now, most=max_events), batch=True)
    if kind.media == STRUCTURED:
        value = strict_json.loads(kind.utf8(body), max_bytes=max_bytes)
        return Decoded([envelope.event(value, now=now)], batch=False)
    if kind.media.startswith("application/cloudevents"):
        raise _unsupported(kind)
    if attributes := _from_headers(headers):
        raw = attributes | _binary_data(kind, content_type, body, max_bytes)
        return Decoded([envelope.event(raw, now=now, prefix=_CE)], batch=False)
    if kind.media == _PLAIN:
        return _plain(
            strict_json.loads(kind.utf8(body), max_bytes=max_bytes), now=now, most=max_events
        )
    raise _unsupported(kind)


def event_of(value: Any, *, now: Micros, source: str = DEFAULT_SOURCE) -> Event:
    """An event from a JSON object with CloudEvents attributes, of which only `type` must be there."""
    return envelope.event(_completed(value, now, source), now=now)


def encode(event: Event) -> bytes:
    """The event in the structured JSON format."""
    if event.attributes.get("datacontentencoding") != "base64":
        return event.to_json()
    root = dict(event.root())
    del root["datacontentencoding"]
    if event.has_data:
        root["data_base64"] = root.pop("data")
    return orjson.dumps(root)


def _plain(value: Any, *, now: Micros, most: int) -> Decoded:
    if not isinstance(value, list):
        return Decoded([event_of(value, now=now)], batch=False)
    values = [_completed(item, now, DEFAULT_SOURCE) for item in value[: most + 1]]
    return Decoded(envelope.batch(values, now=now, most=most), batch=True)


def _completed(value: Any, now: Micros, source: str) -> Any:
    if not isinstance(value, dict):
        return value
    completed = {"specversion": "1.0", "source": source} | value
    if completed.get("id") is None:
        completed["id"] = new_id(now)
    return completed


def _from_headers(headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The attributes in `ce-…` headers, by name; none means that this is not the binary form."""
    found: dict[str, Any] = {}
    for header, value in headers:
        low = header[:60].lower()
        if not low.startswith(_CE):
            continue
        name = low.removeprefix(_CE)
        if name in found:
            raise InvalidInputError(
                f"the header {low} is there twice", code="header_duplicated", place=low
            )
        if name in {"data", "data_base64", "datacontenttype"}:
            raise InvalidInputError(
                "the body carries the data, and Content-Type says what it is",
                code="attribute_name_invalid",
                place=low,
            )
        found[name] = _header_value(value, low)
    return found


def _header_value(value: str, header: str) -> str:
    """The value without its quotes and percent-encoding (HTTP binding, 3.1.3.2)."""
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    try:
        text = unquote(text, errors="strict")
        text.encode()
    except UnicodeError:
        fault = "is not percent-encoded UTF-8"
    else:
        if "\0" not in text:
            return text
        fault = "contains a NUL character"
    raise InvalidInputError(f"the header {header} {fault}", code="attribute_invalid", place=header)


def _binary_data(
    kind: ContentType, content_type: str | None, body: bytes, max_bytes: int
) -> dict[str, Any]:
    if len(body) > max_bytes:
        raise TooLargeError(f"the body has {len(body)} bytes, and {max_bytes} is the limit")
    about = {"datacontenttype": content_type} if content_type else {}
    if not body:
        return about
    if kind.is_json:
        return {**about, "data": strict_json.loads(kind.utf8(body), max_bytes=max_bytes)}
    if kind.is_text:
        return {**about, "data": kind.text(body)}
    return {**about, "data_base64": base64.b64encode(body).decode()}


def _unsupported(kind: ContentType) -> UnsupportedMediaError:
    return UnsupportedMediaError(
        f"{kind.media[:60]!r} is not taken here",
        hint=f"send {STRUCTURED}, {BATCH}, application/json, or the binary form with ce-… headers",
    )
