"""Schemes that sign a time together with the body: Standard Webhooks, Stripe, Slack.

A delivery that was seen on the wire can be sent again only within the tolerance, and then
carries the same id.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import ClassVar

from base.errors import SignatureError
from base.time import SECOND, Micros
from events.webhooks.request import HookRequest, Verified
from events.webhooks.secret import Secret, keys
from events.webhooks.signature import (
    MOST_SIGNATURES,
    check_time,
    encoded,
    from_base64,
    from_hex,
    malformed,
    matches,
    mismatch,
    required,
    too_many,
)

DEFAULT_TOLERANCE: Micros = 300 * SECOND
_WHSEC = b"whsec_"


def standard_key(secret: bytes) -> bytes:
    """The key inside `whsec_<base64>`; the prefix and the padding may be missing."""
    if secret.startswith((b"whsk_", b"whpk_")):
        raise ValueError("only symmetric secrets, `whsec_…`, are supported")
    try:
        key = base64.b64decode(secret.removeprefix(_WHSEC) + b"==")
    except binascii.Error:
        raise ValueError("it is not `whsec_` and base64") from None
    if not key:
        raise ValueError("it is empty")
    return key


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """Standard Webhooks 1.0: `id.timestamp.body`, several signatures, each `v1,<base64>`.

    Signatures are judged from the left, as the reference implementation does: the first
    that matches decides, and one that is malformed before it refuses the delivery.
    """

    secrets: tuple[Secret, ...]
    tolerance: Micros = DEFAULT_TOLERANCE
    name: ClassVar[str] = "standard-webhooks"
    headers: ClassVar[frozenset[str]] = frozenset(("webhook-signature",))
    replayable: ClassVar[bool] = False

    def verify(self, request: HookRequest, now: Micros) -> Verified:
        given = required(request, "webhook-signature")
        delivery_id = required(request, "webhook-id")
        timestamp = required(request, "webhook-timestamp")
        check_time(timestamp, "webhook-timestamp", now, self.tolerance)
        head = encoded(f"{delivery_id}.{timestamp}.", "webhook-id")
        signatures = given.split(" ")
        if len(signatures) > MOST_SIGNATURES:
            raise too_many("webhook-signature")
        live = keys(self.secrets)
        for signature in signatures:
            version, comma, value = signature.partition(",")
            if not comma or "," in value:
                raise malformed("webhook-signature", "is not a list of `v1,<base64>`")
            if version == "v1" and matches(
                from_base64(value, "webhook-signature"), head + request.body, live
            ):
                return Verified(delivery_id, signed_id=True)
        raise mismatch("webhook-signature")


@dataclass(frozen=True, slots=True)
class Stripe:
    """Stripe: `t=<seconds>,v1=<hex>,…` over `t.body`; the key is the whole `whsec_…` text."""

    secrets: tuple[Secret, ...]
    tolerance: Micros = DEFAULT_TOLERANCE
    name: ClassVar[str] = "stripe"
    headers: ClassVar[frozenset[str]] = frozenset(("stripe-signature",))
    replayable: ClassVar[bool] = False

    def verify(self, request: HookRequest, now: Micros) -> Verified:
        given = required(request, "Stripe-Signature")
        parts = [part.strip().partition("=") for part in given.split(",")]
        if not all(equals for _, equals, _ in parts):
            raise malformed("Stripe-Signature", "is not a list of `name=value`")
        times = [value for name, _, value in parts if name == "t"]
        signatures = [value for name, _, value in parts if name == "v1"]
        if len(times) != 1:
            raise malformed("Stripe-Signature", "does not hold one `t`")
        if not signatures:
            raise SignatureError(
                "the header Stripe-Signature holds no `v1` signature",
                code="signature_missing",
                place="Stripe-Signature",
            )
        if len(signatures) > MOST_SIGNATURES:
            raise too_many("Stripe-Signature")
        check_time(times[0], "Stripe-Signature", now, self.tolerance)
        message = f"{times[0]}.".encode() + request.body
        live = keys(self.secrets)
        if any(matches(from_hex(one, "Stripe-Signature"), message, live) for one in signatures):
            return Verified()
        raise mismatch("Stripe-Signature")


@dataclass(frozen=True, slots=True)
class Slack:
    """Slack: `v0=<hex>` over `v0:timestamp:body`."""

    secrets: tuple[Secret, ...]
    tolerance: Micros = DEFAULT_TOLERANCE
    name: ClassVar[str] = "slack"
    headers: ClassVar[frozenset[str]] = frozenset(("x-slack-signature",))
    replayable: ClassVar[bool] = False

    def verify(self, request: HookRequest, now: Micros) -> Verified:
        given = required(request, "X-Slack-Signature")
        timestamp = required(request, "X-Slack-Request-Timestamp")
        if not given.startswith("v0="):
            raise malformed("X-Slack-Signature", "does not begin with `v0=`")
        check_time(timestamp, "X-Slack-Request-Timestamp", now, self.tolerance)
        signature = from_hex(given.removeprefix("v0="), "X-Slack-Signature")
        message = f"v0:{timestamp}:".encode() + request.body
        if not matches(signature, message, keys(self.secrets)):
            raise mismatch("X-Slack-Signature")
        return Verified()
