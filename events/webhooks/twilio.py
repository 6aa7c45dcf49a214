"""Twilio: an HMAC-SHA1 over the URL and the sorted form fields, or over the URL and a body hash.

The URL is the one Twilio was given. Behind a proxy that is not the one that arrives here:
`url:` in the hook's `verify` says what it was.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

from base.errors import SignatureError
from base.time import Micros
from events.content_type import parse_content_type
from events.webhooks.request import HookRequest, Verified
from events.webhooks.secret import Secret, keys
from events.webhooks.signature import encoded, from_base64, malformed, matches, mismatch, required

_HEADER = "X-Twilio-Signature"
_PORTS = {"http": 80, "https": 443}
_MOST_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Twilio:
    secrets: tuple[Secret, ...]
    url: str | None = None
    name: ClassVar[str] = "twilio"
    headers: ClassVar[frozenset[str]] = frozenset((_HEADER.lower(),))
    replayable: ClassVar[bool] = True

    def verify(self, request: HookRequest, now: Micros) -> Verified:  # noqa: ARG002 - no time is signed
        signature = from_base64(required(request, _HEADER), _HEADER)
        url = self._url(request)
        fields = b""
        if claimed := parse_qs(url.partition("?")[2]).get("bodySHA256"):
            self._check_hash(claimed[-1], request.body)
        elif parse_content_type(request.header("Content-Type")).media == (
            "application/x-www-form-urlencoded"
        ):
            fields = _fields(request.body)
        live = keys(self.secrets)
        spellings = [encoded(one, _HEADER) + fields for one in (url, _other_port(url))]
        if not any(matches(signature, one, live, "sha1") for one in spellings):
            raise mismatch(_HEADER)
        return Verified(request.header("I-Twilio-Idempotency-Token") or None)

    def _url(self, request: HookRequest) -> str:
        if self.url is None:
            return request.url
        return f"{self.url}?{request.query}" if request.query else self.url

    def _check_hash(self, claimed: str, body: bytes) -> None:
        actual = hashlib.sha256(body).hexdigest().encode()
        if not hmac.compare_digest(encoded(claimed.lower(), _HEADER), actual):
            raise SignatureError(
                "bodySHA256 is not the hash of the body", code="signature_mismatch", place=_HEADER
            )


def _fields(body: bytes) -> bytes:
    """The form's names and values, sorted by name, equal values of one name once."""
    try:
        form = parse_qs(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise malformed(_HEADER, "cannot be compared: the body is not a form") from None
    return "".join(
        name + value for name in sorted(form) for value in sorted(set(form[name]))
    ).encode()


def _other_port(url: str) -> str:
    """The URL with its default port spelled out, or left out where it was."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # a Host header may say anything
        return url
    default = _PORTS.get(parts.scheme)
    if default is None or port not in {None, default}:
        return url
    netloc = f"{parts.netloc}:{default}" if port is None else parts.netloc.removesuffix(f":{port}")
    return urlunsplit(parts._replace(netloc=netloc))
