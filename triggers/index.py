"""Who wants this event? Asked of thousands of selectors at once.

Each branch of each selector has a *slot*, a bit. For a type, a *plan* is made once and
kept: the slots that listen to it and, where they are many, the fields that tell them
apart. An event then costs one intersection of bit sets for each of those fields, and only
what survives is judged in full by its closure. Where a type has few listeners, asking
their closures at once is cheaper than any table.

Plans are thrown away when a selector comes or goes; they cost about as much as matching a
few events. Their number is bounded, since a type is whatever the outside world says.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from triggers.branch import Branch, Group, Path
from triggers.field import Field
from triggers.masks import Mask
from triggers.matching import Judge, compile_branch
from triggers.probe import narrows
from triggers.selector import Selector
from triggers.types import Types

K = TypeVar("K", bound=Hashable)

FEW = 8
"""Up to so many listeners are asked one by one."""

MAX_PLANS = 4_096


class Slot(NamedTuple, Generic[K]):
    order: int
    key: K
    judge: Judge


@dataclass(slots=True)
class _Entry:
    selector: Selector
    slots: list[int]


class _Plan(NamedTuple, Generic[K]):
    few: list[Slot[K]] | None
    live: Mask
    fields: list[tuple[Field, Mask, Mask]]


class Index(Generic[K]):
    """Selectors under keys. `where` is not asked: that is for whoever takes the answer."""

    def __init__(self) -> None:
        self._entries: dict[K, _Entry] = {}
        self._slots: list[Slot[K] | None] = []
        self._vacant: list[int] = []
        self._types = Types()
        self._fields: dict[Path, Field] = {}
        self._plans: dict[str, _Plan[K]] = {}
        self.unheard: set[str] = set()
        """Types, of those asked about, that no selector listens to."""
        self._added = 0
        self._branched = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def add(self, key: K, selector: Selector) -> None:
        """Raises KeyError for a key that is there already."""
        if key in self._entries:
            raise KeyError(key)
        self._forget_plans()
        self._added += 1
        slots = [self._occupy(key, selector, branch) for branch in selector.branches]
        self._entries[key] = _Entry(selector, slots)
        self._branched += len(slots) > 1

    def remove(self, key: K) -> None:
        """Raises KeyError for a key that is not there."""
        entry = self._entries.pop(key)
        self._forget_plans()
        for number, branch in zip(entry.slots, entry.selector.branches, strict=True):
            self._vacate(number, entry.selector, branch)
        self._branched -= len(entry.slots) > 1

    def match(self, root: dict[str, Any]) -> list[K]:
        """The keys of the selectors that the event meets, in the order they were added."""
        event_type = root["type"]
        plan = self._plans.get(event_type) or self._plan(event_type)
        few, live, fields = plan
        if few is not None:
            found = [slot for slot in few if slot.judge(root)]
        else:
            for field, present, absent in fields:
                live &= field.allowed(root, present, absent)
                if not live:
                    return []
            found = [slot for slot in self._at(live) if slot.judge(root)]
        if self._branched:
            return list(dict.fromkeys([slot.key for slot in found]))
        return [slot.key for slot in found]

    def _occupy(self, key: K, selector: Selector, branch: Branch) -> int:
        slot = Slot(self._added, key, compile_branch(branch))
        if self._vacant:
            number = self._vacant.pop()
            self._slots[number] = slot
        else:
            number = len(self._slots)
            self._slots.append(slot)
        bit = 1 << number
        for glob in selector.types:
            self._types.put(glob, bit)
        for path, groups in branch:
            if (field := self._fields.get(path)) is None:
                field = self._fields[path] = Field(path)
            field.put(_narrowest(groups), bit)
        return number

    def _vacate(self, number: int, selector: Selector, branch: Branch) -> None:
        bit = 1 << number
        for glob in selector.types:
            self._types.drop(glob, bit)
        for path, groups in branch:
            field = self._fields[path]
            field.drop(_narrowest(groups), bit)
            if not field.cares:
                del self._fields[path]
        self._slots[number] = None
        self._vacant.append(number)

    def _plan(self, event_type: str) -> _Plan[K]:
        if len(self._plans) >= MAX_PLANS:
            self._forget_plans()
        live = self._types.listening(event_type)
        if not live:
            self.unheard.add(event_type)
        if live.bit_count() <= FEW:
            plan = _Plan(self._at(live), live, [])
        else:
            plan = _Plan(None, live, self._telling_apart(live))
        self._plans[event_type] = plan
        return plan

    def _forget_plans(self) -> None:
        self._plans.clear()
        self.unheard.clear()

    def _telling_apart(self, live: Mask) -> list[tuple[Field, Mask, Mask]]:
        """The fields that these slots care about, those most care about first."""
        fields = []
        for field in self._fields.values():
            if caring := live & field.cares:
                others = live ^ caring
                present, absent = others | caring & field.anything, others | caring & field.nothing
                fields.append((caring.bit_count(), (field, present, absent)))
        fields.sort(key=lambda weighed: -weighed[0])
        return [field for _, field in fields]

    def _at(self, live: Mask) -> list[Slot[K]]:
        """The slots of a mask, in the order their selectors were added."""
        slots: list[Slot[K]] = []
        while live:
            low = live & -live
            slot = self._slots[low.bit_length() - 1]
            assert slot is not None
            slots.append(slot)
            live ^= low
        slots.sort(key=_order)
        return slots


def _order(slot: Slot[Any]) -> int:
    return slot.order


def _narrowest(groups: tuple[Group, ...]) -> Group:
    """The group to look a field up by, when several ask about it."""
    if len(groups) == 1:
        return groups[0]
    return next((group for group in groups if narrows(group)), groups[0])
