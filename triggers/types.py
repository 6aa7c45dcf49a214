"""Which selectors listen to a type: the one question whose answer is exact and kept."""

from __future__ import annotations

from triggers.glob import OWN, Glob
from triggers.masks import Affixes, Mask, Masks
from triggers.shape import TextTest


class Types:
    """Slots by their type globs."""

    def __init__(self) -> None:
        self._exact: Masks[str] = Masks()
        self._heads = Affixes("starts")
        self._own_heads = Affixes("starts")
        self._others: Masks[Glob] = Masks()
        self._tests: dict[Glob, TextTest] = {}

    @property
    def is_empty(self) -> bool:
        return not (self._exact or self._heads or self._own_heads or self._others or self._tests)

    def put(self, glob: Glob, bit: Mask) -> None:
        shape = glob.shape
        if shape.exact is not None:
            self._exact.put(shape.exact, bit)
        elif shape.only_head:
            (self._own_heads if glob.reaches_own else self._heads).put(shape.head, bit)
        else:
            self._others.put(glob, bit)
            self._tests[glob] = shape.test()

    def drop(self, glob: Glob, bit: Mask) -> None:
        shape = glob.shape
        if shape.exact is not None:
            self._exact.drop(shape.exact, bit)
        elif shape.only_head:
            (self._own_heads if glob.reaches_own else self._heads).drop(shape.head, bit)
        else:
            self._others.drop(glob, bit)
            if glob not in self._others:
                self._tests.pop(glob, None)

    def listening(self, event_type: str) -> Mask:
        """The slots with a glob that reaches events of this type."""
        own = event_type.startswith(OWN)
        heads = self._own_heads if own else self._heads
        mask = self._exact.get(event_type, 0) | heads.hit(event_type)
        for glob, slots in self._others.items():
            if (not own or glob.reaches_own) and self._tests[glob](event_type):
                mask |= slots
        return mask
