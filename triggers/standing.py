"""How a window stands at a moment: what came, what is awaited, and until when. For people.

Windows go by event time and forget only when something comes; people go by the clock. So a
window is looked at as an event of that moment would find it: what is too old to count with that
event is left out. Nothing decides by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from base.time import Micros
from triggers.absence import AFTER, MATCH, Absence
from triggers.aggregate import Aggregate
from triggers.clock_trigger import ClockTrigger
from triggers.combination import Combination
from triggers.count import Count
from triggers.figure import Bound, Function, figure
from triggers.lateness import not_before
from triggers.listening import Listening, Node
from triggers.progress import chain, progress
from triggers.sequence import Sequence
from triggers.tree import Placed
from triggers.window import WindowState

Kind = Literal[
    "count", "sequence", "all", "any", "absent", "aggregate", "clock",
    "throttle", "debounce", "batch",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = Kind.__args__  # type: ignore[attr-defined]  # what a Literal allows


@dataclass(frozen=True, slots=True)
class Part:
    """A member, a step, or what an absence listens to: when it last came, None if it did not.

    `holds` says of a nested condition that it counts for as long as it holds.
    """

    name: str
    seen: Micros | None
    holds: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """`have` of `need` matches, steps, members, values or firings; `need` 0 asks for no number.

    `until` is when what is there stops to count: of an absence and of what is gathered, when it
    fires or goes; of a clock its next time; of a throttle when it lets one more pass. `since` is
    what a wait counts from. `figure` is what an aggregate measures by its `function`, against its
    `bound`; None where there are too few values.
    `suppressed` is what a throttle held back since it last let one pass, `events` how many are
    gathered.
    """

    kind: Kind
    have: int
    need: int
    until: Micros | None
    holds: bool = False
    since: Micros | None = None
    parts: tuple[Part, ...] = ()
    function: Function | None = None
    bound: Bound | None = None
    figure: float | None = None
    suppressed: int = 0
    events: int = 0

    @property
    def is_open(self) -> bool:
        """Whether there is anything that something could still be added to, or that waits."""
        if self.kind in {"absent", "clock"}:
            return self.holds or self.until is not None
        return self.holds or self.have > 0


def kind_of(node: Node) -> Kind:
    match node:
        case Count():
            return "count"
        case Sequence():
            return "sequence"
        case Absence():
            return "absent"
        case Aggregate():
            return "aggregate"
        case Combination(members=members, at_least=at_least):
            return "all" if at_least == len(members) else "any"
    raise AssertionError(f"{node!r} is of no kind")


def span_of(node: Node) -> Micros | None:
    """How long its members count; None where it has none."""
    match node:
        case Count(within=span) | Sequence(within=span) | Combination(within=span):
            return span
        case Aggregate(over=span):
            return span
    return None


def standing(node: Placed | ClockTrigger, state: WindowState, now: Micros | None) -> Standing:
    """How a node stands with one key at this moment; with None, at its newest event."""
    if isinstance(node, ClockTrigger):
        return Standing("clock", 0, 0, state.due)
    inner = node.node
    span = span_of(inner)
    if now is not None and span is not None:
        state = replace(state, members=not_before(state.members, now - span))
    far = progress(inner, state)
    plain = Standing(kind_of(inner), far.have, far.need, far.until, far.holds)
    match inner:
        case Sequence():
            return replace(plain, parts=tuple(_steps(inner, state)))
        case Combination():
            return replace(plain, parts=tuple(_members(inner, state)))
        case Absence():
            return _silence(inner, plain, state)
        case Aggregate():
            return _measured(inner, plain, state)
    return plain


def name_of(member: Listening | Node) -> str:
    """What a member is called: the types it listens to, or what is nested there, and of what."""
    if isinstance(member, Listening):
        return ", ".join(glob.text for glob in member.selector.types)
    inner = ", ".join(dict.fromkeys(name_of(one) for one in member.members))
    return f"{kind_of(member)} {inner}"


def _steps(node: Sequence, state: WindowState) -> Iterator[Part]:
    """The times of the longest chain that can still go on."""
    times = chain(state.members, node.within)
    for number, step in enumerate(node.steps):
        yield Part(name_of(step), times[number] if number < len(times) else None)


def _members(node: Combination, state: WindowState) -> Iterator[Part]:
    newest = max((one.time for one in state.members), default=0)
    seen = {one.part: one.time for one in state.members if one.time >= newest - node.within}
    held = {one.part: one.time for one in state.marks}
    for number, member in enumerate(node.members):
        yield Part(name_of(member), held.get(number, seen.get(number)), holds=number in held)


def _silence(node: Absence, plain: Standing, state: WindowState) -> Standing:
    """Since what it waits, and when each of what it listens to last came."""
    marks = {mark.part: mark.time for mark in state.marks}
    waiting = state.due is not None or state.holds
    if state.due is not None:
        since = state.due - node.span
    else:
        since = next(
            (one.time for one in state.marks if node.after is None or one.part == AFTER), 0
        )
    parts = tuple(
        Part(name_of(member), marks.get(part))
        for part, member in zip((MATCH, AFTER), node.members, strict=False)
    )
    return replace(plain, since=since if waiting else None, parts=parts)


def _measured(node: Aggregate, plain: Standing, state: WindowState) -> Standing:
    values = [one.value for one in state.members if one.value is not None]
    judged = figure(node.function, values) if values and len(values) >= node.at_least else None
    # When its timer looks again is nothing that anybody waits for.
    return replace(plain, until=None, function=node.function, bound=node.bound, figure=judged)
