"""Deliveries that were refused: kept for whoever looks for the reason, and told as events.

Anybody can send what will be refused, so this costs no more however much of it comes: refusals
are gathered for a second, of each hook the newest are written, and one event for each hook and
minute tells how many there were.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from base.errors import EnsueError
from base.logs import logger
from base.services import Service
from base.time import SECOND, Micros, now, to_rfc3339
from events.change import Change, Lane
from events.event import Event, derive
from events.journal import Journal
from events.tx import Tx
from events.webhooks.deliveries import KEPT_REJECTED, DeliveryRecord, record

_GATHER: Final = 1.0
_EVERY: Final = 60 * SECOND
_NEVER: Final = -(1 << 62)

log = logger("hooks")


@dataclass(slots=True)
class _Hook:
    """What was refused at one hook and has not been written, or not been told, yet."""

    unwritten: deque[DeliveryRecord] = field(default_factory=lambda: deque(maxlen=KEPT_REJECTED))
    codes: Counter[str] = field(default_factory=Counter)
    since: Micros = 0
    last: DeliveryRecord | None = None
    told: Micros = _NEVER


class Refusals(Service):
    """`note` at any time; what was noted is on disk about a second later, also at a stop."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("refusals")
        self._journal = journal
        self._hooks: dict[str, _Hook] = {}

    def note(self, refused: DeliveryRecord) -> None:
        hook = self._hooks.setdefault(refused.hook, _Hook())
        hook.unwritten.append(refused)
        if not hook.codes:
            hook.since = refused.at
        hook.codes[refused.code or "internal"] += 1
        hook.last = refused

    async def run(self) -> None:
        while not self.stopping.is_set():
            await self.pause(_GATHER)
            await self._flush(now(), everything=self.stopping.is_set())

    async def _flush(self, at: Micros, *, everything: bool) -> None:
        records = [one for hook in self._hooks.values() for one in hook.unwritten]
        due = [
            (name, hook)
            for name, hook in self._hooks.items()
            if hook.codes and (everything or at - hook.told >= _EVERY)
        ]
        events = [_told(name, hook, at) for name, hook in due]
        if not records and not events:
            return

        async def operation(tx: Tx) -> Sequence[Event]:
            await record(tx, records)
            return events

        try:
            await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        except EnsueError as error:
            log.warning("refusals_postponed", error=str(error))
            return
        written = set(map(id, records))
        for hook in self._hooks.values():
            while hook.unwritten and id(hook.unwritten[0]) in written:
                hook.unwritten.popleft()
        for _, hook in due:
            hook.codes.clear()
            hook.told = at


def _told(name: str, hook: _Hook, at: Micros) -> Event:
    assert hook.last is not None
    return derive(
        None,
        type="ensue.webhook.rejected",
        source=f"/hooks/{name}",
        subject=name,
        at=at,
        data={
            "hook": name,
            "count": hook.codes.total(),
            "codes": dict(hook.codes),
            "since": to_rfc3339(hook.since),
            "last": {
                "at": to_rfc3339(hook.last.at),
                "code": hook.last.code,
                "message": hook.last.message,
                "remote": hook.last.remote,
            },
        },
    )
