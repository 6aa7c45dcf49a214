"""Where a rule keeps windows: the nodes of its triggers that remember, and its flow control.

Each place has one window for each key, and says how such a window stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from automations.flow_control import GATHER, THROTTLE, Gathering, Throttle
from automations.rule import Rule
from base.time import Micros
from triggers.clock_trigger import ClockTrigger
from triggers.standing import Kind, Standing, kind_of, span_of, standing
from triggers.tree import Placed
from triggers.window import WindowState
from triggers.windows import APART

Order = tuple[str, bool, int, str]
"""What places are sorted by."""


@dataclass(frozen=True, slots=True)
class Place:
    """One of the places, by `trigger` and `path` as in a `WindowKey`.

    `span` is how long what its windows hold counts, None where they hold no members of
    their own.
    """

    automation: str
    trigger: int
    path: str
    kind: Kind
    span: Micros | None
    standing: Callable[[WindowState, Micros | None], Standing]

    @property
    def order(self) -> Order:
        return order_of(self.automation, self.trigger, self.path)


def order_of(automation: str, trigger: int, path: str) -> Order:
    """By rule; triggers before flow control, and each before what is nested in it."""
    return automation, path.startswith(APART), trigger, path


def places(rule: Rule) -> list[Place]:
    """All of them, in order; none where the rule remembers nothing."""
    return sorted(_places(rule), key=lambda place: place.order)


def _places(rule: Rule) -> Iterator[Place]:
    name, flow = rule.name, rule.flow
    for number, trigger in enumerate(rule.triggers):
        for node in trigger.nodes:
            if isinstance(node, ClockTrigger):
                yield Place(name, number, node.path, "clock", None, partial(standing, node))
            elif isinstance(node, Placed):
                kind, span = kind_of(node.node), span_of(node.node)
                yield Place(name, number, node.path, kind, span, partial(standing, node))
    if flow.gathering is not None:
        kind = _gathers(flow.gathering)
        yield Place(name, 0, GATHER, kind, None, partial(gathered, flow.gathering))
    if flow.throttle is not None:
        says = partial(throttled, flow.throttle)
        yield Place(name, 0, THROTTLE, "throttle", flow.throttle.every, says)


def gathered(gathering: Gathering, state: WindowState, _now: Micros | None) -> Standing:
    """How many firings wait, with how many events, and when they go."""
    kind = _gathers(gathering)
    if not state.marks:
        return Standing(kind, 0, gathering.size or 0, None)
    begun, counted = state.marks
    return Standing(
        kind,
        int(begun.value or 0),
        gathering.size or 0,
        state.due,
        since=begun.time,
        events=int(counted.value or 0),
    )


def throttled(throttle: Throttle, state: WindowState, now: Micros | None) -> Standing:
    """How many passed of those that may, and when the next one of them is forgotten."""
    passed, suppressed = throttle.counted(state, now)
    if not passed:
        return Standing("throttle", 0, throttle.at_most, None)
    oldest = passed[-throttle.at_most :][0].time
    return Standing(
        "throttle", len(passed), throttle.at_most, oldest + throttle.every, suppressed=suppressed
    )


def _gathers(gathering: Gathering) -> Kind:
    return "debounce" if gathering.size is None else "batch"
