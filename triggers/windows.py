"""Where windows are kept: the rows of the database, changed in the journal's transaction.

A batch asks for all windows it touches at once and hands back all that changed at once. What is
written is the difference: members come and go as rows of their own, and a window that knows
nothing any more has no row. One that only took in another member keeps its row as it is, but for
once a day, so that a window which nobody spoke of again is known by its row.

On SQLite nobody else writes, so windows are kept in memory as they are used. A transaction may be
run again from the start: what it changed is its own until the journal says that it is on disk,
and where that never came the windows it changed are read anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from base.time import Micros
from events import log
from events.event import Stored
from events.tx import Tx
from triggers.rows import (
    ADD_MEMBERS,
    DAY,
    DROP_ALL_MEMBERS,
    DROP_MEMBERS,
    DROP_WINDOWS,
    NUMBERED,
    SET_TIMERS,
    STOP_TIMERS,
    WRITE_WINDOWS,
    as_json,
    given,
    join,
    same,
)
from triggers.window import FRESH, Member, WindowState, difference

MOST_CACHED: Final = 100_000
"""Windows and members held in memory, which take about 500 bytes each."""

APART: Final = "#"
"""How the paths begin of windows that belong to the rule and to no trigger of it."""


class WindowKey(NamedTuple):
    """Which window: of which node of which trigger of which rule, for which key (JSON)."""

    automation: str
    trigger: int
    path: str
    key: str


@dataclass(slots=True, unsafe_hash=True)
class Window:
    """A window's state, and the id of the firing that told of it while its condition holds.

    `written` is the day on which its row was, None where it has none. Never changed once it is
    made, like its state.
    """

    state: WindowState = FRESH
    firing: str | None = None
    written: Micros | None = field(default=None, compare=False)

    @property
    def is_new(self) -> bool:
        """Whether it knows nothing."""
        return self.firing is None and not self.state.members and self.state == FRESH


NEW: Final = Window()
_Row = tuple[Any, ...]
Changed = Mapping[WindowKey, tuple[Window, Window]]
"""By key, what a window was and what it is."""


@dataclass(slots=True)
class _Turn:
    """What one transaction changed."""

    tx: Tx
    changed: dict[WindowKey, Window] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    earliest: Micros | None = None
    """Of the timers that were set."""

    def expect(self, due: Micros) -> None:
        if self.earliest is None or due < self.earliest:
            self.earliest = due


class Windows:
    """The windows of the database. Its `committed` is to be subscribed to the journal."""

    def __init__(self, *, most_cached: int = MOST_CACHED) -> None:
        self._most = most_cached
        self._cached: OrderedDict[WindowKey, Window] = OrderedDict()
        self._members = 0
        self._turn: _Turn | None = None
        self.on_timer: Callable[[Micros], None] = lambda _due: None
        """Called after a commit that set timers, with the earliest of them."""

    def within(self, tx: Tx) -> WindowRows:
        """The windows as this transaction sees and changes them."""
        return WindowRows(self, tx)

    async def drop(self, tx: Tx, automations: Iterable[str]) -> None:
        """Forget all that these rules remember."""
        names = list(automations)
        if not names:
            return
        for table in ('"window"', "member", "timer"):
            await tx.execute(f"DELETE FROM {table} WHERE automation {tx.any(1, 'text')}", names)
        turn = self.turn(tx)
        turn.dropped.update(names)
        for key in [key for key in turn.changed if key.automation in turn.dropped]:
            del turn.changed[key]

    async def hush(self, tx: Tx, automations: Iterable[str]) -> None:
        """Take the timers of these rules away: they do not listen. What they remember stays."""
        if names := list(automations):
            await tx.execute(f"DELETE FROM timer WHERE automation {tx.any(1, 'text')}", names)

    def committed(self, stored: Sequence[Stored]) -> None:  # noqa: ARG002 - that it happened is enough
        """The journal's word that its last transaction is on disk."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if turn.earliest is not None:
            self.on_timer(turn.earliest)
        if turn.tx.dialect != "sqlite":
            return
        self._forget(turn.dropped)
        cached = self._cached
        for key, window in turn.changed.items():
            before = cached.pop(key, NEW)
            cached[key] = window
            self._members += len(window.state.members) - len(before.state.members)
        while len(cached) + self._members > self._most:
            self._pop(next(iter(self._cached)))

    def turn(self, tx: Tx) -> _Turn:
        """That of this transaction; whether an earlier one's changes are on disk is not known."""
        if self._turn is None or self._turn.tx is not tx:
            if self._turn is not None:
                self._forget(self._turn.dropped)
                for key in self._turn.changed:
                    self._pop(key)
            self._turn = _Turn(tx)
        return self._turn

    def known(self, turn: _Turn, key: WindowKey) -> Window | None:
        """A window, if it need not be read."""
        window = turn.changed.get(key)
        if window is None and key.automation not in turn.dropped:
            window = self._cached.get(key)
            if window is not None:
                self._cached.move_to_end(key)
        return window

    def _pop(self, key: WindowKey) -> None:
        window = self._cached.pop(key, None)
        if window is not None:
            self._members -= len(window.state.members)

    def _forget(self, automations: Collection[str]) -> None:
        if automations:
            for key in [key for key in self._cached if key.automation in automations]:
                self._pop(key)


