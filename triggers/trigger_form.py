"""Reading `trigger`: one trigger, or a list of which each fires on its own."""

from __future__ import annotations

from typing import Any

from base.errors import ConfigurationError
from base.fields import Complaints, described
from base.place import within
from base.suggest import hint
from base.time import SECOND
from triggers import foreign_words, kinds, schedule
from triggers.clock_trigger import ClockTrigger
from triggers.event_trigger import EventTrigger
from triggers.listener import Trigger
from triggers.reading import Limits
from triggers.tree import Tree

KINDS = ("event", *kinds.FIELDS, *schedule.KINDS)
LIMITS = Limits(retention=30 * 86_400 * SECOND)
"""Where nobody says how long events are kept."""


def parse_triggers(
    form: Any, place: str, complaints: Complaints, limits: Limits = LIMITS
) -> tuple[Trigger, ...]:
    """The triggers of a rule: one mapping, or a list of them."""
    if isinstance(form, list):
        if not form:
            complaints.add(place, "a rule needs at least one trigger", code="trigger_invalid")
        placed = [(item, within(place, number)) for number, item in enumerate(form)]
    else:
        placed = [(form, place)]
    triggers: list[Trigger] = []
    for item, here in placed:
        with complaints.kept():
            if (trigger := _parse_one(item, here, complaints, limits)) is not None:
                triggers.append(trigger)
    return tuple(triggers)


def _parse_one(form: Any, place: str, complaints: Complaints, limits: Limits) -> Trigger | None:
    """None if anything is wrong that the complaints tell."""
    if not isinstance(form, dict):
        raise ConfigurationError(
            f"a trigger is a map such as `event: order.created`, not {described(form)}",
            code="trigger_invalid",
            place=place,
            hint=f"event: {form}" if isinstance(form, str) else None,
        )
    if "event" in form:
        return EventTrigger.parse(form, place)
    if kinds.kind_of(form) is not None:
        node = kinds.parse_node(form, place, limits, complaints)
        return Tree(node) if node else None
    if any(kind in form for kind in schedule.KINDS):
        return ClockTrigger.parse(form, place, complaints)
    near = next((advice for name in form if (advice := hint(name, KINDS))), None)
    raise ConfigurationError(
        "a trigger says what it waits for: `event` is missing",
        code="trigger_invalid",
        place=place,
        hint=foreign_words.meant(form) or near or "event: order.created",
    )
