"""What the outside world sends: numbered events of a few kinds, in shipments.

All of it comes out of the seed, so that a failure can be sought again with the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

SOURCE = "/chaos"
MOST_IN_A_BATCH = 40

_MIX = {
    "chaos.chain": 34,
    "chaos.call": 10,
    "chaos.run": 2,
    "chaos.rerun": 1,
    "chaos.judged": 14,
    "chaos.pair": 14,
    "chaos.unheard": 25,
}
"""How many of a hundred events are of which type."""

Way = Literal["single", "batch", "hook"]


@dataclass(frozen=True, slots=True)
class Outside:
    """An event as the outside world sends it; sent again, it is the same to the byte."""

    id: str
    type: str
    data: dict[str, Any]

    def cloudevent(self) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": SOURCE,
            "type": self.type,
            "data": self.data,
        }


@dataclass(frozen=True, slots=True)
class Shipment:
    """What goes in one request: the same events again if it has to be repeated."""

    events: tuple[Outside, ...]
    way: Way
    again: bool = False
    """It was acknowledged before and is sent once more on purpose."""


def shipments(seed: int, count: int) -> Iterator[Shipment]:
    """`count` events, in requests of one or many."""
    random = Random(seed)  # a plan to be repeated, no secret
    n = 0
    while n < count:
        way: Way = random.choices(("single", "batch", "hook"), (60, 20, 20))[0]
        size = random.randint(2, MOST_IN_A_BATCH) if way == "batch" else 1
        size = min(size, count - n)
        events = tuple(_event(random, seed, n + i) for i in range(size))
        n += size
        yield Shipment(events, way)


def _event(random: Random, seed: int, n: int) -> Outside:
    kind = random.choices(list(_MIX), list(_MIX.values()))[0]
    data: dict[str, Any] = {"n": n}
    if kind == "chaos.judged":
        data |= {"total": random.randint(0, 9), "parts": random.randint(0, 3)}
    elif kind == "chaos.pair":
        data |= {"left": random.random() < 0.5, "right": random.random() < 0.5}
    elif kind in {"chaos.run", "chaos.rerun"}:
        data |= {"milliseconds": random.choice((0, 20, 200, 600))}
    return Outside(f"{seed}-{n}", kind, data)
