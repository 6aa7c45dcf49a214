"""The `verify:` of a hook: which scheme, with which secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from base.errors import ConfigurationError
from base.fields import Complaints, Fields, described
from base.place import within
from base.suggest import hint
from base.time import Micros
from events.webhooks import body_signature
from events.webhooks.body_signature import BodySignature
from events.webhooks.credentials import Basic, Bearer, Unverified
from events.webhooks.secret import Secret, read_secrets
from events.webhooks.signature import Scheme
from events.webhooks.timed_signature import Slack, StandardWebhooks, Stripe, standard_key
from events.webhooks.twilio import Twilio

SCHEMES = (
    "github",
    "standard-webhooks",
    "stripe",
    "slack",
    "shopify",
    "twilio",
    "hmac-sha256",
    "bearer",
    "basic",
    "none",
)
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "twilio": ("url",),
    "basic": ("user",),
    "hmac-sha256": ("header", "prefix", "encoding"),
}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


def read_scheme(
    given: Any, *, place: str, tolerance: Micros, environ: Mapping[str, str], directory: Path
) -> Scheme:
    """The scheme that `verify:` names. Raises ConfigurationError with everything at fault."""
    name = _name(given, place)
    if name == "none":
        return _none(given, place)
    complaints = Complaints("field_invalid")
    form = given if isinstance(given, dict) else {"scheme": given}
    fields = Fields(form, place, complaints, ("scheme", "secret", *_FIELDS.get(name, ())))
    secrets: tuple[Secret, ...] = ()
    if fields.has("secret"):
        with complaints.kept():
            secrets = read_secrets(
                fields.raw("secret"),
                place=fields.at("secret"),
                environ=environ,
                directory=directory,
                derive=standard_key if name == "standard-webhooks" else bytes,
            )
    else:
        complaints.add(
            place,
            f"the scheme {name} needs a `secret`",
            code="field_missing",
            hint="secret: {env: NAME}, or secret: {file: PATH}",
        )
    scheme = _build(name, fields, secrets, tolerance)
    complaints.raise_any()
    return scheme


def _name(given: Any, place: str) -> str:
    if given is None:
        raise ConfigurationError(
            "how deliveries are verified must be said",
            code="verify_missing",
            place=place,
            hint="`verify: {scheme: …, secret: {env: …}}`, or `verify: none` to let anybody send",
        )
    name = given.get("scheme") if isinstance(given, dict) else given
    if not isinstance(name, str) or name not in SCHEMES:
        raise ConfigurationError(
            f"the scheme must be one of {', '.join(SCHEMES)}",
            code="scheme_unknown",
            place=within(place, "scheme") if isinstance(given, dict) else place,
            hint=hint(name, SCHEMES) if isinstance(name, str) else None,
        )
    return name


def _none(given: Any, place: str) -> Unverified:
    complaints = Complaints("field_invalid")
    if isinstance(given, dict):
        Fields(given, place, complaints, ("scheme",))
    complaints.raise_any()
    return Unverified()


def _build(name: str, fields: Fields, secrets: tuple[Secret, ...], tolerance: Micros) -> Scheme:
    match name:
        case "github":
            return body_signature.github(secrets)
        case "shopify":
            return body_signature.shopify(secrets)
        case "standard-webhooks":
            return StandardWebhooks(secrets, tolerance)
        case "stripe":
            return Stripe(secrets, tolerance)
        case "slack":
            return Slack(secrets, tolerance)
        case "twilio":
            return Twilio(secrets, fields.text("url") or None)
        case "bearer":
            return Bearer(secrets)
        case "basic":
            return _basic(fields, secrets)
        case _:
            return _hmac(fields, secrets)


def _basic(fields: Fields, secrets: tuple[Secret, ...]) -> Basic:
    user = fields.text("user", required=True)
    if ":" in user:
        fields.complain("user", "a user cannot contain a colon")
    return Basic(secrets, user)


def _hmac(fields: Fields, secrets: tuple[Secret, ...]) -> BodySignature:
    header = fields.text("header", required=True)
    if header and not _HEADER_NAME.fullmatch(header):
        fields.complain("header", f"{described(header)} cannot be the name of a header")
    encoding = fields.text("encoding", "hex")
    if encoding not in {"hex", "base64"}:
        fields.complain("encoding", f"must be hex or base64, not {described(encoding)}")
    return BodySignature(
        "hmac-sha256",
        secrets,
        header,
        prefix=fields.text("prefix"),
        encoding="base64" if encoding == "base64" else "hex",
    )
