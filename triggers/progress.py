"""How far a window has come: "2 of 3, until 12:40". For people; nothing decides by it."""

from __future__ import annotations

from dataclasses import dataclass

from base.time import Micros
from triggers.aggregate import Aggregate
from triggers.combination import Combination
from triggers.count import Count
from triggers.listening import Node
from triggers.sequence import Sequence
from triggers.window import Member, WindowState


@dataclass(frozen=True, slots=True)
class Progress:
    """`have` of `need` matches, members or steps; of an aggregate, values.

    `until` is the event time up to which what is there counts, or when a wait is over; None
    where nothing ends. `holds` says that it fired and has not resolved.
    """

    have: int
    need: int
    until: Micros | None
    holds: bool = False


def progress(node: Node, state: WindowState) -> Progress:
    """How far one node is with one key."""
    match node:
        case Count():
            return _counted(state.members, node.at_least, node.within)
        case Combination():
            return _combined(node, state)
        case Sequence():
            return _ordered(state.members, len(node.steps), node.within)
        case Aggregate():
            return Progress(len(state.members), node.at_least, state.due, state.holds)
        case _:  # an absence waits for time alone
            return Progress(0, 0, state.due, state.holds)


def _counted(members: tuple[Member, ...], need: int, within: Micros) -> Progress:
    """Those that the newest one can still be counted with."""
    if not members:
        return Progress(0, need, None)
    there = [one.time for one in members if one.time >= members[-1].time - within]
    return Progress(len(there), need, there[0] + within)


def _combined(node: Combination, state: WindowState) -> Progress:
    held = {one.part for one in state.marks}
    latest = {one.part: one.time for one in state.members if one.part not in held}
    newest = max(latest.values(), default=0)
    there = [time for time in latest.values() if time >= newest - node.within]
    until = min(there) + node.within if there else None
    return Progress(len(held) + len(there), node.at_least, until)


def _ordered(members: tuple[Member, ...], need: int, within: Micros) -> Progress:
    times = chain(members, within)
    return Progress(len(times), need, times[0] + within if times else None)


def chain(members: tuple[Member, ...], within: Micros) -> tuple[Micros, ...]:
    """When its steps came: of the longest chain that can still go on, and began last."""
    chains: dict[int, tuple[Micros, ...]] = {}
    for one in members:
        before = chains.get(one.part - 1, ())
        if one.part == 0 or (before and one.time - before[0] <= within):
            chains[one.part] = (*before, one.time)
    newest = members[-1].time if members else 0
    whole = (chains[step] for step in sorted(chains, reverse=True))
    return next((times for times in whole if times[0] >= newest - within), ())
