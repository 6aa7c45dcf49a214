"""The types of the service's own events; `docs/reference/events.md` tells of each."""

from __future__ import annotations

from typing import Final

_BY_KIND: Final = {
    "run": (
        *("scheduled", "late", "pending", "running", "retrying", "paused", "resumed"),
        *("cancelling", "cancelled", "completed", "failed", "timed_out", "crashed", "skipped"),
    ),
    "task": ("running", "retrying", "completed", "failed", "timed_out"),
    "automation": (
        *("created", "updated", "deleted", "paused", "resumed", "manual"),
        *("fired", "resolved", "suppressed", "looped", "error"),
    ),
    "action": ("succeeded", "failed", "dead"),
    "flow": ("registered", "updated", "paused", "resumed"),
    "worker": ("online", "offline"),
    "webhook": ("rejected",),
    "timer": ("due",),
}

OWN_TYPES: Final = tuple(
    f"ensue.{kind}.{word}" for kind, words in _BY_KIND.items() for word in words
)
