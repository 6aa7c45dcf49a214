"""`call`: an HTTP request to somebody else.

    - call: https://example.com/hooks/${event.data.id}
      method: POST
      headers: {Authorization: {env: TOKEN, prefix: "Bearer "}, X-Order: "${event.data.id}"}
      body: {order: "${event.data}"}
      timeout: 10s
      expect: [200, 202]

The body is sent as JSON; a text is sent as it is when the headers give it another content
type. Any 2xx is expected unless `expect` says otherwise. A header's secret is named and
read when the request is sent; it is never part of what is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from automations.outcome import ActionFailure
from base.fields import Complaints, Fields, described
from base.place import within
from base.secret import SecretRef
from base.time import SECOND, Micros
from events.expression import ACTION, Activation
from events.template import Template, spelled

FIELDS = ("call", "method", "headers", "body", "timeout", "expect", "if")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
TIMEOUT: Micros = 10 * SECOND
MAX_TIMEOUT: Micros = 60 * SECOND
MAX_URL = 8_192
MAX_BODY = 1024 * 1024

_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\]")
_OURS = frozenset(
    (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "idempotency-key",
        "webhook-id",
    )
)
"""Headers that the sender sets."""


@dataclass(frozen=True, slots=True)
class SecretHeader:
    """A header's value that is read when the request is sent."""

    secret: SecretRef
    prefix: str = ""

    @classmethod
    def parse(cls, form: Mapping[str, Any], place: str) -> SecretHeader:
        prefix = form.get("prefix", "")
        rest = {name: value for name, value in form.items() if name != "prefix"}
        return cls(SecretRef.parse(rest, place), prefix if isinstance(prefix, str) else "")

    def to_json(self) -> dict[str, str]:
        return self.secret.to_json() | ({"prefix": self.prefix} if self.prefix else {})

    def reveal(self) -> str:
        """Blocks for a file. Raises ConfigurationError `secret_missing`."""
        return self.prefix + self.secret.reveal()


@dataclass(frozen=True, slots=True)
class Call:
    """The request that a `call` action asks for. `body` is what goes over the wire."""

    method: str
    url: str
    headers: tuple[tuple[str, str | SecretHeader], ...]
    body: bytes | None
    timeout: Micros
    expect: tuple[int, ...]
    """Status codes that mean success; empty for any 2xx."""

    def succeeds(self, status: int) -> bool:
        return status in self.expect if self.expect else 200 <= status < 300

    def to_json(self) -> dict[str, Any]:
        """For the outbox; `from_json` gives it back."""
        return {
            "method": self.method,
            "url": self.url,
            "headers": [
                [name, value if isinstance(value, str) else value.to_json()]
                for name, value in self.headers
            ],
            "body": None if self.body is None else self.body.decode(),
            "timeout": self.timeout,
            "expect": list(self.expect),
        }

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Call:
        return cls(
            method=form["method"],
            url=form["url"],
            headers=tuple(
                (name, value if isinstance(value, str) else SecretHeader.parse(value, name))
                for name, value in form["headers"]
            ),
            body=None if form["body"] is None else form["body"].encode(),
            timeout=form["timeout"],
            expect=tuple(form["expect"]),
        )


