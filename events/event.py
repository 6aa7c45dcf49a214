"""The event: CloudEvents 1.0, with what the service adds to it.

Ours are three extension attributes: `causationid` (the event that caused this one),
`correlationid` (the first event of the chain) and `depth` (how many firings lie between
the outside world and this event; 0 for the outside world itself).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from base.ids import new_id
from base.time import Micros, to_rfc3339

Attribute = str | int | bool
"""The value of an extension attribute, as JSON carries it."""

_NO_ATTRIBUTES: Mapping[str, Attribute] = {}


@dataclass(slots=True, eq=False)
class Event:
    """One thing that happened. Never changed once it is made.

    `data` is a JSON value (None where the event has none; `has_data` tells null from
    nothing), `encoded` its JSON text. Compared by identity: two events are the same
    event when `source` and `id` agree.
    """

    id: str
    source: str
    type: str
    time: Micros
    received: Micros
    subject: str | None = None
    data: Any = None
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: _NO_ATTRIBUTES)
    correlationid: str = ""
    causationid: str | None = None
    depth: int = 0
    has_data: bool = True
    encoded: bytes = b""
    fingerprint: bytes = b""
    """See `events.fingerprint`; empty where it was not made yet."""
    _root: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.correlationid:
            self.correlationid = self.id
        if self.data is None and not self.encoded:
            self.has_data = False
        elif not self.encoded:
            self.encoded = orjson.dumps(self.data)

    def root(self) -> dict[str, Any]:
        """The event as patterns and expressions see it; treat it as read-only."""
        root = self._root
        if root is None:
            root = {
                "specversion": "1.0",
                "id": self.id,
                "source": self.source,
                "type": self.type,
                "time": to_rfc3339(self.time),
                "correlationid": self.correlationid,
                "depth": self.depth,
                **self.attributes,
            }
            if self.subject is not None:
                root["subject"] = self.subject
            if self.causationid is not None:
                root["causationid"] = self.causationid
            if self.has_data:
                root["data"] = self.data
            self._root = root
        return root

    def to_json(self) -> bytes:
        """The event in the structured JSON format of CloudEvents 1.0."""
        return orjson.dumps(self.root())

    @property
    def size(self) -> int:
        """Bytes it takes in the intake queue, roughly."""
        return len(self.encoded) + 200


class Stored(NamedTuple):
    """An event and its place in the one order of the log."""

    position: int
    event: Event


def derive(
    cause: Event | None,
    *,
    type: str,  # noqa: A002 - the attribute's own name
    source: str,
    at: Micros,
    subject: str | None = None,
    data: Any = None,
    id: str | None = None,  # noqa: A002 - the attribute's own name
    crossing: bool = False,
) -> Event:
    """An event of our own that `cause` led to: same chain, one link further.

    `crossing` says that a firing lies in between, which is what makes the depth rise.
    """
    return Event(
        id=id or new_id(at),
        source=source,
        type=type,
        time=at,
        received=at,
        subject=subject,
        data=data,
        correlationid=cause.correlationid if cause else "",
        causationid=cause.id if cause else None,
        depth=(cause.depth + int(crossing)) if cause else 0,
    )
