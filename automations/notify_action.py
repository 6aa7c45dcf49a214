"""`notify`: a message to people, over a channel of the settings.

    - notify: team
      title: "${event.data.flow} failed"
      message: "${event.data.?message.orValue('no reason given')}"
      tags: [night]
    - notify: {env: ONCALL_URL}
      message: Somebody should look.

`tags` choose among the addresses of the channel. A channel's URL is a secret: it is named, and
read when the message is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from automations.outcome import ActionFailure
from base.channel import NAME, Address, Channel
from base.fields import Complaints, Fields, described
from base.secret import SecretRef
from events.expression import ACTION, Activation
from events.template import Template, spelled

FIELDS: Final = ("notify", "title", "message", "tags", "if")
MAX_TITLE: Final = 1_000
MAX_MESSAGE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Notification:
    """The message that a `notify` action asks for, and whom it is to reach.

    `to` is the name of a channel, or where the URL of the only address is to be found.
    """

    to: str | SecretRef
    title: str
    message: str
    tags: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """Messages to one target wait in one queue."""
        return f"notify:{self}"

    def __str__(self) -> str:
        return self.to if isinstance(self.to, str) else f"{self.to.kind} {self.to.name}"

    def addresses(self, channels: Mapping[str, Channel]) -> tuple[Address, ...] | ActionFailure:
        """Whom to send it to, by the settings of now."""
        if isinstance(self.to, SecretRef):
            return (Address(self.to),)
        channel = channels.get(self.to)
        if channel is None:
            return ActionFailure("channel_unknown", f"there is no channel {self.to}")
        if not (chosen := channel.chosen(self.tags)):
            words = " or ".join(self.tags)
            return ActionFailure(
                "channel_empty", f"the channel {self.to} has no address with the tag {words}"
            )
        return chosen

    def to_json(self) -> dict[str, Any]:
        return {
            "to": self.to if isinstance(self.to, str) else self.to.to_json(),
            "title": self.title,
            "message": self.message,
            "tags": list(self.tags),
        }

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Notification:
        to = form["to"]
        return cls(
            to if isinstance(to, str) else SecretRef.parse(to, "notify"),
            form["title"],
            form["message"],
            tuple(form["tags"]),
        )


@dataclass(frozen=True, slots=True)
class NotifyAction:
    """A `notify`, compiled."""

    to: str | SecretRef
    title: Template
    message: Template
    tags: Template

    @classmethod
    def parse(
        cls, form: Mapping[str, Any], place: str, complaints: Complaints
    ) -> NotifyAction | None:
        """None where something was complained about."""
        before = len(complaints.found)
        fields = Fields(form, place, complaints, FIELDS)
        to = _to(fields, complaints)
        fields.text("title")
        fields.text("message", required=True, at_most=MAX_MESSAGE)
        fields.texts("tags")
        templates = {}
        for name in FIELDS[1:4]:
            with complaints.kept():
                templates[name] = Template.compile(
                    fields.raw(name), scope=ACTION, place=fields.at(name)
                )
        if to is None or len(complaints.found) > before:
            return None
        return cls(to, templates["title"], templates["message"], templates["tags"])

    @property
    def channel(self) -> str | None:
        """The channel that it names."""
        return self.to if isinstance(self.to, str) else None

    @property
    def literal_tags(self) -> tuple[str, ...]:
        """The tags, where they do not depend on the event."""
        source = self.tags.source if self.tags.is_literal else None
        return (source,) if isinstance(source, str) else tuple(source or ())

    def spelled(self) -> str:
        """Whom it reaches, as a deed spells it."""
        return str(Notification(self.to, "", ""))

    def render(self, activation: Activation) -> Notification | ActionFailure:
        """Raises EvaluationError."""
        title, message = self.title.render(activation), self.message.render(activation)
        tags = self.tags.render(activation) or []
        if message is None or not spelled(message).strip():
            return ActionFailure("message_invalid", "there is no message", "message")
        if len(spelled(message)) > MAX_MESSAGE:
            return ActionFailure(
                "message_invalid", f"a message has at most {MAX_MESSAGE:,} characters", "message"
            )
        if not isinstance(tags, str | list):
            return ActionFailure("tags_invalid", f"{described(tags)} is no list of tags", "tags")
        return Notification(
            to=self.to,
            title="" if title is None else spelled(title)[:MAX_TITLE],
            message=spelled(message),
            tags=tuple(spelled(tag) for tag in ([tags] if isinstance(tags, str) else tags)),
        )


def _to(fields: Fields, complaints: Complaints) -> str | SecretRef | None:
    """A channel by its name, or a URL by the name of its secret."""
    given = fields.raw("notify")
    if isinstance(given, dict):
        found: list[SecretRef] = []
        with complaints.kept():
            found.append(SecretRef.parse(given, fields.at("notify")))
        return found[0] if found else None
    name = fields.text("notify", required=True, at_most=10_000)
    if name and not NAME.fullmatch(name):
        wrong = "a URL holds secrets, and is named" if "://" in name else "this names no channel"
        fields.complain(
            "notify", wrong, "a channel of ensue.toml, or {env: NAME} where the URL is to be found"
        )
        return None
    return name or None
