"""From a delivery to an event: what the hook says, and for the rest what its scheme says.

Without a word from the hook a CloudEvent is taken as it is. Anything else becomes
`webhook.<name>` (`github.<event>.<action>` from GitHub) from `/hooks/<name>`, its data the
body, its id the sender's id for the delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from base.errors import InvalidInputError
from base.fields import Complaints, Fields, described
from base.ids import new_id
from base.time import Micros, to_rfc3339
from events import codec, envelope
from events.content_type import parse_content_type
from events.event import Event
from events.expression import Activation, Scope
from events.template import Template, spelled
from events.webhooks.content import open_headers, query_fields, read_content
from events.webhooks.request import HookRequest, Verified
from events.webhooks.signature import Scheme

HOOK = Scope(body="any", headers="map", query="map", hook="text", delivery="map")
"""What the expressions of `event:` see; `delivery` has `id` (or null) and `time`."""

FIELDS = ("type", "source", "subject", "id", "time", "data")
_WHOLE_BODY = "${body}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A verified delivery on its way to be an event."""

    hook: str
    scheme: Scheme
    request: HookRequest
    verified: Verified
    limit: int
    now: Micros


def read_mapping(form: Mapping[str, Any], place: str) -> dict[str, Template]:
    """The compiled fields of `event:`. Raises FormError."""
    complaints = Complaints("field_invalid")
    fields = Fields(form, place, complaints, FIELDS)
    mapping: dict[str, Template] = {}
    for name in FIELDS:
        given = fields.raw(name)
        # The whole body is what `data` is anyway, and needs no way through an expression.
        if given is None or (name == "data" and given == _WHOLE_BODY):
            continue
        with complaints.kept():
            mapping[name] = Template.compile(given, scope=HOOK, place=fields.at(name))
    complaints.raise_any()
    return mapping


def map_events(delivery: Delivery, mapping: Mapping[str, Template] | None) -> list[Event]:
    """The events of a delivery: one, or those of a CloudEvents batch.

    Raises InvalidInputError (EvaluationError where an expression finds no answer),
    TooLargeError or UnsupportedMediaError.
    """
    request, now = delivery.request, delivery.now
    if mapping is None and _is_cloudevent(request):
        content_type = request.header("Content-Type")
        events = codec.decode(
            content_type, request.headers, request.body, now=now, max_bytes=delivery.limit
        ).events
    else:
        body = read_content(request, limit=delivery.limit)
        raw = {"specversion": "1.0", **_defaults(delivery, body), "data": body}
        if mapping:
            raw |= _mapped(delivery, body, mapping)
        events = [envelope.event(_spelled(raw), now=now, prefix="event.")]
    return events


def _is_cloudevent(request: HookRequest) -> bool:
    media = parse_content_type(request.header("Content-Type")).media
    return media.startswith("application/cloudevents") or (
        request.header("ce-specversion") is not None
    )


def _defaults(delivery: Delivery, body: Any) -> dict[str, Any]:
    defaults = {
        "type": f"webhook.{delivery.hook}",
        "source": f"/hooks/{delivery.hook}",
        "id": delivery.verified.delivery_id or new_id(delivery.now),
    }
    match delivery.scheme.name:
        case "github":
            defaults["type"] = _github_type(delivery.request, body)
            defaults["subject"] = _github_subject(body) or delivery.hook
        case "stripe":
            defaults["id"] = _text_at(body, "id") or defaults["id"]
        case "slack":
            defaults["id"] = _text_at(body, "event_id") or defaults["id"]
    return defaults


def _github_type(request: HookRequest, body: Any) -> str:
    name = request.header("X-GitHub-Event")
    if not name:
        raise InvalidInputError(
            "the header X-GitHub-Event is missing", code="header_missing", place="X-GitHub-Event"
        )
    action = _text_at(body, "action")
    return f"github.{name}.{action}" if action else f"github.{name}"


def _github_subject(body: Any) -> str | None:
    """The repository; where a delivery is about none, the nearest thing that it is about."""
    return (
        _text_at(body, "repository", "full_name")
        or _text_at(body, "organization", "login")
        or _text_at(body, "installation", "account", "login")
        or _text_at(body, "sender", "login")
        or _text_at(body, "enterprise", "slug")
    )


def _text_at(body: Any, *path: str) -> str | None:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, str) and body else None


def _mapped(delivery: Delivery, body: Any, mapping: Mapping[str, Template]) -> dict[str, Any]:
    activation = Activation.of(
        body=body,
        headers=open_headers(delivery.request, delivery.scheme.headers),
        query=query_fields(delivery.request),
        hook=delivery.hook,
        delivery={"id": delivery.verified.delivery_id, "time": to_rfc3339(delivery.now)},
    )
    return {name: template.render(activation) for name, template in mapping.items()}


def _spelled(raw: dict[str, Any]) -> dict[str, Any]:
    """Attributes are text: the order 17 has the subject `17`. An empty subject is none."""
    spelled_out = {}
    for name, value in raw.items():
        if name == "data":
            spelled_out[name] = value
        elif isinstance(value, dict | list):
            raise InvalidInputError(
                f"`{name}` must be text, not {described(value)}",
                code="attribute_invalid",
                place=f"event.{name}",
            )
        elif value is not None and not (name == "subject" and value == ""):
            spelled_out[name] = spelled(value)
    return spelled_out
