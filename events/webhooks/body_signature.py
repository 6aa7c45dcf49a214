"""Schemes that sign the body and nothing else: GitHub, Shopify, and any like them.

They sign no time and no delivery id, so a delivery that was seen once can be sent again
with another id for ever: see `Scheme.replayable`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from base.time import Micros
from events.webhooks.request import HookRequest, Verified
from events.webhooks.secret import Secret, keys
from events.webhooks.signature import (
    encoded,
    from_base64,
    from_hex,
    malformed,
    matches,
    mismatch,
    required,
)

Encoding = Literal["hex", "base64"]


@dataclass(frozen=True, slots=True)
class BodySignature:
    """The HMAC-SHA256 of the body in one header, after `prefix`."""

    name: str
    secrets: tuple[Secret, ...]
    header: str
    prefix: str = ""
    encoding: Encoding = "hex"
    delivery_header: str | None = None
    replayable: bool = False
    headers: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", frozenset((self.header.lower(),)))

    def verify(self, request: HookRequest, now: Micros) -> Verified:  # noqa: ARG002 - no time is signed
        text = required(request, self.header)
        if not text.startswith(self.prefix):
            raise malformed(self.header, f"does not begin with {self.prefix!r}")
        text = text.removeprefix(self.prefix)
        decode = from_hex if self.encoding == "hex" else from_base64
        if not matches(decode(text, self.header), request.body, keys(self.secrets)):
            raise mismatch(self.header)
        return Verified(self._delivery_id(request))

    def _delivery_id(self, request: HookRequest) -> str | None:
        if self.delivery_header is None:
            return None
        given = request.header(self.delivery_header) or None
        if given is not None:
            encoded(given, self.delivery_header)
        return given


def github(secrets: tuple[Secret, ...]) -> BodySignature:
    return BodySignature(
        "github",
        secrets,
        "X-Hub-Signature-256",
        prefix="sha256=",
        delivery_header="X-GitHub-Delivery",
        replayable=True,
    )


def shopify(secrets: tuple[Secret, ...]) -> BodySignature:
    return BodySignature(
        "shopify",
        secrets,
        "X-Shopify-Hmac-Sha256",
        encoding="base64",
        delivery_header="X-Shopify-Webhook-Id",
        replayable=True,
    )