@dataclass(frozen=True, slots=True)
class CallAction:
    """A `call`, compiled."""

    url: Template
    method: str
    headers: tuple[tuple[str, Template | SecretHeader], ...]
    body: Template | None
    timeout: Micros
    expect: tuple[int, ...]

    @classmethod
    def parse(
        cls, form: Mapping[str, Any], place: str, complaints: Complaints
    ) -> CallAction | None:
        """None where something was complained about."""
        before = len(complaints.found)
        fields = Fields(form, place, complaints, FIELDS)
        url = fields.text("call", required=True, at_most=MAX_URL)
        if url and "${" not in url and (wrong := _wrong_url(url)):
            fields.complain("call", wrong)
        method = fields.text("method", "POST").upper()
        if method not in METHODS:
            fields.complain("method", f"must be one of {', '.join(METHODS)}, not {method}")
        headers = _headers(fields, complaints)
        timeout = fields.duration("timeout", TIMEOUT, at_least=1_000, at_most=MAX_TIMEOUT)
        expect = _expected(fields)
        templates = {}
        for name in ("call", "body"):
            with complaints.kept():
                templates[name] = Template.compile(
                    fields.raw(name), scope=ACTION, place=fields.at(name)
                )
        if len(complaints.found) > before:
            return None
        body = templates["body"] if "body" in form else None
        return cls(templates["call"], method, headers, body, timeout, expect)

    def render(self, activation: Activation) -> Call | ActionFailure:
        """Raises EvaluationError."""
        url = self.url.render(activation)
        if not isinstance(url, str):
            return ActionFailure("url_invalid", f"{described(url)} is no URL", "call")
        if wrong := _wrong_url(url):
            return ActionFailure("url_invalid", f"{url[:200]}: {wrong}", "call")
        headers: list[tuple[str, str | SecretHeader]] = []
        for name, template in self.headers:
            if isinstance(template, SecretHeader):
                headers.append((name, template))
                continue
            value = spelled(template.render(activation)).strip()
            if wrong := _wrong_value(value):
                return ActionFailure("header_invalid", wrong, within("headers", name))
            headers.append((name, value))
        if self.body is None:
            return Call(self.method, url, tuple(headers), None, self.timeout, self.expect)
        content_type = next((v for n, v in headers if n.lower() == "content-type"), None)
        body = _encoded(self.body.render(activation), content_type)
        if len(body) > MAX_BODY:
            return ActionFailure(
                "body_too_large",
                f"a body has at most {MAX_BODY:,} bytes, not {len(body):,}",
                "body",
            )
        if content_type is None:
            headers.append(("Content-Type", "application/json"))
        return Call(self.method, url, tuple(headers), body, self.timeout, self.expect)


def _encoded(value: Any, content_type: str | SecretHeader | None) -> bytes:
    if isinstance(value, str) and isinstance(content_type, str):
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            return value.encode()
    return orjson.dumps(value)


def _headers(
    fields: Fields, complaints: Complaints
) -> tuple[tuple[str, Template | SecretHeader], ...]:
    headers: list[tuple[str, Template | SecretHeader]] = []
    seen: set[str] = set()
    for name, value in fields.mapping("headers").items():
        place = within(fields.at("headers"), name)
        if not _HEADER.fullmatch(name):
            complaints.add(place, f"{described(name)} is no name of a header", at_key=True)
        elif name.lower() in _OURS:
            complaints.add(place, f"the header {name} is set by the service", at_key=True)
        elif name.lower() in seen:
            complaints.add(place, f"the header {name} is given twice", at_key=True)
        elif isinstance(value, dict):
            with complaints.kept():
                headers.append((name, SecretHeader.parse(value, place)))
        elif not isinstance(value, str):
            complaints.add(
                place, f"must be text, {{env: NAME}} or {{file: PATH}}, not {described(value)}"
            )
        elif "${" not in value and (wrong := _wrong_value(value)):
            complaints.add(place, wrong)
        else:
            with complaints.kept():
                headers.append((name, Template.compile(value, scope=ACTION, place=place)))
        seen.add(name.lower())
    return tuple(headers)


def _expected(fields: Fields) -> tuple[int, ...]:
    value = fields.raw("expect")
    if value is None:
        return ()
    statuses = value if isinstance(value, list) else [value]
    for status in statuses:
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            fields.complain(
                "expect",
                f"must be a status from 200 to 599, or a list of them, not {described(status)}",
            )
            return ()
    return tuple(statuses)


def _wrong_value(value: str) -> str | None:
    """Why a header cannot carry this value."""
    if "\r" in value or "\n" in value or "\0" in value:
        return "a header cannot hold a line break"
    if not value.isprintable() or not value.isascii():
        return "a header holds printable ASCII characters"
    return None


def _wrong_url(url: str) -> str | None:
    """Why this is no URL to send to; where it leads is judged when it is connected to."""
    if _UNPRINTABLE.search(url):
        return "a URL cannot hold spaces, backslashes or control characters"
    if len(url) > MAX_URL:
        return f"a URL has at most {MAX_URL:,} characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "this is not a URL"
    if parts.scheme not in {"http", "https"}:
        return "a URL begins with https:// or http://"
    if not parts.hostname or port == 0:
        return "the URL names no host"
    if parts.username is not None or parts.password is not None:
        return "a URL cannot carry a password: use an Authorization header with {env: NAME}"
    return None
