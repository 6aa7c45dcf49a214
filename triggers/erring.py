"""Which rules had no answer when they were last asked; of them the next answer is told too.

That an expression errs is rare, and that it errs on every event is what somebody wants to know.
So errors are counted where they happen, and answers only of rules that erred: a rule that does
not err costs nothing here. The answer that ends a row of errors is told once, as a `Trouble` that
is none (`ANSWERED`).

Each server notes what it saw itself, beginning with what the database says at its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from base.time import Micros
from events.evaluation import Matched
from events.event import Event
from triggers.listener import Ear, Hit, Listener, Rung
from triggers.selector import Failure
from triggers.sink import ANSWERED, Trouble

NO_ANSWERS: Final = frozenset({"too_late"})
"""Codes of what is told like an error, though the rule had its answer."""

_ANSWER: Final = Failure(ANSWERED, "")


@dataclass(slots=True)
class Erring:
    """The names of the rules that erred when they were last asked."""

    names: set[str] = field(default_factory=set)

    def answers(self, asked: Iterable[Ear], hits: Sequence[Hit | Rung]) -> list[Hit]:
        """One hit for each of these rules that was asked of an event and did not err on it."""
        return list(_answers(asked, hits, self.names))

    def noted(
        self,
        matched: Sequence[Matched],
        troubles: Sequence[Trouble],
        asked: Callable[[Event], Iterable[Ear]],
        now: Micros,
    ) -> list[Trouble]:
        """The troubles of these entries of the log, in its order, with the answers among them.

        `asked` says who is asked of an event: of a rule that errs for the first time, it was not
        noted on which events of the same batch it did not. Those that concern nobody are not among
        them; so that a rule said no to one of these is known with its next answer only.
        """
        new = {one.automation for one in troubles if is_error(one)} - self.names
        self.names |= new
        erred = {(one.automation, id(one.event)) for one in troubles if is_error(one)}
        told = list(troubles)
        for one in matched:
            heard = list(self._rung(one))
            if new:
                heard += [hit.listener for hit in _answers(asked(one.event), one.hits, new)]
            told += [
                Trouble(listener.automation, listener.number, one.event, ANSWERED, "", now)
                for listener in heard
            ]
        told = [
            one
            for one in told
            if one.code != ANSWERED or (one.automation, id(one.event)) not in erred
        ]
        place = {id(one.event): number for number, one in enumerate(matched)}
        return sorted(told, key=lambda trouble: place.get(id(trouble.event), 0))

    def settle(self, troubles: Iterable[Trouble]) -> None:
        """Their answers are told: those that answered last are asked no more about it."""
        last = {one.automation: one.code for one in troubles if one.code not in NO_ANSWERS}
        self.names -= {name for name, code in last.items() if code == ANSWERED}

    def _rung(self, one: Matched) -> Iterator[Listener]:
        """Clocks that were asked: an error would have been told."""
        for hit in one.hits:
            listener = hit.listener if isinstance(hit, Rung) else None
            if listener is None or listener.automation not in self.names:
                continue
            if listener.trigger.condition is not None:
                yield listener


def is_error(trouble: Trouble) -> bool:
    """Whether the rule had no answer."""
    return trouble.code != ANSWERED and trouble.code not in NO_ANSWERS


def _answers(
    asked: Iterable[Ear], hits: Sequence[Hit | Rung], names: Iterable[str]
) -> Iterator[Hit]:
    left = set(names) - {hit.listener.automation for hit in hits if _failed(hit)}
    for ear in asked if left else ():
        if ear.listener.automation in left:
            left.discard(ear.listener.automation)
            yield Hit(ear.listener, ear.leaf, failure=_ANSWER)


def _failed(hit: Hit | Rung) -> bool:
    return isinstance(hit, Hit) and (hit.failure is not None or isinstance(hit.value, Failure))