@dataclass(slots=True)
class _Writes:
    """The rows by which windows that were one thing become another."""

    today: Micros
    windows: list[_Row] = field(default_factory=list)
    gone: list[_Row] = field(default_factory=list)
    come: list[_Row] = field(default_factory=list)
    left: list[_Row] = field(default_factory=list)
    emptied: list[_Row] = field(default_factory=list)
    timers: list[_Row] = field(default_factory=list)
    stopped: list[_Row] = field(default_factory=list)

    def take(self, key: WindowKey, before: Window, after: Window) -> Window:
        """What it becomes when this is written."""
        state = after.state
        added, removed, row, timer = difference(before.state, state)
        if added:
            self.come += [(*key, m.time, m.position, m.part, m.content()) for m in added]
        if removed and not state.members:
            self.emptied.append(key)
        elif removed:
            self.left += [(*key, m.time, m.position, m.part) for m in removed]
        if timer is not None and timer.due is not None:
            self.timers.append((*key, timer.due))
        elif timer is not None:
            self.stopped.append(key)
        if after.is_new:
            self.gone.append(key)
            return NEW
        if not row and before.written == self.today and before.firing == after.firing:
            return after
        self.windows.append((*key, state.newest, state.content(), after.firing, self.today))
        return Window(state, after.firing, self.today)

    async def write(self, tx: Tx) -> None:
        await tx.delete(DROP_ALL_MEMBERS, self.emptied)
        await tx.delete(DROP_MEMBERS, self.left)
        await tx.insert(ADD_MEMBERS, self.come)
        await tx.delete(DROP_WINDOWS, self.gone)
        await tx.insert(WRITE_WINDOWS, self.windows)
        await tx.delete(STOP_TIMERS, self.stopped)
        await tx.insert(SET_TIMERS, self.timers)


class WindowRows:
    """The windows, as one transaction sees and changes them."""

    def __init__(self, windows: Windows, tx: Tx) -> None:
        self._windows = windows
        self._tx = tx
        self._turn = windows.turn(tx)

    def expect(self, due: Micros) -> None:
        """A timer is set for then."""
        self._turn.expect(due)

    async def load(self, keys: Collection[WindowKey]) -> Mapping[WindowKey, Window]:
        """These windows; those that know nothing are missing."""
        found: dict[WindowKey, Window] = {}
        unknown = []
        known, turn = self._windows.known, self._turn
        for key in keys:
            window = known(turn, key)
            if window is None:
                unknown.append(key)
            else:
                found[key] = window
        return found | await self._read(unknown) if unknown else found

    async def save(self, changed: Changed) -> None:
        """Write what these have become."""
        writes = _Writes(self._tx.now // DAY * DAY)
        for key, (before, after) in changed.items():
            self._turn.changed[key] = writes.take(key, before, after)
        if writes.timers:
            self._turn.expect(min(row[-1] for row in writes.timers))
        await writes.write(self._tx)

    async def events(self, positions: Collection[int]) -> Sequence[Stored]:
        """The events at these places of the log, as far as they are still there."""
        return await log.at(self._tx, sorted(positions))

    async def _read(self, keys: Sequence[WindowKey]) -> dict[WindowKey, Window]:
        numbered = [(*key, number) for number, key in enumerate(keys)]
        rows = await self._tx.fetch(
            "SELECT g.number, w.newest, w.content, w.firing, w.updated"
            f' FROM {given(self._tx, NUMBERED)} {join(self._tx)} "window" AS w ON {same("w")}',
            as_json(numbered),
        )
        if not rows:
            return {}
        members: dict[int, list[Member]] = {}
        for row in await self._tx.fetch(
            "SELECT g.number, m.time, m.position, m.part, m.content"
            f" FROM {given(self._tx, NUMBERED)} {join(self._tx)} member AS m ON {same('m')}",
            as_json([numbered[row[0]] for row in rows]),
        ):
            members.setdefault(row[0], []).append(Member.read(*row[1:]))
        return {
            keys[number]: Window(
                WindowState.read(newest, content, members.get(number, ())), firing, written
            )
            for number, newest, content, firing, written in rows
        }
