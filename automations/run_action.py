"""`run`: sets off a run of a flow.

- run: review-order
with: {order: "${event.data.id}"}
tags: [shop]
delay: 10m
pool: big
idempotency_key: "${event.data.id}"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automations.outcome import ActionFailure
from base.fields import Complaints, Fields, described
from base.time import SECOND, Micros, parse_duration
from events.expression import ACTION, Activation
from events.template import Template, spelled

FIELDS = ("run", "with", "tags", "delay", "pool", "idempotency_key", "if")
MAX_DELAY: Micros = 366 * 86_400 * SECOND
MAX_KEY = 512


@dataclass(frozen=True, slots=True)
class Launch:
    """The run that a `run` action asks for."""

    flow: str
    parameters: Mapping[str, Any]
    tags: tuple[str, ...]
    delay: Micros
    pool: str | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class RunAction:
    """A `run`, compiled."""

    flow: str
    parameters: Template
    tags: Template
    delay: Template
    pool: str | None
    idempotency_key: Template

    @classmethod
    def parse(cls, form: Mapping[str, Any], place: str, complaints: Complaints) -> RunAction | None:
        """None where something was complained about."""
        before = len(complaints.found)
        fields = Fields(form, place, complaints, (*FIELDS, "concurrency"))
        if fields.has("concurrency"):
            complaints.add(
                fields.at("concurrency"),
                "`concurrency` is not supported by this version",
                code="not_supported",
            )
        flow = fields.text("run", required=True, at_most=200)
        if "${" in flow:
            fields.complain("run", "a flow is named literally, without ${…}")
        fields.mapping("with")
        fields.texts("tags")
        delay = fields.raw("delay")
        if not (isinstance(delay, str) and "${" in delay):
            fields.duration("delay", 0, at_most=MAX_DELAY)
        fields.text("idempotency_key", at_most=10_000)
        pool = fields.text("pool", at_most=100) or None
        templates = {}
        for name in ("with", "tags", "delay", "idempotency_key"):
            with complaints.kept():
                templates[name] = Template.compile(
                    fields.raw(name), scope=ACTION, place=fields.at(name)
                )
        if len(complaints.found) > before:
            return None
        return cls(
            flow,
            templates["with"],
            templates["tags"],
            templates["delay"],
            pool,
            templates["idempotency_key"],
        )

    def render(self, activation: Activation) -> Launch | ActionFailure:
        """Raises EvaluationError."""
        tags = self.tags.render(activation) or []
        delay = self.delay.render(activation)
        try:
            wait = 0 if delay is None else parse_duration(delay)
        except (ValueError, TypeError, AttributeError):
            return ActionFailure("delay_invalid", f"{described(delay)} is no duration", "delay")
        if wait > MAX_DELAY:
            return ActionFailure("delay_invalid", f"{described(delay)} is too long", "delay")
        key = self.idempotency_key.render(activation)
        if key is not None and not 0 < len(spelled(key)) <= MAX_KEY:
            return ActionFailure(
                "idempotency_key_invalid",
                f"an idempotency key has 1 to {MAX_KEY} characters",
                "idempotency_key",
            )
        return Launch(
            flow=self.flow,
            parameters=self.parameters.render(activation) or {},
            tags=tuple(spelled(tag) for tag in ([tags] if isinstance(tags, str) else tags)),
            delay=wait,
            pool=self.pool,
            idempotency_key=None if key is None else spelled(key),
        )
