"""What becomes of firings: recorded with all they set in motion, in the events' own commit.

For each firing, in order: is the chain too deep, is the rule paused, is this one too many? Then
its actions are rendered. A `run` is asked of the run starter and an `emit` is an event, both
here and now; a `call` is put into the outbox; what could not be rendered is recorded as failed
and told of. Actions are independent: none keeps another from its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from automations import notices, outbox, store
from automations.action import Action, Rendered
from automations.call_action import Call
from automations.emit_action import Emission
from automations.firing import Firing
from automations.outcome import ActionFailure, Skipped
from automations.ruleset import Live, Ruleset
from automations.run_action import Launch
from automations.starting import Refusal, RunRequest, RunStarter
from automations.target import target_of
from automations.turn import Counts, Turn
from base.logs import logger
from base.time import to_rfc3339
from events.event import Event, Stored
from events.expression import Activation
from events.tx import Tx
from triggers.sink import Fired, Trouble

log = logger("automations")


@dataclass(frozen=True, slots=True)
class _Place:
    """An action of a firing: the how manyth, and its kind."""

    firing: Firing
    n: int
    kind: str


@dataclass(slots=True)
class _Round:
    """What one call gathers, to be written at once."""

    turn: Turn
    firings: list[tuple[Any, ...]] = field(default_factory=list)
    actions: list[tuple[Any, ...]] = field(default_factory=list)
    requests: list[tuple[_Place, RunRequest]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    tallies: dict[str, store.Tally] = field(default_factory=dict)
    paused: list[str] = field(default_factory=list)

    def tally(self, automation: str) -> store.Tally:
        return self.tallies.setdefault(automation, store.Tally())


class FiringRecorder:
    """Meets `triggers.sink.FiringSink`. Its `committed` is to be subscribed to the journal."""

    def __init__(
        self, rules: Ruleset, starter: RunStarter, *, variables: Mapping[str, Any] | None = None
    ) -> None:
        self._rules = rules
        self._starter = starter
        self._variables = dict(variables or {})
        self._counts = Counts()
        self.on_queued: Callable[[], None] = lambda: None
        """Called after a commit that put something into the outbox."""
        self.on_turn: Callable[[Turn], None] = lambda _turn: None
        """Called after a commit in which something fired or failed, with what was counted."""

    async def fire(
        self, tx: Tx, fired: Sequence[Fired], troubles: Sequence[Trouble] = ()
    ) -> list[Event]:
        here = _Round(self._counts.turn(tx))
        for one in fired:
            live = self._rules.get(one.automation)
            if live is not None:
                self._take(here, one, live)
        for trouble in troubles:
            self._note(here, trouble)
        await self._start(tx, here)
        await store.record_firings(tx, here.firings)
        await outbox.record(tx, here.actions)
        await store.tally(tx, here.tallies)
        for name in here.paused:
            await store.pause(tx, name, "breaker")
        return here.events

    def committed(self, stored: Sequence[Stored]) -> None:  # noqa: ARG002 - that it happened is enough
        """The journal's word that its last transaction is on disk."""
        turn = self._counts.keep()
        if turn is None:
            return
        paused = {name: live for name in turn.paused if (live := self._rules.get(name))}
        if paused:
            self._rules.switch({n: replace(live, paused=True) for n, live in paused.items()})
        self.on_turn(turn)
        if turn.queued:
            self.on_queued()

    def forget(self, automation: str) -> None:
        """Count this rule's firings afresh, since a person resumed it."""
        self._counts.forget(automation)

    # -- one firing ------------------------------------------------------------------------

    def _take(self, here: _Round, one: Fired, live: Live) -> None:
        rule, turn, limit = live.rule, here.turn, self._rules.breaker(live.rule)
        if one.automation in turn.paused and one.occasion is None:
            return
        firing = Firing.of(one, live.revision, turn.tx.now)
        if one.too_deep:
            here.events.append(notices.looped(firing, self._rules.max_depth(rule), turn.tx.now))
            _record(here, firing, one, outcome="looped", reason="max_depth")
        elif one.occasion is None and not self._counts.may_fire(turn, rule.name, limit):
            turn.paused.add(rule.name)
            here.paused.append(rule.name)
            here.events.append(notices.broke(firing, limit, turn.tx.now))
            _record(here, firing, one, outcome="suppressed", reason="breaker")
        else:
            here.tally(rule.name).firings += 1
            if rule.shadow:
                _record(here, firing, one, outcome="shadow")
            else:
                _record(here, firing, one, outcome="acted", actions=len(rule.actions))
                self._act(here, firing, live)

    def _act(self, here: _Round, firing: Firing, live: Live) -> None:
        now = here.turn.tx.now
        here.events.append(notices.fired(firing, now))
        activation = firing.activation(live.rule, self._variables, now)
        for n, action in enumerate(live.rule.actions):
            _do(here, _Place(firing, n, action.kind), _rendered(action, activation))

    async def _start(self, tx: Tx, here: _Round) -> None:
        """Ask for all runs of the round at once."""
        if not here.requests:
            return
        started = await self._starter.start(tx, [request for _, request in here.requests])
        here.events += started.events
        for (place, _), outcome in zip(here.requests, started.outcomes, strict=True):
            if isinstance(outcome, Refusal):
                _fail(here, place, ActionFailure(outcome.code, outcome.message))
            else:
                _put(here, place, "done", result={"run": outcome})

    # -- conditions without an answer ------------------------------------------------------

    def _note(self, here: _Round, trouble: Trouble) -> None:
        """Count it; tell of it at most once a minute for each rule."""
        now, name = here.turn.tx.now, trouble.automation
        here.turn.errors[name] += 1
        tally = here.tally(name)
        tally.errors += 1
        told = {
            "at": to_rfc3339(now),
            "code": trouble.code,
            "message": trouble.message,
            "event": trouble.event.id,
            "trigger": trouble.trigger,
        }
        tally.last_error = orjson.dumps(told).decode()
        if self._counts.may_tell(here.turn, name):
            here.events.append(notices.error(trouble, now))


