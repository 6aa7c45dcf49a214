"""Flow control at work on the database: its windows are kept beside those of the triggers."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from automations.flow_control import GATHER, THROTTLE, Group, Release, key_of, merged, rung
from automations.round import Round
from automations.rule import Rule
from base.time import Micros
from events.event import Stored
from triggers.memory import MemoryWindows
from triggers.sink import Due, Fired
from triggers.window import FRESH, WindowState
from triggers.windows import NEW, WindowKey, Windows


class Gathered(NamedTuple):
    """`into` is the id of the firing that it is a part of; None where the rule gathers none.

    `passing` is what goes on now: the firing itself, or what it completed, if anything.
    """

    into: str | None
    passing: Fired | None


class Gate:
    """What firings go through on their way to act.

    Windows are read as they are needed and written at the end of the round, by `save`.
    """

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    async def gathered(self, here: Round, one: Fired, rule: Rule) -> Gathered:
        """What becomes of a firing where the rule gathers them."""
        gathering = rule.flow.gathering
        if gathering is None:
            return Gathered(None, one)
        key = key_of(gathering.per, GATHER, one)
        state, release = gathering.take(await self._state(here, key), one, here.turn.tx.now)
        _keep(here, key, state)
        if release is None:
            return Gathered(Group.of(state).firing(key), None)
        passing = await self._merged(here, key, release, one.completed_by)
        return Gathered(passing.id, passing)

    async def rung(self, here: Round, due: Due) -> Fired | None:
        """What was gathered, if its time has come; also if the rule gathers no more."""
        release = rung(await self._state(here, due.key), due.due)
        if release is None:
            return None
        _keep(here, due.key, FRESH)
        return await self._merged(here, due.key, release, due.cause)

    async def throttled(self, here: Round, one: Fired, rule: Rule) -> str | None:
        """Why the firing may not pass; None where it may."""
        throttle = rule.flow.throttle
        if throttle is None:
            return None
        key = key_of(throttle.per, THROTTLE, one)
        state, passes = throttle.admits(
            await self._state(here, key), here.turn.tx.now, one.completed_by.position
        )
        _keep(here, key, state)
        return None if passes else throttle.reason

    async def save(self, here: Round) -> None:
        changed = {key: (before, here.windows[key]) for key, before in here.before.items()}
        if changed:
            await self._windows.within(here.turn.tx).save(changed)

    async def _merged(self, here: Round, key: WindowKey, release: Release, cause: Stored) -> Fired:
        rows = self._windows.within(here.turn.tx)
        events = await rows.events({ref.position for ref in release.refs})
        return merged(key, release, events, cause)

    async def _state(self, here: Round, key: WindowKey) -> WindowState:
        if key not in here.windows:
            found = await self._windows.within(here.turn.tx).load([key])
            here.windows[key] = here.before[key] = found.get(key, NEW)
        return here.windows[key].state


def _keep(here: Round, key: WindowKey, state: WindowState) -> None:
    here.windows[key] = replace(here.windows[key], state=state)


class MemoryGate:
    """The same for rehearsals and simulations, whose windows are in memory."""

    def __init__(self, windows: MemoryWindows) -> None:
        self._windows = windows

    def gathered(self, one: Fired, rule: Rule, now: Micros) -> Gathered:
        gathering = rule.flow.gathering
        if gathering is None:
            return Gathered(None, one)
        self._windows.record(one.events)
        key = key_of(gathering.per, GATHER, one)
        state, release = gathering.take(self._windows.window(key).state, one, now)
        self._windows.change(key, state)
        if release is None:
            return Gathered(Group.of(state).firing(key), None)
        passing = self._merged(key, release, one.completed_by)
        return Gathered(passing.id, passing)

    def rung(self, due: Due) -> Fired | None:
        release = rung(self._windows.window(due.key).state, due.due)
        if release is None:
            return None
        self._windows.change(due.key, FRESH)
        return self._merged(due.key, release, due.cause)

    def throttled(self, one: Fired, rule: Rule, now: Micros) -> str | None:
        throttle = rule.flow.throttle
        if throttle is None:
            return None
        key = key_of(throttle.per, THROTTLE, one)
        before = self._windows.window(key).state
        state, passes = throttle.admits(before, now, one.completed_by.position)
        self._windows.change(key, state)
        return None if passes else throttle.reason

    def _merged(self, key: WindowKey, release: Release, cause: Stored) -> Fired:
        events = self._windows.events(ref.position for ref in release.refs)
        return merged(key, release, events, cause)
