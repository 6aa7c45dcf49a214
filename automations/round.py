"""What one round of firings gathers, to be written at once: firings, actions, runs to ask for.

A `run` is asked of the run starter and an `emit` is an event, both here and now, and so is what
`cancel`, `pause`, `resume` and `retry` change; a `call` and a `notify` are put into the outbox;
what could not be rendered is recorded as failed and told of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from automations import notices, outbox, store
from automations.action import Action, Rendered
from automations.call_action import Call
from automations.emit_action import Emission
from automations.firing import Firing
from automations.notify_action import Notification
from automations.outcome import ActionFailure, Skipped
from automations.reach import Answer, Broken, Reach, RuleCommand, Wish
from automations.run_action import Launch
from automations.starting import Refusal
from automations.steer_action import Steering
from automations.steering import Done, Needless, NotThere
from automations.target import target_of
from automations.turn import Turn
from base.logs import logger
from base.time import to_rfc3339
from events.event import Event
from events.expression import Activation
from triggers.windows import Window, WindowKey

log = logger("automations")


@dataclass(frozen=True, slots=True)
class _Place:
    """An action of a firing: the how manyth, and its kind."""

    firing: Firing
    n: int
    kind: str


@dataclass(slots=True)
class Round:
    """What one call of the sink gathers."""

    turn: Turn
    events: list[Event] = field(default_factory=list)
    tallies: dict[str, store.Tally] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    """Of the firings of this round, by id."""
    gathered: dict[str, str] = field(default_factory=dict)
    """Of those that wait with others, the id of the firing that they will be."""
    windows: dict[WindowKey, Window] = field(default_factory=dict)
    """Of flow control: what they are now."""
    before: dict[WindowKey, Window] = field(default_factory=dict)
    """And what they were when they were read."""
    _firings: list[tuple[Any, ...]] = field(default_factory=list)
    _actions: list[tuple[Any, ...]] = field(default_factory=list)
    _wishes: list[tuple[_Place | None, Wish]] = field(default_factory=list)
    _acting: list[Firing] = field(default_factory=list)
    _failed: dict[str, tuple[_Place, ActionFailure]] = field(default_factory=dict)
    """By firing, the last of its actions that could not be made ready."""

    def tally(self, automation: str) -> store.Tally:
        return self.tallies.setdefault(automation, store.Tally())

    def record(
        self,
        firing: Firing,
        outcome: str,
        *,
        position: int,
        reason: str | None = None,
        occasion: str | None = None,
        actions: int = 0,
    ) -> None:
        """A row of `FiringRow`, in the order of its columns."""
        self.turn.outcomes[firing.automation, outcome] += 1
        self.outcomes[firing.id] = outcome
        self._firings.append(
            (
                firing.id,
                firing.automation,
                firing.revision,
                firing.trigger,
                None if firing.key is None else orjson.dumps(firing.key).decode(),
                firing.time,
                firing.count,
                orjson.dumps([event.id for event in firing.events]).decode(),
                position or None,
                firing.depth,
                outcome,
                reason,
                occasion,
                actions,
            )
        )

    def act(self, firing: Firing, actions: Sequence[Action], activation: Activation) -> None:
        """Do what these actions say, or note that it is to be done. None keeps another from it."""
        self._acting.append(firing)
        for n, action in enumerate(actions):
            self._do(_Place(firing, n, action.kind), _rendered(action, activation))

    def has_failed(self, automation: str) -> bool:
        """Whether an action of this rule could not be made ready, as far as is known."""
        return any(place.firing.automation == automation for place, _ in self._failed.values())

    def stop(self, automation: str) -> None:
        """The rule's breaker opened: from here on it does not act."""
        self.turn.paused.add(automation)
        self._wishes.append((None, Broken(automation)))

    async def save_firings(self) -> None:
        """Write those that were recorded up to here, for whoever looks them up."""
        await store.record_firings(self.turn.tx, self._firings)
        self._firings.clear()

    async def write(self, reach: Reach) -> None:
        """Carry out what is to be done here and now, and write everything."""
        tx = self.turn.tx
        if self._wishes:
            await self._carry_out(reach)
        self._account()
        await self.save_firings()
        await outbox.record(tx, self._actions)
        await store.tally(tx, self.tallies)

    def _account(self) -> None:
        """A firing that failed is an error of its rule; one that did not ends a row of them.

        Unless a condition of the rule had no answer in this round: which came first is not known.
        """
        unanswered = {name for name, tally in self.tallies.items() if tally.errors}
        for firing in self._acting:
            tally = self.tally(firing.automation)
            if firing.id in self._failed:
                place, failure = self._failed[firing.id]
                message = f"{place.kind}: {failure.message}"
                at = to_rfc3339(self.turn.tx.now)
                event, trigger = firing.cause.id, firing.trigger
                tally.erred(at=at, code=failure.code, message=message, event=event, trigger=trigger)
            elif firing.automation not in unanswered:
                tally.answer()

    async def _carry_out(self, reach: Reach) -> None:
        events, answers = await reach.carry_out(self.turn, [wish for _, wish in self._wishes])
        self.events += events
        for (place, _), answer in zip(self._wishes, answers, strict=True):
            if place is not None:
                self._answered(place, answer)

    def _answered(self, place: _Place, answer: Answer) -> None:
        match answer:
            case Done():
                self._put(place, "done", result=dict(answer.result))
            case Needless():
                failure = ActionFailure(answer.code, answer.message)
                self._put(place, "skipped", failure=failure)
            case Refusal() | NotThere():
                self._fail(place, ActionFailure(answer.code, answer.message))

    def _do(self, place: _Place, rendered: Rendered) -> None:
        firing, n = place.firing, place.n
        match rendered:
            case Launch():
                self._wishes.append((place, firing.run_request(n, rendered)))
            case Steering():
                self._steer(place, rendered)
            case Emission():
                event = firing.emitted(n, rendered, self.turn.tx.now)
                self.events.append(event)
                self._put(place, "done", result={"event": event.id})
            case Call():
                target = target_of(rendered.url)
                self._put(place, "waiting", request=rendered.to_json(), target=target)
                self.turn.queued += 1
            case Notification():
                target = rendered.target
                self._put(place, "waiting", request=rendered.to_json(), target=target)
                self.turn.queued += 1
            case Skipped():
                self._put(place, "skipped")
            case ActionFailure():
                self._fail(place, rendered)

    def _steer(self, place: _Place, steering: Steering) -> None:
        command = place.firing.command(place.n, steering)
        if steering.what != "automation" or steering.verb == "cancel":
            self._wishes.append((place, command))
            return
        # At once, so that a batch of events is taken as if each had come alone.
        if steering.verb == "pause":
            self.turn.paused.add(steering.name)
        else:
            self.turn.paused.discard(steering.name)
        self._wishes.append((place, RuleCommand(steering, command)))

    def _fail(self, place: _Place, failure: ActionFailure) -> None:
        self._failed[place.firing.id] = place, failure
        told = {
            "kind": place.kind,
            "code": failure.code,
            "message": failure.message,
            "place": failure.place,
        }
        event = notices.action_failed(place.firing, place.n, told, self.turn.tx.now)
        self.events.append(event)
        self._put(place, "failed", failure=failure)

    def _put(
        self,
        place: _Place,
        status: str,
        *,
        request: dict[str, Any] | None = None,
        target: str | None = None,
        result: dict[str, Any] | None = None,
        failure: ActionFailure | None = None,
    ) -> None:
        """A row of `ActionRow`, in the order of its columns."""
        firing, now = place.firing, self.turn.tx.now
        self._actions.append(
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
                firing.cause.correlationid,
                firing.cause.id,
                firing.depth,
            )
        )


def _rendered(action: Action, activation: Activation) -> Rendered:
    try:
        return action.render(activation)
    except Exception as error:
        # A mistake of ours, and still no reason to fail the events of others.
        log.exception("action_not_rendered", kind=action.kind)
        return ActionFailure("internal", repr(error)[:500])