def _record(
    here: _Round,
    firing: Firing,
    one: Fired,
    *,
    outcome: str,
    reason: str | None = None,
    actions: int = 0,
) -> None:
    """A row of `FiringRow`, in the order of its columns."""
    here.turn.outcomes[firing.automation, outcome] += 1
    here.firings.append(
        (
            firing.id,
            firing.automation,
            firing.revision,
            firing.trigger,
            None if firing.key is None else orjson.dumps(firing.key).decode(),
            firing.time,
            firing.count,
            orjson.dumps([event.id for event in firing.events]).decode(),
            one.events[-1].position or None,
            firing.depth,
            outcome,
            reason,
            one.occasion.id if one.occasion else None,
            actions,
        )
    )


def _rendered(action: Action, activation: Activation) -> Rendered:
    try:
        return action.render(activation)
    except Exception as error:
        # A mistake of ours, and still no reason to fail the events of others.
        log.exception("action_not_rendered", kind=action.kind)
        return ActionFailure("internal", repr(error)[:500])


def _do(here: _Round, place: _Place, rendered: Rendered) -> None:
    """Do what was rendered, or note that it is to be done."""
    firing, n = place.firing, place.n
    match rendered:
        case Launch():
            here.requests.append((place, firing.run_request(n, rendered)))
        case Emission():
            event = firing.emitted(n, rendered, here.turn.tx.now)
            here.events.append(event)
            _put(here, place, "done", result={"event": event.id})
        case Call():
            _put(here, place, "waiting", request=rendered.to_json(), target=target_of(rendered.url))
            here.turn.queued += 1
        case Skipped():
            _put(here, place, "skipped")
        case ActionFailure():
            _fail(here, place, rendered)


def _fail(here: _Round, place: _Place, failure: ActionFailure) -> None:
    told = {
        "kind": place.kind,
        "code": failure.code,
        "message": failure.message,
        "place": failure.place,
    }
    here.events.append(notices.action_failed(place.firing, place.n, told, here.turn.tx.now))
    _put(here, place, "failed", failure=failure)


def _put(
    here: _Round,
    place: _Place,
    status: str,
    *,
    request: dict[str, Any] | None = None,
    target: str | None = None,
    result: dict[str, Any] | None = None,
    failure: ActionFailure | None = None,
) -> None:
    """A row of `ActionRow`, in the order of its columns."""
    firing, now = place.firing, here.turn.tx.now
    here.actions.append(
        (
            firing.action_id(place.n),
            firing.id,
            firing.automation,
            place.n,
            place.kind,
            status,
            0,
            now,
            target,
            now if status == "waiting" else None,
            None if request is None else orjson.dumps(request).decode(),
            None if result is None else orjson.dumps(result).decode(),
            failure.code if failure else None,
            failure.message if failure else None,
            firing.event.correlationid,
            firing.event.id,
            firing.depth,
        )
    )
