"""A trigger that remembers, laid out for whoever feeds it: its selectors, and its nodes by place.

The place of a node is its path: `""` for the trigger itself, `"1.0"` for the first member of its
second member. Windows are kept under it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from base.time import Micros
from triggers import listening
from triggers.absence import Absence
from triggers.aggregate import Aggregate
from triggers.key import NO_KEY
from triggers.listener import Leaf, Node
from triggers.listening import Listening
from triggers.window import Step, Told, WindowState


@dataclass(frozen=True, slots=True)
class Placed:
    """A node where it stands. `parent` is the path of the node around it, and its part of that."""

    path: str
    parent: tuple[str, int] | None
    node: listening.Node

    @property
    def is_condition(self) -> bool:
        return self.node.is_condition

    @property
    def span(self) -> Micros:
        match self.node:
            case Absence(span=span) | Aggregate(over=span):
                return span
            case _:
                return 0

    @property
    def expected(self) -> Sequence[str]:
        match self.node:
            case Absence(after=None, expected=expected, per=per):
                return expected if per.paths else (NO_KEY,)
            case _:
                return ()

    def enabled(self, state: WindowState, now: Micros) -> WindowState:
        if isinstance(self.node, Absence) and self.node.after is None and not state.holds:
            return replace(self.node.armed(now), newest=state.newest)
        return state

    def set_back(self, state: WindowState, now: Micros) -> WindowState:
        if state.due is None or state.due <= now + self.span:
            return state
        return replace(state, due=now + self.span)

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        return self.node.advance(state, told, now)


@dataclass(frozen=True, slots=True)
class Tree:
    """Meets `listener.Trigger`. `nodes` has the innermost first."""

    root: listening.Node
    leaves: Sequence[Leaf] = field(init=False, compare=False)
    nodes: Sequence[Node] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        placed = list(_placed(self.root, "", None))
        nodes = tuple(one for one in placed if isinstance(one, Placed))
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "leaves", tuple(one for one in placed if isinstance(one, Leaf)))

    @property
    def condition(self) -> None:
        return None

    def normalised(self) -> dict[str, Any]:
        return self.root.normalised()


def _placed(
    node: listening.Node, path: str, parent: tuple[str, int] | None
) -> Iterator[Leaf | Placed]:
    for part, member in enumerate(node.members):
        if isinstance(member, Listening):
            yield Leaf(member.selector, path, part, member.per, member.measure)
        else:
            yield from _placed(member, f"{path}.{part}" if path else str(part), (path, part))
    yield Placed(path, parent, node)
