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
from typing import Final, NamedTuple

from events import log
from events.change import Change, Receipt
from events.evaluation import Evaluator, Matched
from events.event import Event, Stored
from events.seen import Earlier, Entry, Seen
from events.tx import Head, Tx

MAX_DERIVED: Final = 256
"""Events that one change may derive and see evaluated in its own commit."""
MAX_TURN: Final = 1_000
"""Pending events evaluated in one transaction."""
_NOBODY: Final = -1
"""The index of the change that pending events go back to: its caller was answered long ago."""


class Charged(NamedTuple):
    """Events in their order, and for each the index of the change that it goes back to."""

    matched: Sequence[Matched]
    owners: Sequence[int]


_NOTHING: Final = Charged((), ())


class Submission:
    """A change on its way through a transaction, and what became of it."""

    __slots__ = ("change", "first", "matched", "receipt", "resubmitted")

    first: int
    """The position of its first event, unless that is a duplicate; there once it was written."""
    receipt: Receipt
    """What became of its events; there once they were written."""

    def __init__(self, change: Change, matched: Sequence[Matched]) -> None:
        self.change = change
        self.matched = matched
        self.resubmitted = False
        """It was run before and nobody knows whether that was committed."""


class Commit:
    """What one open transaction gathers. Made for each attempt, thrown away if it fails."""

    def __init__(self, tx: Tx, seen: Seen, evaluator: Evaluator) -> None:
        self._tx = tx
        self._seen = seen
        self._evaluator = evaluator
        self._position = self._last = self._epoch = 0
        self._roots: dict[str, int] = {}
        self._derived: dict[int, int] = {}
        self.backlog = False
        """Events are pending when this is committed."""
        self.stored: list[Stored] = []
        """All events appended, in order."""

    @property
    def head(self) -> Head:
        """The end of the log once this is committed."""
        return Head(self._last, self.backlog, self._epoch)

    async def write(self, batch: Sequence[Submission]) -> None:
        """Everything up to the commit itself; the receipts of the batch are filled."""
        head = self._tx.head
        if head is None:
            head = await log.head(self._tx)
            await self._evaluator.follow(self._tx, head.epoch)
        self._position, self.backlog, self._epoch = head
        self._last = self._position
        if self.backlog:
            await self._evaluate_pending()
        matched: list[Matched] = []
        owners: list[int] = []
        for index, submission in enumerate(batch):
            mine = submission.matched
            if submission.change.operation is not None:
                events = await submission.change.operation(self._tx)
                mine = [*mine, *map(self._evaluator.match, events)]
            matched += mine
            owners += [index] * len(mine)
            end = self._position + 1 + len(matched)
            submission.first = first = end - len(mine)
            # As if there were no duplicates: where they are known it is put right.
            submission.receipt = Receipt([*range(first, end)], [])
        fresh = await self._append(Charged(matched, owners), batch)
        for submission in batch:
            if submission.change.settlement is not None:
                await submission.change.settlement(self._tx, submission.receipt)
        await self._evaluate(fresh)

    async def _append(self, charged: Charged, batch: Sequence[Submission] = ()) -> Charged:
        """Store what is new, which is returned; note in its change's receipt what is not."""
        matched, owners = charged
        if not matched:
            return charged
        first = self._position + 1
        events = [m.event for m in matched]
        entries = Entry.of(events, first)
        duplicates = await self._seen.append(self._tx, entries, events)
        self._position += len(matched)
        for position, m in enumerate(matched, first):
            m.position = position
        if duplicates:
            if batch:
                for n, earlier in duplicates.items():
                    _note(batch[owners[n]], entries[n], earlier)
            new = [n for n in range(len(matched)) if n not in duplicates]
            charged = Charged([matched[n] for n in new], [owners[n] for n in new])
        if charged.matched:
            self._last = charged.matched[-1].position
            new_tuple = tuple.__new__  # half of what calling the class takes
            self.stored += [new_tuple(Stored, (m.position, m.event)) for m in charged.matched]
        return charged

    async def _evaluate(self, fresh: Charged) -> None:
        """Evaluate in the order of the log, round by round, until nothing more is derived."""
        while fresh.matched:
            if self.backlog:
                # Their turn comes after those that already wait.
                await log.mark_pending(self._tx, [m.position for m in fresh.matched])
                return
            fresh = await self._advance(fresh)
            self.backlog = any(count > MAX_DERIVED for count in self._derived.values())

    async def _advance(self, fresh: Charged) -> Charged:
        """One round: what these events derived, stored."""
        epoch = self._evaluator.epoch
        asking = [m for m in fresh.matched if m.hits or m.epoch != epoch]
        concerned = [current for m in asking if (current := self._current(m)).hits]
        if not concerned:
            return _NOTHING
        derived = await self._evaluator.advance(self._tx, concerned)
        return await self._append(self._charge(fresh, derived)) if derived else _NOTHING

    def _charge(self, fresh: Charged, derived: Sequence[Event]) -> Charged:
        """Charge each derived event to the change that its cause came from."""
        roots, counts, match = self._roots, self._derived, self._evaluator.match
        roots.update(zip([m.event.id for m in fresh.matched], fresh.owners, strict=True))
        owners = []
        for event in derived:
            index = roots.get(event.causationid or "", _NOBODY)
            roots[event.id] = index
            counts[index] = counts.get(index, 0) + 1
            owners.append(index)
        return Charged([match(event) for event in derived], owners)

    async def _evaluate_pending(self) -> None:
        """Give the events that have waited longest their turn."""
        waiting = await log.pending(self._tx, MAX_TURN + 1)
        turn = waiting[:MAX_TURN]
        await log.forget_pending(self._tx, [stored.position for stored in turn])
        matched = [self._match(stored) for stored in turn]
        fresh = await self._advance(Charged(matched, [_NOBODY] * len(turn)))
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


def _note(submission: Submission, entry: Entry, earlier: Earlier) -> None:
    """That what was to be this entry is a duplicate."""
    receipt = submission.receipt
    index = entry.position - submission.first
    same = earlier.digest == entry.digest
    if not same:
        receipt.reused.append(index)
    # Run again after an unknown outcome: that it is there means that it had worked.
    receipt.positions[index] = earlier.position if submission.resubmitted and same else None
