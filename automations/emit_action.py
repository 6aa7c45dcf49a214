"""`emit`: sends an event of one's own.

- emit: order.reviewed
source: /shop
subject: "${event.subject}"
data: {order: "${event.data.id}"}
time: "${event.time}"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automations.outcome import ActionFailure
from base.fields import Complaints, Fields, described
from base.time import Micros, parse_rfc3339
from events.expression import ACTION, Activation
from events.template import Template, spelled

FIELDS = ("emit", "source", "subject", "data", "time", "if")
OWN = "ensue."
"""How the types of the service's own events begin; nobody else sends those."""

MAX_TEXT = 1_024


@dataclass(frozen=True, slots=True)
class Emission:
    """The event that an `emit` action asks for. Without `source` it is the rule's own."""

    type: str
    source: str | None
    subject: str | None
    data: Any
    time: Micros | None


@dataclass(frozen=True, slots=True)
class EmitAction:
    """An `emit`, compiled."""

    type: Template
    source: Template
    subject: Template
    data: Template
    time: Template

    @classmethod
    def parse(
        cls, form: Mapping[str, Any], place: str, complaints: Complaints
    ) -> EmitAction | None:
        """None where something was complained about."""
        before = len(complaints.found)
        fields = Fields(form, place, complaints, FIELDS)
        emitted = fields.text("emit", required=True, at_most=10_000)
        if emitted.startswith(OWN):
            fields.complain("emit", f"types that begin with `{OWN}` are the service's own")
        fields.text("source")
        fields.text("subject")
        time = fields.text("time")
        if time and "${" not in time:
            try:
                parse_rfc3339(time)
            except ValueError as error:
                fields.complain("time", str(error))
        templates = {}
        for name in FIELDS[:5]:
            with complaints.kept():
                templates[name] = Template.compile(
                    fields.raw(name), scope=ACTION, place=fields.at(name)
                )
        if len(complaints.found) > before:
            return None
        return cls(
            templates["emit"],
            templates["source"],
            templates["subject"],
            templates["data"],
            templates["time"],
        )

    @property
    def literal_type(self) -> str | None:
        """The type of what it sends, where that does not depend on the event."""
        return str(self.type.source) if self.type.is_literal else None

    def render(self, activation: Activation) -> Emission | ActionFailure:
        """Raises EvaluationError."""
        emitted = self.type.render(activation)
        if not isinstance(emitted, str) or not 0 < len(emitted) <= MAX_TEXT:
            return ActionFailure("type_invalid", f"{described(emitted)} is no event type", "emit")
        if emitted.startswith(OWN):
            return ActionFailure(
                "type_reserved", f"types that begin with `{OWN}` are the service's own", "emit"
            )
        texts: dict[str, str | None] = {}
        for name, template in (("source", self.source), ("subject", self.subject)):
            value = template.render(activation)
            texts[name] = None if value is None else spelled(value)
            if value is not None and not 0 < len(spelled(value)) <= MAX_TEXT:
                return ActionFailure(
                    f"{name}_invalid", f"{name} has 1 to {MAX_TEXT:,} characters", name
                )
        time = self.time.render(activation)
        try:
            moment = None if time is None else parse_rfc3339(time)
        except (ValueError, TypeError):
            return ActionFailure("time_invalid", f"{described(time)} is no RFC 3339 time", "time")
        return Emission(
            emitted, texts["source"], texts["subject"], self.data.render(activation), moment
        )
