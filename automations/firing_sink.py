"""What becomes of firings: recorded with all they set in motion, in the events' own commit.

For each firing, in order: is the rule paused, is the chain too deep, does it wait with others, is
it throttled, is it one too many? Then its actions are done, or noted as to be done
(see `round`). That a condition cleared passes none
of these questions; it lets `on_resolve` act if the firing that it clears had acted, by itself or
with those it waited with, or once it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from automations import notices, store
from automations.firing import Firing
from automations.gate import Gate
from automations.reach import Reach
from automations.round import Round
from automations.ruleset import Live, Ruleset
from automations.turn import Counts, Turn
from base.time import to_rfc3339
from events import log
from events.event import Event, Stored
from events.tx import Tx
from triggers.erring import is_error
from triggers.sink import ANSWERED, Due, Fired, Outcome, Resolved, Trouble
from triggers.windows import Windows


class FiringRecorder:
    """Meets `triggers.sink.FiringSink`. Its `committed` is to be subscribed to the journal."""

    def __init__(
        self,
        rules: Ruleset,
        reach: Reach,
        windows: Windows,
        *,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self._rules = rules
        self._reach = reach
        self._gate = Gate(windows)
        self._variables = dict(variables or {})
        self._counts = Counts()
        self.on_queued: Callable[[], None] = lambda: None
        """Called after a commit that put something into the outbox."""
        self.on_turn: Callable[[Turn], None] = lambda _turn: None
        """Called after a commit in which something fired or failed, with what was counted."""

    async def fire(
        self, tx: Tx, fired: Sequence[Outcome], troubles: Sequence[Trouble] = ()
    ) -> list[Event]:
        here = Round(self._counts.turn(tx))
        for one in fired:
            live = self._rules.get(one.automation)
            if live is None:
                continue
            match one:
                case Fired():
                    await self._take(here, one, live)
                case Resolved():
                    await self._resolve(here, one, live)
                case Due():
                    await self._ring(here, one, live)
        for trouble in troubles:
            self._note(here, trouble)
        await self._gate.save(here)
        await here.write(self._reach)
        return here.events

    def committed(self, stored: Sequence[Stored]) -> None:  # noqa: ARG002 - that it happened is enough
        """The journal's word that its last transaction is on disk."""
        turn = self._counts.keep()
        if turn is None:
            return
        switched = [
            (name, live) for name in turn.paused | turn.resumed if (live := self._rules.get(name))
        ]
        if switched:
            self._rules.switch({n: replace(live, paused=n in turn.paused) for n, live in switched})
        for name in turn.resumed:
            self._counts.forget(name)
        self.on_turn(turn)
        if turn.queued:
            self.on_queued()

    def forget(self, automation: str) -> None:
        """Count this rule's firings afresh, since it was resumed."""
        self._counts.forget(automation)

    # -- one firing ------------------------------------------------------------------------

    async def _take(self, here: Round, one: Fired, live: Live) -> None:
        if one.automation in here.turn.paused and one.occasion is None:
            return
        if one.too_deep:
            firing = Firing.of(one, live.revision, here.turn.tx.now)
            depth = self._rules.max_depth(live.rule)
            here.events.append(notices.looped(firing, depth, here.turn.tx.now))
            _hold_back(here, firing, one, "looped", "max_depth")
        elif one.occasion is not None:
            self._fire(here, one, live)
        else:
            into, passing = await self._gate.gathered(here, one, live.rule)
            if into is not None and one.holds:
                # When it clears, that will ask what became of it.
                firing = Firing.of(one, live.revision, here.turn.tx.now)
                _hold_back(here, firing, one, "gathered", into)
                here.gathered[firing.id] = into
            if passing is not None:
                await self._pass(here, passing, live)

    async def _ring(self, here: Round, due: Due, live: Live) -> None:
        """Let go what was gathered until now."""
        passing = await self._gate.rung(here, due)
        if passing is not None and live.rule.name not in here.turn.paused:
            await self._pass(here, passing, live)

    async def _pass(self, here: Round, one: Fired, live: Live) -> None:
        """Past the throttle, and past the breaker."""
        turn, rule = here.turn, live.rule
        why = await self._gate.throttled(here, one, rule)
        if why is not None:
            firing = Firing.of(one, live.revision, turn.tx.now)
            # That a firing on such news was held back is no news: it would be heard again, and
            # so on, for nothing that is held back makes a chain deeper.
            if firing.cause.type != notices.SUPPRESSED:
                here.events.append(notices.suppressed(firing, why, turn.tx.now))
            _hold_back(here, firing, one, "suppressed", "throttle")
            return
        limit = self._rules.breaker(rule)
        if self._counts.may_fire(turn, rule.name, limit):
            self._fire(here, one, live)
            if one.since is not None and rule.on_resolve and not rule.shadow:
                await self._clear(here, one, live)
            return
        here.stop(rule.name)
        firing = Firing.of(one, live.revision, turn.tx.now)
        here.events.append(notices.broke(firing, limit, turn.tx.now))
        _hold_back(here, firing, one, "suppressed", "breaker")

    def _fire(self, here: Round, one: Fired, live: Live) -> None:
        here.tally(live.rule.name).firings += 1
        self._act(here, Firing.of(one, live.revision, here.turn.tx.now), live, one)

    def _act(self, here: Round, firing: Firing, live: Live, one: Fired) -> None:
        rule, now = live.rule, here.turn.tx.now
        here.record(
            firing,
            "shadow" if rule.shadow else "acted",
            position=one.completed_by.position,
            occasion=one.occasion.id if one.occasion else None,
            actions=0 if rule.shadow else len(rule.actions),
        )
        if not rule.shadow:
            here.events.append(notices.fired(firing, now))
            here.act(firing, rule.actions, firing.activation(rule, self._variables, now))

    # -- a condition that cleared ----------------------------------------------------------

    async def _resolve(self, here: Round, one: Resolved, live: Live) -> None:
        rule, tx = live.rule, here.turn.tx
        acts = await self._has_acted(here, one.firing) and not rule.shadow
        firing = Firing.resolving(one, live.revision, tx.now)
        here.record(
            firing,
            "resolved",
            position=one.cause.position,
            reason=one.firing,
            actions=len(rule.on_resolve) if acts else 0,
        )
        here.events.append(notices.resolved(firing, one.firing, tx.now))
        if acts:
            here.act(firing, rule.on_resolve, firing.activation(rule, self._variables, tx.now))

    async def _has_acted(self, here: Round, firing: str) -> bool:
        """Whether this firing acted; or, where it waited with others, what they became."""
        into = here.gathered.get(firing)
        outcome = "gathered" if into else here.outcomes.get(firing)
        if outcome is None:
            found = await store.outcome(here.turn.tx, firing)
            outcome, into = found or (None, None)
        if outcome == "gathered" and into is not None:
            return await self._has_acted(here, into)
        return outcome == "acted"

    async def _clear(self, here: Round, one: Fired, live: Live) -> None:
        """What waited has acted: so has what it told of that cleared meanwhile, now."""
        rule, tx = live.rule, here.turn.tx
        await here.save_firings()
        cleared = await store.cleared_early(tx, rule.name, one.id, one.since or 0)
        places = {one.position for one in cleared}
        found = {stored.position: stored for stored in await log.at(tx, sorted(places))}
        done = {}
        for each in cleared:
            if (cause := found.get(each.position)) is None:
                continue
            event = cause if each.events else None
            resolved = Resolved(rule.name, each.trigger, each.key, each.firing, event, cause)
            firing = Firing.resolving(resolved, live.revision, tx.now)
            here.act(firing, rule.on_resolve, firing.activation(rule, self._variables, tx.now))
            done[each.id] = len(rule.on_resolve)
        await store.acted(tx, done)

    # -- conditions without an answer ------------------------------------------------------

    def _note(self, here: Round, trouble: Trouble) -> None:
        """Count it; tell of it at most once a minute for each rule."""
        now, name = here.turn.tx.now, trouble.automation
        tally = here.tally(name)
        if trouble.code == ANSWERED:
            if not here.has_failed(name):
                tally.answer()
            return
        here.turn.errors[name] += 1
        tally.erred(
            in_a_row=is_error(trouble),
            at=to_rfc3339(now),
            code=trouble.code,
            message=trouble.message,
            event=trouble.event.id,
            trigger=trouble.trigger,
        )
        if self._counts.may_tell(here.turn, name):
            here.events.append(notices.error(trouble, now))


def _hold_back(here: Round, firing: Firing, one: Fired, outcome: str, reason: str) -> None:
    occasion = one.occasion.id if one.occasion else None
    position = one.completed_by.position
    here.record(firing, outcome, position=position, reason=reason, occasion=occasion)
