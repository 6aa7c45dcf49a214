"""What events of each type have been like: the fields that a sample of them had.

It answers one question, whether a field was ever there, and errs on the side of yes: below a
map with very many names, which are data and not fields, anything may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from automations.backtest import sliced
from base.database import Database
from events import sample
from triggers.glob import OWN, Glob
from triggers.selector import Selector

SAMPLE: Final = 1_000
"""Events of each type that are looked at, unless it is said otherwise."""
MOST_EACH: Final = 10_000
"""Of each type, at most."""
MOST_GLOBS: Final = 500
MOST_SAMPLED: Final = 100_000
"""Events of all types together; of many types fewer each are looked at."""
MOST_TYPES: Final = 500
"""Types that are looked at."""

_MOST_NAMES: Final = 256
_MOST_IN_ALL: Final = 5_000
_DEEPEST: Final = 32


@dataclass(slots=True)
class Sketch:
    """What a value was like, over several events: the fields of its maps, the items of its lists.

    `is_open` where it had too many names, or too many levels, to know them all.
    """

    fields: dict[str, Sketch] = field(default_factory=dict)
    items: Sketch | None = None
    is_open: bool = False

    def add(self, value: Any, room: list[int], level: int = 0) -> None:
        """Another value that it was like. `room` holds how many more names may be known."""
        if isinstance(value, dict):
            for name, item in value.items():
                known = self.fields.get(name)
                if known is None:
                    if room[0] <= 0 or len(self.fields) >= _MOST_NAMES or level >= _DEEPEST:
                        self.is_open = True
                        continue
                    room[0] -= 1
                    known = self.fields[name] = Sketch()
                if item.__class__ is dict or item.__class__ is list:
                    known.add(item, room, level + 1)
        elif isinstance(value, list) and level < _DEEPEST:
            self.items = self.items or Sketch()
            for item in value:
                self.items.add(item, room, level + 1)
        elif isinstance(value, list):
            self.is_open = True

    def to_json(self) -> dict[str, Any]:
        form: dict[str, Any] = {}
        if self.fields:
            form["fields"] = {name: one.to_json() for name, one in self.fields.items()}
        if self.items is not None:
            form["items"] = self.items.to_json()
        if self.is_open:
            form["open"] = True
        return form

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Sketch:
        fields = form.get("fields", {})
        items = form.get("items")
        return cls(
            {name: cls.from_json(one) for name, one in fields.items()},
            None if items is None else cls.from_json(items),
            form.get("open", False),
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """The events of a type that were looked at, and what they were like."""

    events: int
    root: Sketch


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known by type. `origin` says where from.

    `left_out` are types that are stored and were not looked at; where `is_whole` is false there
    are others of which only those are known that were asked for by their whole names.
    """

    origin: str
    types: Mapping[str, Seen]
    left_out: frozenset[str] = frozenset()
    is_whole: bool = True

    @property
    def events(self) -> int:
        return sum(seen.events for seen in self.types.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "types": [
                {"type": name, "events": seen.events, "root": seen.root.to_json()}
                for name, seen in self.types.items()
            ],
            "left_out": sorted(self.left_out),
            "whole": self.is_whole,
        }

    @classmethod
    def from_json(cls, origin: str, form: Mapping[str, Any]) -> Observed:
        found = {
            one["type"]: Seen(one["events"], Sketch.from_json(one["root"])) for one in form["types"]
        }
        return cls(origin, found, frozenset(form["left_out"]), form["whole"])


async def observe(
    database: Database, globs: Sequence[Glob], most: int = SAMPLE, *, origin: str = ""
) -> Observed:
    """Look at the newest `most` events of each type that a glob reaches, in slices of a few ms."""
    stored = await sample.types(database)
    is_whole = len(stored) < sample.MOST_TYPES
    # Those that are named come first, and are found though there are too many others.
    exact = [glob.text for glob in globs if glob.shape.exact is not None]
    named = await sample.known(database, dict.fromkeys(exact))
    reached = await asyncio.to_thread(_reached, stored, globs)
    wanted = list(dict.fromkeys((*named, *reached)))
    looked_at = wanted[:MOST_TYPES]
    each = min(most, MOST_SAMPLED // len(looked_at)) if looked_at else 0
    found = {}
    for name in looked_at if each else ():
        found[name] = await _seen(database, name, each)
    left_out = frozenset(name for name in wanted if name not in found)
    return Observed(origin, found, left_out, is_whole)


def _reached(types: Sequence[str], globs: Sequence[Glob]) -> list[str]:
    exact = {glob.text for glob in globs if glob.shape.exact is not None}
    wild = [(glob.test(), glob.reaches_own) for glob in globs if glob.shape.exact is None]

    def is_reached(name: str) -> bool:
        own = name.startswith(OWN)
        return name in exact or any(
            test(name) for test, reaches_own in wild if reaches_own or not own
        )

    return [name for name in types if is_reached(name)]


def wanted(ears: Iterable[Selector]) -> list[Glob]:
    """The globs by which these listen; where there are very many, two that reach all types."""
    globs = list(dict.fromkeys(glob for ear in ears for glob in ear.types))
    return globs if len(globs) <= MOST_GLOBS else [Glob("*"), Glob(f"{OWN}*")]


async def _seen(database: Database, name: str, most: int) -> Seen:
    count, root, room = 0, Sketch(), [_MOST_IN_ALL]
    async for events in sliced(await sample.newest(database, name, most)):
        for stored in events:
            root.add(stored.event.root(), room)
            count += 1
    return Seen(count, root)
