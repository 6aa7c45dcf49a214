"""A hook: who may send to it, and what becomes of what they send."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from base.fields import Complaints, Fields, described
from base.settings import Size
from base.time import SECOND, Micros
from events.event import Event
from events.template import Template
from events.webhooks.body import DEFAULT_LIMIT
from events.webhooks.content import read_content
from events.webhooks.credentials import Unverified
from events.webhooks.mapping import Delivery, map_events, read_mapping
from events.webhooks.request import HookRequest, Verified, redact
from events.webhooks.schemes import read_scheme
from events.webhooks.signature import Scheme
from events.webhooks.timed_signature import DEFAULT_TOLERANCE

FIELDS = ("description", "verify", "event", "limit", "tolerance", "replay_window")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_LARGEST = 64 << 20
_DAY: Micros = 86_400 * SECOND
_SIZE: TypeAdapter[int] = TypeAdapter(Size)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a hook's definition leaves to where it is read. `directory` is the project's."""

    directory: Path = field(default_factory=Path)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    limit: int = DEFAULT_LIMIT
    replay_window: Micros = 600 * SECOND


@dataclass(frozen=True, slots=True)
class Hook:
    """One `POST /hooks/<name>`: who may send, and what becomes of it.

    `definition` is what stood in the file; two hooks are equal when name and definition are.
    """

    name: str
    definition: Mapping[str, Any] = field(repr=False)
    description: str = field(compare=False)
    scheme: Scheme = field(compare=False)
    mapping: Mapping[str, Template] | None = field(compare=False, repr=False)
    limit: int = field(compare=False)
    """The most bytes of a body, as sent and as unpacked."""
    replay_window: Micros = field(compare=False)
    """For how long the same body is the same delivery; 0 where ids and times are signed."""

    @classmethod
    def parse(
        cls, name: str, definition: Any, place: str = "", *, around: Surroundings | None = None
    ) -> Hook:
        """Raises FormError with everything that is wrong, each with its place."""
        around = around or Surroundings()
        complaints = Complaints("source_invalid")
        if not _NAME.fullmatch(name):
            complaints.add(
                place,
                f"{described(name)} cannot be the name of a hook",
                hint="letters, digits, and . _ - between them, at most 100",
                at_key=True,
            )
        if not isinstance(definition, dict):
            complaints.add(place, f"a hook is a map of fields, not {described(definition)}")
            complaints.raise_any()
        hook = _read(name, definition, place, complaints, around)
        complaints.raise_any()
        return hook

    def verify(self, request: HookRequest, now: Micros) -> Verified:
        """Raises SignatureError, or InvalidInputError for a header that came twice."""
        return self.scheme.verify(request, now)

    def events(self, request: HookRequest, verified: Verified, now: Micros) -> list[Event]:
        """The events of a verified delivery: one, unless it is a CloudEvents batch.

        Raises InvalidInputError, TooLargeError or UnsupportedMediaError. Uses the processor
        only; a long body is better mapped in a thread.
        """
        delivery = Delivery(self.name, self.scheme, request, verified, self.limit, now)
        return map_events(delivery, self.mapping)

    def replay_key(self, request: HookRequest, event: Event) -> bytes | None:
        """What two deliveries of the same thing have in common, whatever id they carry.

        None where the signature makes that unnecessary, or nobody signs anything.
        """
        if not self.replay_window:
            return None
        head = f"{self.name}\0{event.type}\0".encode()
        return blake2b(head + request.body, digest_size=16).digest()

    def challenge(self, request: HookRequest) -> str | None:
        """What Slack wants to hear back when it tries a URL; None for any other delivery.

        To be asked for verified deliveries only.
        """
        if self.scheme.name != "slack":
            return None
        body = read_content(request, limit=self.limit)
        if not isinstance(body, dict) or body.get("type") != "url_verification":
            return None
        challenge = body.get("challenge")
        return challenge if isinstance(challenge, str) else None

    def redact(self, request: HookRequest) -> dict[str, str]:
        """The headers as they may be kept: by lower-case name, proofs taken out."""
        return redact(request.headers, self.scheme.headers)


def _read(
    name: str, form: Mapping[str, Any], place: str, complaints: Complaints, around: Surroundings
) -> Hook:
    fields = Fields(form, place, complaints, FIELDS)
    tolerance = fields.duration("tolerance", DEFAULT_TOLERANCE, at_least=SECOND, at_most=_DAY)
    scheme: Scheme = Unverified()  # stands in while there are complaints, which raise
    with complaints.kept():
        scheme = read_scheme(
            form.get("verify"),
            place=fields.at("verify") if "verify" in form else place,
            tolerance=tolerance,
            environ=around.environ,
            directory=around.directory,
        )
    mapping = None
    if fields.has("event"):
        with complaints.kept():
            mapping = read_mapping(fields.mapping("event"), fields.at("event"))
    window = around.replay_window if scheme.replayable else 0
    return Hook(
        name,
        form,
        fields.text("description"),
        scheme,
        mapping,
        _limit(fields, around.limit),
        fields.duration("replay_window", window, at_most=_DAY),
    )


def _limit(fields: Fields, default: int) -> int:
    if not fields.has("limit"):
        return default
    try:
        limit = _SIZE.validate_python(fields.raw("limit"))
    except ValidationError:
        limit = 0
    if not 0 < limit <= _LARGEST:
        fields.complain("limit", "must be a size such as 512KiB or 1MiB, at most 64MiB")
        return default
    return limit
