"""Events, and the hooks and deliveries that bring them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.shapes.words import (
    ANY,
    COUNT,
    NAME,
    PROBLEMS_OF_FILES,
    TEXT,
    TEXTS,
    TIME,
    WHEN,
    Schema,
    listing,
    object_of,
    one_of,
)

_EVENT: Final = {
    **object_of(
        "specversion id source type",
        specversion={"const": "1.0"},
        id=TEXT,
        source=TEXT,
        type=TEXT,
        subject=TEXT,
        time=TIME,
        datacontenttype=TEXT,
        dataschema=TEXT,
        data=ANY,
        correlationid={**TEXT, "description": "the first event of the chain"},
        causationid={**TEXT, "description": "the event that caused this one"},
        depth={**COUNT, "description": "firings between the outside world and this event"},
    ),
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
    "description": "CloudEvents 1.0, structured JSON",
}

SHAPES: Final[Mapping[str, Schema]] = {
    "CloudEvent": _EVENT,
    "EventList": listing("CloudEvent"),
    "Accepted": object_of("accepted duplicates ids", accepted=COUNT, duplicates=COUNT, ids=TEXTS),
    "Delivery": {"description": "What the sender sends; the hook says how it becomes an event."},
    "Delivered": object_of("id", id=TEXT, ids=TEXTS),
    "Webhook": object_of(
        "name url scheme accepted rejected",
        name=TEXT,
        description=TEXT,
        url=TEXT,
        scheme=TEXT,
        last_delivery=WHEN,
        accepted=COUNT,
        duplicate=COUNT,
        rejected=COUNT,
    ),
    "WebhookList": listing("Webhook", problems=PROBLEMS_OF_FILES),
    "DeliveryRecord": object_of(
        "id at status headers size",
        id=TEXT,
        at=TIME,
        status=one_of("accepted", "duplicate", "rejected"),
        code=NAME,
        message=NAME,
        event_id=NAME,
        remote=NAME,
        headers={"type": "object", "additionalProperties": TEXT},
        size=COUNT,
    ),
    "DeliveryList": listing("DeliveryRecord"),
    "Replayed": object_of(
        "id firings",
        id=TEXT,
        firings=COUNT,
        firing_ids=TEXTS,
        untold={**TEXTS, "description": "Rules that remember, and do not count an event twice"},
    ),
}
