"""Webhooks: deliveries from other services, verified and made into events.

A `Hook` is read from `sources/*.yaml`. For each delivery it is asked three things in this
order: whether the sender is who it says (`verify`, on the bytes), which events it means
(`events`), and what it has in common with a replay (`replay_key`). All of it is pure
computing on values; who receives the request, reads its body (`read_body`) and stores what
comes of it is above.
"""

from events.webhooks.body import read_body
from events.webhooks.hook import Hook, Surroundings
from events.webhooks.request import HookRequest, Verified
from events.webhooks.source import Problem, Sources, load_sources

__all__ = [
    "Hook",
    "HookRequest",
    "Problem",
    "Sources",
    "Surroundings",
    "Verified",
    "load_sources",
    "read_body",
]
