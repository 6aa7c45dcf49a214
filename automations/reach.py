"""What actions change in the firing's own commit: runs that begin, runs, flows and rules that are.

All of it happens in the order in which the actions stand, firing by firing, so that
`cancel: {flow: build}` before `run: build` leaves one run of the flow, the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from automations import notices, store
from automations.ruleset import Ruleset
from automations.starting import Refusal, RunRequest, RunStarter
from automations.steer_action import Steering
from automations.steering import Done, Needless, NotThere, RunCommand, RunSteerer, Steered
from automations.turn import Turn
from base.suggest import hint
from events import epoch
from events.event import Event
from events.tx import Tx
from triggers.arming import arm
from triggers.windows import Windows


@dataclass(frozen=True, slots=True)
class RuleCommand:
    """A rule is to be paused or resumed; `cause` carries the chain."""

    steering: Steering
    cause: RunCommand


@dataclass(frozen=True, slots=True)
class Broken:
    """The rule fired too often, and is paused; it has been told of."""

    automation: str


Wish = RunRequest | RunCommand | RuleCommand | Broken
Answer = Steered | Refusal


class Reach:
    """Carries wishes out, in a transaction."""

    def __init__(
        self, starter: RunStarter, steerer: RunSteerer, rules: Ruleset, windows: Windows
    ) -> None:
        self._starter = starter
        self._steerer = steerer
        self._rules = rules
        self._windows = windows

    async def carry_out(
        self, turn: Turn, wishes: Sequence[Wish]
    ) -> tuple[list[Event], list[Answer]]:
        """The events that tell of it, and what became of each wish."""
        events: list[Event] = []
        answers: list[Answer] = []
        for kind, group in groupby(wishes, type):
            told, answered = await self._same(turn, kind, list(group))
            events += told
            answers += answered
        return events, answers

    async def _same(
        self, turn: Turn, kind: type, wishes: Sequence[Wish]
    ) -> tuple[Sequence[Event], Sequence[Answer]]:
        """Wishes of one kind that follow each other: those for runs are met together."""
        if kind is RunRequest:
            requests = [one for one in wishes if isinstance(one, RunRequest)]
            started = await self._starter.start(turn.tx, requests)
            return started.events, [
                one if isinstance(one, Refusal) else Done({"run": one}) for one in started.outcomes
            ]
        if kind is RunCommand:
            commands = [one for one in wishes if isinstance(one, RunCommand)]
            return await self._steerer.steer(turn.tx, commands)
        events: list[Event] = []
        answers: list[Answer] = []
        for wish in wishes:
            if isinstance(wish, Broken):
                await pause(turn.tx, self._windows, wish.automation, "breaker")
                answers.append(Done({}))
            elif isinstance(wish, RuleCommand):
                answers.append(await self._switch(turn, wish, events))
        return events, answers

    async def _switch(self, turn: Turn, wish: RuleCommand, events: list[Event]) -> Steered:
        """Pause or resume a rule, and remember it for the commit."""
        tx, name = turn.tx, wish.steering.name
        is_pause = wish.steering.verb == "pause"
        reason = f"by {wish.cause.automation}"
        if is_pause:
            changed = await pause(tx, self._windows, name, reason)
        else:
            changed = await resume(tx, self._windows, self._rules, name)
        if not changed:
            return await self._unchanged(tx, name, is_pause=is_pause)
        turn.switch(name, paused=is_pause)
        events.append(notices.steered(wish.cause, name, reason, paused=is_pause, now=tx.now))
        return Done({"automation": name})

    async def _unchanged(self, tx: Tx, name: str, *, is_pause: bool) -> Steered:
        if not await store.exists(tx, name):
            advice = hint(name, [live.rule.name for live in self._rules])
            out = f": {advice}" if advice else ""
            return NotThere("automation_unknown", f"there is no automation {name}{out}")
        if is_pause:
            return Needless("already_paused", f"the automation {name} was paused already")
        return Needless("not_paused", f"the automation {name} was not paused")


async def pause(tx: Tx, windows: Windows, name: str, reason: str) -> bool:
    """Stop a rule until it is resumed. False where it is paused already, or gone."""
    changed = await store.pause(tx, name, reason)
    if changed:
        await epoch.advance(tx)
    await windows.hush(tx, [name])
    return changed


async def resume(tx: Tx, windows: Windows, rules: Ruleset, name: str) -> bool:
    """Let a paused rule go on, its silences counted from now. False where it is not paused."""
    changed = await store.resume(tx, name)
    live = rules.get(name)
    if changed:
        await epoch.advance(tx)
    if changed and live is not None and live.rule.enabled:
        await arm(tx, windows, name, live.rule.triggers)
    return changed
