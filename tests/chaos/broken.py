"""The service with a promise broken on purpose, to see that the kill test notices.

python -m tests.chaos.broken ack_before_commit|no_firing_key serve …
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from base.ids import new_id


def ack_before_commit() -> None:
    """The intake is answered as soon as its events are in the queue."""
    from events.change import Change, Lane, Receipt
    from events.journal import Journal

    enqueue = Journal.enqueue

    def hasty(journal: Journal, change: Change) -> asyncio.Future[Receipt]:
        future = enqueue(journal, change)
        if change.lane is not Lane.INTAKE or not change.events:
            return future
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        answered: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        answered.set_result(Receipt(positions=[0] * len(change.events)))
        return answered

    _replace(Journal, enqueue=hasty)


def no_firing_key() -> None:
    """Nothing is remembered of what was seen, and a firing's id is made up anew each time."""
    from events import log
    from events.event import Event
    from events.seen import Earlier, Entry, PlainSeen
    from events.segmented_seen import SegmentedSeen
    from events.tx import Tx
    from triggers import sink

    async def forgetful(
        _: Any, tx: Tx, entries: Sequence[Entry], events: Sequence[Event]
    ) -> dict[int, Earlier]:
        placed = [(entry.position, event) for entry, event in zip(entries, events, strict=True)]
        await log.append(tx, placed)
        return {}

    _replace(PlainSeen, append=forgetful)
    _replace(SegmentedSeen, append=forgetful)
    _replace(sink, firing_id=lambda _: new_id())


def _replace(owner: object, **faulty: object) -> None:
    for name, value in faulty.items():
        setattr(owner, name, value)


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault for fault in (ack_before_commit, no_firing_key)
}


def main() -> None:
    FAULTS[sys.argv[1]]()
    from server.commands.serve import command

    with contextlib.suppress(SystemExit):
        command(sys.argv[3:], standalone_mode=False)


if __name__ == "__main__":
    main()
