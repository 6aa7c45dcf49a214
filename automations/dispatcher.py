"""The dispatcher: sends what waits in the outbox, and writes down what became of it.

It is woken by the commit that queued something, and looks by itself when the next action comes
due, at the latest every few seconds. Each target has a few slots of its own; only as much is
claimed as there are free slots, so whatever is claimed is being sent. A target that does not
answer keeps its own actions waiting and no others.

At least once: a sender that dies leaves a lease that ends, and the action is sent again under
the same idempotency key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

from automations import notices, outbox
from automations.call import Response, Sender, Unsent
from automations.call_action import Call
from automations.notify import Delivery, Notifier
from automations.notify_action import Notification
from automations.outbox import Claimed
from automations.target import Allowed
from automations.verdict import Again, Done, GivenUp, Verdict, judge, judge_delivery
from base.channel import Channel
from base.clock import ClockWatch, Setback
from base.errors import EnsueError, UnavailableError
from base.failpoint import failpoint
from base.logs import logger
from base.metrics import Metrics
from base.services import Service
from base.time import SECOND, Micros, now
from events.change import Change, Lane
from events.event import Event
from events.journal import Journal
from events.tx import Tx

log = logger("dispatcher")

SLOTS: Final = 8
"""Actions under way to one target."""
MAX_UNDER_WAY: Final = 512
MARGIN: Final[Micros] = 20 * SECOND
"""How long a lease lasts beyond what the sending may take: for getting to it, and noting its end."""
_LOOK_EVERY: Final = 5.0
_LOOK_AGAIN: Final = 0.01


Outcome = Response | Unsent | Delivery


class Dispatcher(Service):
    """Sends calls and notifications. `alone` says that no other server is on this database."""

    def __init__(
        self,
        journal: Journal,
        metrics: Metrics,
        *,
        allowed: Allowed | None = None,
        channels: Mapping[str, Channel] | None = None,
        alone: bool = False,
        clock: Callable[[], Micros] = now,
        rng: Random | None = None,
        watch: ClockWatch | None = None,
    ) -> None:
        """Without a `watch` the clock is one that nobody sets."""
        super().__init__("dispatcher")
        self._journal = journal
        self._metrics = metrics
        self._sender = Sender(allowed or Allowed())
        self._notifier = Notifier(channels or {}, allowed or Allowed())
        self._alone = alone
        self._clock = clock
        self._rng = rng or Random()  # noqa: S311 - it spreads retries, it keeps no secret
        self._under_way: Counter[str] = Counter()
        self._next: Micros | None = None
        self._setback = Setback(watch)
        if watch:
            watch.on_set.append(lambda _leap: self.wake())

    async def open(self) -> None:
        await self._sender.__aenter__()
        if self._alone:
            # Whoever held a lease is gone, for this is the only server.
            await self._submit(_recover)

    async def run(self) -> None:
        while not self.stopping.is_set():
            try:
                claimed = await self._claim()
            except UnavailableError as error:
                log.warning("outbox_out_of_reach", reason=str(error))
                claimed = []
            for action in claimed:
                self._under_way[action.target] += 1
                self.spawn(self._deliver(action), action.id, drain=True)
            await self.pause(self._patience())

    async def close(self) -> None:
        await self._sender.__aexit__()

    async def replay(self, ids: Sequence[str]) -> list[str]:
        """Send dead actions again; the ids of those that were dead."""
        replayed: list[str] = []

        async def operation(tx: Tx) -> Sequence[Event]:
            nonlocal replayed
            replayed = await outbox.replay(tx, ids)
            return ()

        await self._submit(operation)
        self.wake()
        return replayed

    # -- claiming --------------------------------------------------------------------------

    async def _claim(self) -> list[Claimed]:
        """Take as much of what is due as there are slots for."""
        claimed: list[Claimed] = []
        setback = self._setback.pending

        async def operation(tx: Tx) -> Sequence[Event]:
            claimed.clear()
            if setback:
                await outbox.put_right(tx)
            wanted = self._wanted(await outbox.queues(tx), tx.now)
            for target, slots in wanted.items():
                claimed.extend(await outbox.claim(tx, target, slots, MARGIN))
            return ()

        await self._submit(operation)
        self._setback.done(setback)
        if claimed:
            failpoint("after_claim")
        return claimed

    def _wanted(self, queues: Mapping[str, Micros], instant: Micros) -> dict[str, int]:
        """How many to take for each target; notes when the next that waits comes due."""
        free = MAX_UNDER_WAY - self._under_way.total()
        wanted: dict[str, int] = {}
        later: list[Micros] = []
        for target, due in queues.items():
            slots = min(SLOTS - self._under_way[target], free)
            if slots <= 0:
                continue  # looked at again when one of those under way is done
            if due > instant:
                later.append(due)
            else:
                wanted[target] = slots
                free -= slots
        self._next = instant if wanted else min(later, default=None)
        return wanted

    def _patience(self) -> float:
        """Seconds until there may be something to do."""
        if self._next is None:
            return _LOOK_EVERY
        return min(max((self._next - self._clock()) / SECOND, _LOOK_AGAIN), _LOOK_EVERY)

    # -- sending ---------------------------------------------------------------------------

    async def _deliver(self, action: Claimed) -> None:
        try:
            await self._attempt(action)
        except EnsueError as error:
            # The lease ends by itself, and the action is sent again.
            log.warning("action_not_noted", action=action.id, reason=str(error))
        except Exception:
            log.exception("action_not_sent", action=action.id)
        finally:
            self._under_way[action.target] -= 1
            if not self._under_way[action.target]:
                del self._under_way[action.target]
            self.wake()

    async def _attempt(self, action: Claimed) -> None:
        outcome, verdict = await (self._notify if action.kind == "notify" else self._call)(action)
        failpoint("before_mark_done")
        await self._note(action, outcome, verdict)

    async def _call(self, action: Claimed) -> tuple[Response | Unsent, Verdict]:
        call = Call.from_json(action.request)
        with self._metrics.action_seconds.labels(action.kind).time():
            outcome = await self._sender.send(action.id, call, self._clock())
        failpoint("after_send")
        return outcome, judge(action, call, outcome, self._clock(), self._rng)

    async def _notify(self, action: Claimed) -> tuple[Delivery, Verdict]:
        notification = Notification.from_json(action.request)
        with self._metrics.action_seconds.labels(action.kind).time():
            delivery = await self._notifier.send(notification, action.before.get("sent", ()))
        failpoint("after_send")
        return delivery, judge_delivery(action, delivery, self._clock(), self._rng)

    async def _note(self, action: Claimed, outcome: Outcome, verdict: Verdict) -> None:
        result = None if isinstance(outcome, Unsent) else outcome.to_json()

        async def operation(tx: Tx) -> Sequence[Event]:
            match verdict:
                case Done():
                    if await outbox.succeed(tx, action, result or {}):
                        return [_told(action, outcome, "succeeded", tx.now)]
                case Again(due, code, message):
                    await outbox.retry(tx, action, due, code=code, message=message, result=result)
                case GivenUp(code, message):
                    if await outbox.fail(tx, action, code=code, message=message, result=result):
                        why = {"code": code, "message": message}
                        return [_told(action, outcome, "dead", tx.now, **why)]
            return ()

        await self._submit(operation)
        word = {Done: "succeeded", Again: "retried", GivenUp: "dead"}[type(verdict)]
        self._metrics.actions.labels(action.kind, word).inc()
        if isinstance(verdict, GivenUp):
            log.warning(
                "action_dead",
                action=action.id,
                automation=action.automation,
                code=verdict.code,
                attempts=action.attempts,
            )

    async def _submit(self, operation: Callable[[Tx], Any]) -> None:
        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))


async def _recover(tx: Tx) -> Sequence[Event]:
    await outbox.recover(tx)
    return ()


def _told(action: Claimed, outcome: Outcome, word: str, instant: Micros, **more: Any) -> Event:
    data = {
        "firing": action.firing,
        "kind": action.kind,
        "target": action.target,
        "attempts": action.attempts,
        "status": _status(outcome),
        **more,
    }
    return notices.action_ended(
        action.id, action.automation, word, chain=action.chain, data=data, now=instant
    )


def _status(outcome: Outcome) -> int | None:
    """The HTTP status that came back, where one did."""
    match outcome:
        case Response():
            return outcome.status
        case Delivery(refused=refused):
            return refused.status if refused else None
        case Unsent():
            return None
