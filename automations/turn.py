"""What a transaction counts in memory, and what of it is kept.

A transaction may be run again from the start, so its counts are its own until the journal says
that it was committed: that is a *turn*. What is kept then is

* the breaker: how often each rule fired in the last minute. A rule that fires more often than
  it may is paused until a person resumes it. After a restart, or on another replica, a rule
  starts with a clean count.
* when each rule was last told of an error, which happens at most once a minute.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from automations.breaker import Recent
from base.time import SECOND, Micros
from events.tx import Tx

SPAN: Micros = 60 * SECOND
"""Errors of a rule are told once in so long."""


@dataclass(slots=True)
class Turn:
    """What one transaction counted so far."""

    tx: Tx
    fired: dict[str, list[Micros]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    """Rules that its breaker or an action paused; they act no more, also in this transaction."""
    resumed: set[str] = field(default_factory=set)
    """Rules that an action resumed; they listen from the commit on."""
    erred: dict[str, Micros] = field(default_factory=dict)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Firings, by rule and outcome."""
    errors: Counter[str] = field(default_factory=Counter)
    """Conditions without an answer, by rule."""
    queued: int = 0
    """Actions put into the outbox."""

    def switch(self, automation: str, *, paused: bool) -> None:
        """Note that a rule was paused, or resumed."""
        into, out_of = (self.paused, self.resumed) if paused else (self.resumed, self.paused)
        into.add(automation)
        out_of.discard(automation)


class Counts:
    """What is counted over transactions."""

    def __init__(self) -> None:
        self._fired: dict[str, Recent] = {}
        self._erred: dict[str, Micros] = {}
        self._turn: Turn | None = None

    def turn(self, tx: Tx) -> Turn:
        """That of this transaction; what an earlier one counted was not committed."""
        if self._turn is None or self._turn.tx is not tx:
            self._turn = Turn(tx)
        return self._turn

    def keep(self) -> Turn | None:
        """Keep what the last transaction counted: it is committed."""
        turn, self._turn = self._turn, None
        if turn is not None:
            for name, times in turn.fired.items():
                self._fired.setdefault(name, Recent()).add(times)
            self._erred.update(turn.erred)
        return turn

    def may_fire(self, turn: Turn, automation: str, limit: int) -> bool:
        """Count a firing, unless it is one too many in the minute that ends now."""
        now = turn.tx.now
        times = turn.fired.setdefault(automation, [])
        before = self._fired.get(automation)
        if (before.count(now) if before else 0) + len(times) >= limit:
            return False
        times.append(now)
        return True

    def may_tell(self, turn: Turn, automation: str) -> bool:
        """Whether it is time to tell of an error again; a clock set back does not silence."""
        now = turn.tx.now
        last = turn.erred.get(automation, self._erred.get(automation))
        if last is not None and last <= now < last + SPAN:
            return False
        turn.erred[automation] = now
        return True

    def forget(self, automation: str) -> None:
        """Count this rule's firings afresh."""
        self._fired.pop(automation, None)
