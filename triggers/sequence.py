"""The `sequence` trigger: fires when its steps came in this order, by event time.

    trigger: {sequence: [order.created, order.paid, order.shipped], within: 1d, per: subject}

A *chain* is one occurrence for each step so far, each later than the one before. Of the
chains that could go on, only the latest of each length matters: what comes after it can
follow it as well as any other, and it has lasted the shortest. But late occurrences may
still step in between, so all that is younger than the allowed lateness is kept as well.

Bounded: what is older than any late occurrence may be is cut down to the latest chain of
each length, and so is what is older than the last `MOST` occurrences, as if the lateness
had been shorter there. The cutting down waits until it pays.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Any, Final

from base.time import Micros
from triggers.key import Key
from triggers.lateness import admitted, inserted, not_before
from triggers.listening import Listening, Node
from triggers.window import Fired, Member, Step, Tick, Told, WindowState, taken

MOST: Final = 1_000
"""Occurrences kept for the sake of late ones."""

Chain = tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Takes the latest chain that fits; an event is one step of it at most."""

    steps: tuple[Listening | Node, ...]
    within: Micros
    per: Key
    lateness: Micros

    @property
    def members(self) -> tuple[Listening | Node, ...]:
        return self.steps

    @property
    def is_condition(self) -> bool:
        return False

    def normalised(self) -> dict[str, Any]:
        return {
            "kind": "sequence",
            "members": [step.normalised() for step in self.steps],
            "within": self.within,
            "per": self.per.normalised(),
            "lateness": self.lateness,
        }

    def advance(self, state: WindowState, told: Told, now: Micros) -> Step:
        del now  # windows go by event time
        if isinstance(told, Tick):
            return Step(state)
        coming = admitted(state, told, self.lateness)
        if not coming.occurrences:
            return Step(replace(state, newest=coming.newest), notes=coming.notes)
        # One time for all that one entry of the log brought: so it is one step of a chain.
        time = max(one.time for one in coming.occurrences)
        # A condition moves nothing when it begins to hold; but it may be the first thing told.
        newest = time if coming.newest is None else coming.newest
        members, in_order = state.members, True
        for one in coming.occurrences:
            at, members = inserted(members, one._replace(time=time).member())
            in_order = in_order and at == len(members) - 1
        members = not_before(members, newest - self.lateness - self.within)
        full, kept = self._looked_at(members, newest - self.lateness, in_order=in_order)
        if full:
            refs = taken(full)
            fired = Fired(full[-1].time, coming.occurrences[0].position, refs, len(refs))
            return Step(WindowState(newest), fired, notes=coming.notes)
        return Step(WindowState(newest, members=kept), notes=coming.notes)

    def _looked_at(
        self, members: tuple[Member, ...], time: Micros, *, in_order: bool
    ) -> tuple[Chain, Chain]:
        """The latest whole chain, if any, and the members to keep. Late ones may be of `time`."""
        settled = _settled(members, time)
        if in_order and members and not self._pays(settled, len(members)):
            return self._ending(members), members
        return self._chained(members, settled)

    def _pays(self, settled: int, count: int) -> bool:
        """Whether it is time to cut down what is settled: that takes a pass over them all."""
        most = len(self.steps) * (len(self.steps) + 1) // 2
        return settled > most + max(8, count // 8)

    def _ending(self, members: tuple[Member, ...]) -> Chain:
        """The latest whole chain that ends with the last moment, if there is one.

        What comes last in time can only end a chain; so this is all there is to look for.
        """
        wanted, moment = len(self.steps) - 1, members[-1][:2]
        chain: list[Member] = []
        for member in reversed(members):
            if member.time < moment[0] - self.within or (not chain and member[:2] != moment):
                break
            if member.part == wanted and (not chain or member[:2] < chain[-1][:2]):
                chain.append(member)
                wanted -= 1
                if wanted < 0:
                    return tuple(reversed(chain))
        return ()

    def _chained(self, members: tuple[Member, ...], settled: int) -> tuple[Chain, Chain]:
        """The latest whole chain, if any, and the members that still matter.

        Nothing that may still come goes before the one of number `settled`.
        """
        chains: list[Chain] = [()] * len(self.steps)
        lasting: set[Member] = set()
        full: Chain = ()
        young = 0
        for at, moment in _moments(members):
            if at <= settled:
                lasting = {member for chain in chains[:-1] for member in chain}
                young = at
            for member in reversed(moment):
                before = chains[member.part - 1] if member.part else ()
                if member.part and not before:
                    continue
                chains[member.part] = chain = (*before, member)
                if len(chain) == len(chains) and chain[-1].time - chain[0].time <= self.within:
                    full = chain
        return full, (*sorted(lasting, key=lambda member: member[:3]), *members[young:])


def _settled(members: tuple[Member, ...], time: Micros) -> int:
    """The number of the first member that a late occurrence may still go before."""
    return max(bisect_left(members, time, key=lambda member: member.time), len(members) - MOST)


def _moments(members: tuple[Member, ...]) -> list[tuple[int, list[Member]]]:
    """Members by time and position, with the number of the first: those are one event."""
    groups: list[tuple[int, list[Member]]] = []
    for at, member in enumerate(members):
        if groups and groups[-1][1][0][:2] == member[:2]:
            groups[-1][1].append(member)
        else:
            groups.append((at, [member]))
    return groups
