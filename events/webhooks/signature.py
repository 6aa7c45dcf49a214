"""What all signature schemes share: reading a signature, comparing it, judging its time."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable
from typing import Protocol

from base.errors import SignatureError
from base.time import SECOND, Micros
from events.webhooks.request import HookRequest, Verified

MOST_SIGNATURES = 16
_PLAIN_INTEGER = re.compile(r"0|[1-9][0-9]{0,11}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


class Scheme(Protocol):
    """How a delivery proves where it comes from."""

    @property
    def name(self) -> str: ...

    @property
    def headers(self) -> frozenset[str]:
        """The headers, in lower case, that carry the proof and are never kept."""
        ...

    @property
    def replayable(self) -> bool:
        """Whether what was seen once on the wire would verify again, at any time, with another id.

        Such hooks compare the body with those of the last minutes.
        """
        ...

    def verify(self, request: HookRequest, now: Micros) -> Verified:
        """What the delivery says about itself, once it has proved where it comes from.

        Raises SignatureError with a code that says what is wrong with the proof, or
        InvalidInputError `header_duplicated`. Looks at the body as bytes only.
        """
        ...


def required(request: HookRequest, header: str) -> str:
    """The header that carries the proof. Raises `signature_missing` where it is absent or empty."""
    value = request.header(header)
    if not value:
        raise SignatureError(
            f"the header {header} is missing", code="signature_missing", place=header
        )
    return value


def malformed(header: str, reason: str) -> SignatureError:
    return SignatureError(f"the header {header} {reason}", code="signature_malformed", place=header)


def mismatch(header: str) -> SignatureError:
    return SignatureError(
        "the signature does not match the body and the secret",
        code="signature_mismatch",
        place=header,
        hint="compare the secret on both sides, and sign the body as it is sent",
    )


def too_many(header: str) -> SignatureError:
    return SignatureError(
        f"the header {header} holds more than {MOST_SIGNATURES} signatures",
        code="signature_malformed",
        place=header,
    )


def encoded(text: str, header: str) -> bytes:
    """The bytes that came over the wire for a header's text."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise malformed(header, "is not text") from None


def from_hex(text: str, header: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise malformed(header, "is not hexadecimal")
    return bytes.fromhex(text)


def from_base64(text: str, header: str) -> bytes:
    """As lenient as the reference implementations, which skip what is not in the alphabet."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        raise malformed(header, "is not base64") from None


def matches(given: bytes, message: bytes, keys: Iterable[bytes], digest: str = "sha256") -> bool:
    """Whether `given` is the HMAC of `message` under one of the keys, compared in constant time."""
    expected = (hmac.digest(key, message, digest) for key in keys)
    return any(hmac.compare_digest(one, given) for one in expected)


def check_time(text: str, header: str, now: Micros, tolerance: Micros) -> None:
    """Refuse a signed time, in seconds, that lies further from now than `tolerance`."""
    if not _PLAIN_INTEGER.fullmatch(text):
        raise SignatureError(
            "the timestamp is not a plain integer of seconds",
            code="timestamp_malformed",
            place=header,
        )
    away = abs(now - int(text) * SECOND)
    if away > tolerance:
        raise SignatureError(
            f"the timestamp is {away // SECOND} s away from now, and {tolerance // SECOND} s are allowed",
            code="timestamp_out_of_tolerance",
            place=header,
            hint="check the clocks of both sides",
        )
