"""Who listens: the triggers at work, and what an event is to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from base.time import Micros
from events.event import Event
from events.expression import Expression
from triggers.key import Key
from triggers.selector import Failure, Selector
from triggers.window import Step, Told, WindowState
from triggers.windows import WindowKey


def _nothing(_event: Event) -> None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A selector of a trigger, and what its matches are to the node that they go to.

    `key` names the window that an event belongs to; where it is None the trigger remembers
    nothing. `value` is what an aggregate is taken over.
    """

    selector: Selector
    path: str = ""
    part: int = 0
    key: Key | None = None
    value: Callable[[Event], Any] = _nothing


class Node(Protocol):
    """A node of a trigger that remembers: see `triggers.window`."""

    @property
    def path(self) -> str:
        """Where it stands in the trigger: `""`, `"0"`, `"1.0"`."""
        ...

    @property
    def parent(self) -> tuple[str, int] | None:
        """The node around it, and which part of that it is."""
        ...

    @property
    def is_condition(self) -> bool:
        """Whether that it fired holds until it is resolved."""
        ...

    @property
    def span(self) -> Micros:
        """How long it waits, where it has a timer."""
        ...

    @property
    def expected(self) -> Sequence[str]:
        """Keys whose windows are there from the moment the rule listens."""
        ...

    def enabled(self, state: WindowState, now: Micros) -> WindowState:
        """What an expected window, or one that waits, becomes when the rule begins to listen."""
        ...

    def set_back(self, state: WindowState, now: Micros) -> WindowState:
        """What a window that waits becomes when the clock was set back to `now`."""
        ...

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        """What the window becomes, and whether it fires."""
        ...


class Trigger(Protocol):
    """What a rule waits for."""

    @property
    def leaves(self) -> Sequence[Leaf]:
        """All selectors by which it listens."""
        ...

    @property
    def nodes(self) -> Sequence[Node]:
        """Its nodes that remember, the innermost first; none where it fires on each match."""
        ...

    @property
    def condition(self) -> Expression | None:
        """Asked of the time at which a clock fires; `where` of events is the selectors' own."""
        ...

    def normalised(self) -> dict[str, Any]:
        """The same for triggers that mean the same."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """A trigger at work: the one of this number in the rule of this name."""

    automation: str
    number: int
    trigger: Trigger
    max_depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Ear:
    """One of the selectors by which a trigger listens."""

    listener: Listener
    leaf: Leaf


class Hit(NamedTuple):
    """A trigger concerned by an event; with `failure`, one whose condition has no answer.

    `window` is None for triggers that remember nothing.
    """

    listener: Listener
    leaf: Leaf
    window: WindowKey | None = None
    value: Any = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Rung:
    """A window's timer that came due."""

    listener: Listener
    key: WindowKey
    due: Micros
    late: bool
