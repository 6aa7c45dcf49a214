"""One transaction of the journal, from the changes to the last derived event.

    operations ─▶ deduplicate ─▶ append ─▶ settlements ─▶ evaluate ─▶ derived events ─┐
                       ▲                                                              │
                       └───────────────────────────────── round by round ─────────────┘

Positions are given in the order of appending and events are evaluated in the order of their
positions. When a change derives more than its bound, what it derived last is marked *pending*,
and so is all that is appended until the pending ones had their turn, so that order holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events import log
from events.change import Change, Receipt
from events.evaluation import Evaluator, Matched
from events.event import Event, Stored
from events.seen import Earlier, Entry, Seen
from events.tx import Tx

MAX_DERIVED: Final = 256
"""Events that one change may derive and see evaluated in its own commit."""
MAX_TURN: Final = 1_000
"""Pending events evaluated in one transaction."""
_NOBODY: Final = -1
"""The index of the change that pending events go back to: its caller was answered long ago."""

Head = tuple[int, bool]
"""The last position given out, and whether events are pending."""
Charged = tuple[int, Matched]
"""An event, and the index of the change that it goes back to."""


class Submission:
    """A change on its way through a transaction, and what became of it."""

    __slots__ = ("change", "matched", "receipt", "resubmitted")

    def __init__(self, change: Change, matched: Sequence[Matched]) -> None:
        self.change = change
        self.matched = matched
        self.receipt = Receipt()
        self.resubmitted = False
        """It was run before and nobody knows whether that was committed."""


class Commit:
    """What one open transaction gathers. Made for each attempt, thrown away if it fails."""

    def __init__(self, tx: Tx, seen: Seen, evaluator: Evaluator) -> None:
        self._tx = tx
        self._seen = seen
        self._evaluator = evaluator
        self._position = self._last = 0
        self._roots: dict[str, int] = {}
        self._derived: dict[int, int] = {}
        self.backlog = False
        """Events are pending when this is committed."""
        self.stored: list[Stored] = []
        """All events appended, in order."""

    @property
    def head(self) -> Head:
        """The end of the log once this is committed."""
        return self._last, self.backlog

    async def write(self, batch: Sequence[Submission], head: Head | None = None) -> None:
        """Everything up to the commit itself; the receipts of the batch are filled.

        `head` is the end of the log where it is known; otherwise it is read.
        """
        if head is None:
            position, backlog, epoch = await log.head(self._tx)
            head = position, backlog
            await self._evaluator.follow(self._tx, epoch)
        self._position, self.backlog = head
        self._last = self._position
        if self.backlog:
            await self._evaluate_pending()
        charged: list[Charged] = []
        for index, submission in enumerate(batch):
            submission.receipt = Receipt()
            charged += [(index, matched) for matched in submission.matched]
            if submission.change.operation is not None:
                events = await submission.change.operation(self._tx)
                charged += [(index, self._evaluator.match(event)) for event in events]
        fresh = await self._append(charged, batch)
        for submission in batch:
            if submission.change.settlement is not None:
                await submission.change.settlement(self._tx, submission.receipt)
        await self._evaluate(fresh)

    async def _append(
        self, charged: Sequence[Charged], batch: Sequence[Submission] = ()
    ) -> list[Charged]:
        """Store what is new; note in its change's receipt what became of each event."""
        if not charged:
            return []
        first = self._position + 1
        entries = [Entry.of(m.event, n) for n, (_, m) in enumerate(charged, first)]
        duplicates = await self._seen.append(self._tx, entries, [m.event for _, m in charged])
        fresh = []
        for n, (index, matched) in enumerate(charged):
            earlier = duplicates.get(n) if duplicates else None
            if batch:
                _note(batch[index], entries[n], earlier)
            if earlier is None:
                matched.position = first + n
                fresh.append((index, matched))
                self._last = first + n
        self._position += len(charged)
        self.stored += [Stored(m.position, m.event) for _, m in fresh]
        return fresh

    async def _evaluate(self, fresh: Sequence[Charged]) -> None:
        """Evaluate in the order of the log, round by round, until nothing more is derived."""
        while fresh:
            if self.backlog:
                # Their turn comes after those that already wait.
                await log.mark_pending(self._tx, [m.position for _, m in fresh])
                return
            fresh = await self._advance(fresh)
            self.backlog = any(count > MAX_DERIVED for count in self._derived.values())

    async def _advance(self, fresh: Sequence[Charged]) -> Sequence[Charged]:
        """One round: what these events derived, stored."""
        concerned = [current for _, m in fresh if (current := self._current(m)).hits]
        if not concerned:
            return ()
        derived = await self._evaluator.advance(self._tx, concerned)
        return await self._append(self._charge(fresh, derived))

    def _charge(self, fresh: Sequence[Charged], derived: Sequence[Event]) -> list[Charged]:
        """Charge each derived event to the change that its cause came from."""
        roots, counts = self._roots, self._derived
        roots.update((m.event.id, index) for index, m in fresh)
        charged = []
        for event in derived:
            index = roots.get(event.causationid or "", _NOBODY)
            roots[event.id] = index
            counts[index] = counts.get(index, 0) + 1
            charged.append((index, self._evaluator.match(event)))
        return charged

    async def _evaluate_pending(self) -> None:
        """Give the events that have waited longest their turn."""
        waiting = await log.pending(self._tx, MAX_TURN + 1)
        turn = waiting[:MAX_TURN]
        await log.forget_pending(self._tx, [stored.position for stored in turn])
        fresh = await self._advance([(_NOBODY, self._match(stored)) for stored in turn])
        self.backlog = len(waiting) > MAX_TURN
        await self._evaluate(fresh)

    def _current(self, matched: Matched) -> Matched:
        """The match, made again if the rules changed since."""
        if matched.epoch == self._evaluator.epoch:
            return matched
        return self._match(Stored(matched.position, matched.event))

    def _match(self, stored: Stored) -> Matched:
        matched = self._evaluator.match(stored.event)
        matched.position = stored.position
        return matched


def _note(submission: Submission, entry: Entry, earlier: Earlier | None) -> None:
    receipt = submission.receipt
    if earlier is None:
        receipt.positions.append(entry.position)
        return
    same = earlier.digest == entry.digest
    if not same:
        receipt.reused.append(len(receipt.positions))
    # Run again after an unknown outcome: that it is there means that it had worked.
    receipt.positions.append(earlier.position if submission.resubmitted and same else None)
