"""Schemes that sign nothing and show a credential: bearer and basic; and none at all."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import ClassVar

from base.errors import SignatureError
from base.time import Micros
from events.webhooks.request import HookRequest, Verified
from events.webhooks.secret import Secret, keys
from events.webhooks.signature import encoded, malformed, required

_AUTHORIZATION = frozenset(("authorization",))


def _credential(request: HookRequest, kind: str) -> str:
    word, _, value = required(request, "Authorization").partition(" ")
    if word.lower() != kind or not value.strip():
        raise malformed("Authorization", f"is not `{kind.capitalize()} …`")
    return value.strip()


def _wrong() -> SignatureError:
    return SignatureError(
        "the credentials are wrong", code="signature_mismatch", place="Authorization"
    )


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer <secret>`."""

    secrets: tuple[Secret, ...]
    name: ClassVar[str] = "bearer"
    headers: ClassVar[frozenset[str]] = _AUTHORIZATION
    replayable: ClassVar[bool] = False

    def verify(self, request: HookRequest, now: Micros) -> Verified:  # noqa: ARG002 - no time is shown
        given = encoded(_credential(request, "bearer"), "Authorization")
        if not any(hmac.compare_digest(key, given) for key in keys(self.secrets)):
            raise _wrong()
        return Verified()


@dataclass(frozen=True, slots=True)
class Basic:
    """HTTP Basic (RFC 7617): the user is in the file, the secret is the password."""

    secrets: tuple[Secret, ...]
    user: str
    name: ClassVar[str] = "basic"
    headers: ClassVar[frozenset[str]] = _AUTHORIZATION
    replayable: ClassVar[bool] = False

    def verify(self, request: HookRequest, now: Micros) -> Verified:  # noqa: ARG002 - no time is shown
        text = _credential(request, "basic")
        try:
            given = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise malformed("Authorization", "is not base64") from None
        if b":" not in given:
            raise malformed("Authorization", "does not hold `user:password`")
        expected = [f"{self.user}:".encode() + key for key in keys(self.secrets)]
        if not any(hmac.compare_digest(one, given) for one in expected):
            raise _wrong()
        return Verified()


@dataclass(frozen=True, slots=True)
class Unverified:
    """`verify: none`: anybody may send."""

    name: ClassVar[str] = "none"
    headers: ClassVar[frozenset[str]] = frozenset()
    replayable: ClassVar[bool] = False

    def verify(self, request: HookRequest, now: Micros) -> Verified:  # noqa: ARG002 - nothing to look at
        return Verified()
