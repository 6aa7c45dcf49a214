"""One field of the events, and which selectors its value speaks for or against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never

from triggers.branch import Group, Path
from triggers.condition import Numeric
from triggers.masks import Affixes, Mask, Masks, Ranges
from triggers.matching import MISSING, instances
from triggers.probe import Anything, Constant, Nothing, Number, Probe, Text, probes

Root = Mapping[str, Any]

TANGLED: Final[list[Any]] = []
"""Stands for a value that has to be looked for through lists or dotted names."""


class Field:
    """The tables of one path.

    `cares` are the slots with a condition on it, `anything` those that only want a value
    to be there, `nothing` those content when there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cares: Mask = 0
        self.anything: Mask = 0
        self.nothing: Mask = 0
        self._value = _getter(path)
        self._texts: Masks[str] = Masks()
        self._numbers: Masks[float] = Masks()
        self._constants: Masks[bool | None] = Masks()
        self._ranges = Ranges()
        self._folded: Masks[str] = Masks()
        self._shapes = {
            (how, folded): Affixes(how) for how in ("starts", "ends") for folded in (False, True)
        }
        self._shaped = False

    def put(self, group: Group, bit: Mask) -> None:
        """Enters a slot; at most one group each."""
        self.cares |= bit
        for probe in probes(group):
            if isinstance(probe, Anything):
                self.anything |= bit
            elif isinstance(probe, Nothing):
                self.nothing |= bit
            else:
                table, key = self._place(probe)
                table.put(key, bit)
        self._shaped = bool(self._folded) or any(self._shapes.values())

    def drop(self, group: Group, bit: Mask) -> None:
        """Takes a slot out again, given the group that it was entered with."""
        self.cares &= ~bit
        self.anything &= ~bit
        self.nothing &= ~bit
        for probe in probes(group):
            if not isinstance(probe, Anything | Nothing):
                table, key = self._place(probe)
                table.drop(key, bit)
        self._shaped = bool(self._folded) or any(self._shapes.values())

    def allowed(self, root: Root, present: Mask, absent: Mask) -> Mask:
        """The slots that the event's value leaves: `present` or `absent`, and what is hit.

        `present` are those that any value is right for, `absent` those that no value is.
        """
        value = self._value(root)
        kind = type(value)
        if kind is str:
            hit = self._texts.get(value)
            if self._shaped:
                return present | (hit or 0) | self._hit_shapes(value)
            return present if hit is None else present | hit
        if value is MISSING:
            return absent
        if kind is list or kind is dict:
            return self._allowed_tangled(root, present, absent)
        return present | self._hit(value)

    def _hit(self, value: Any) -> Mask:
        kind = type(value)
        if kind is str:
            hit = self._texts.get(value, 0)
            return hit | self._hit_shapes(value) if self._shaped else hit
        if kind is bool or value is None:
            return self._constants.get(value, 0)
        hit = self._numbers.get(value, 0)
        return hit | self._ranges.hit(value) if self._ranges else hit

    def _hit_shapes(self, value: str) -> Mask:
        shapes = self._shapes
        hit = 0
        if starts := shapes["starts", False]:
            hit |= starts.hit(value)
        if ends := shapes["ends", False]:
            hit |= ends.hit(value)
        if self._folded or shapes["starts", True] or shapes["ends", True]:
            folded = value.casefold()
            hit |= self._folded.get(folded, 0)
            hit |= shapes["starts", True].hit(folded) | shapes["ends", True].hit(folded)
        return hit

    def _allowed_tangled(self, root: Root, present: Mask, absent: Mask) -> Mask:
        """Among elements of lists some may lack the field, so both sides are let through."""
        allowed, found = absent, False
        for value in instances(root, self.path):
            found = True
            allowed |= self._hit(value)
        return allowed | present if found else allowed

    def _place(self, probe: Probe) -> tuple[Any, Any]:
        """The table that answers for a probe, and the key in it."""
        match probe:
            case Text("is", text, folded):
                return (self._folded if folded else self._texts), text
            case Text(how, text, folded):
                return self._shapes[how, folded], text
            case Number(value):
                return self._numbers, value
            case Constant(value):
                return self._constants, value
            case Numeric():
                return self._ranges, probe
            case Anything() | Nothing():
                raise AssertionError("kept as masks, not in tables")
            case _:
                assert_never(probe)


def _getter(path: Path) -> Callable[[Root], Any]:
    """Finds the value where it usually is; `TANGLED` where a list or a dotted name may have it."""
    *outer, last = path
    if not outer:
        return lambda root: root.get(last, MISSING)
    if len(outer) == 1:
        first, dotted = outer[0], f"{outer[0]}.{last}"

        def get_inner(root: Root) -> Any:
            inner = root.get(first)
            if type(inner) is dict and dotted not in root:
                return inner.get(last, MISSING)
            return TANGLED

        return get_inner
    steps = [
        (path[at], [".".join(path[at:end]) for end in range(at + 2, len(path) + 1)])
        for at in range(len(path) - 1)
    ]

    def get(root: Root) -> Any:
        value: Any = root
        for name, dotted in steps:
            for tangle in dotted:
                if tangle in value:
                    return TANGLED
            value = value.get(name)
            if type(value) is not dict:
                return TANGLED
        return value.get(last, MISSING)

    return get
