"""Events a second through the index, beside a linear scan over the same compiled rules.

The mix: 80 % of the rules name one type, 18 % listen to `x.*`, the rest to everything;
each has one to three conditions on the data; events are of about 336 bytes, already
parsed, and meet about four of 10,000 rules. One core, matching only.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks.report import Figure
from triggers.index import Index
from triggers.selector import Selector

DOMAINS = [f"area{number}" for number in range(20)]
VERBS = [
    "created",
    "changed",
    "paid",
    "shipped",
    "failed",
    "closed",
    "opened",
    "sent",
    "seen",
    "lost",
]
COUNTRIES = [f"{first}{second}" for first in "ABCDEFGH" for second in "EILNR"]
CHANNELS = [f"channel-{number}" for number in range(12)]
SHOPS = [f"shop-{number}" for number in range(50)]
SIZES = (1, 100, 1_000, 10_000)
GOALS = {1_000: 120_000, 10_000: 20_000}


def make_event(rng: random.Random) -> dict[str, Any]:
    """The root of an event of about 336 bytes."""
    number = rng.randrange(10**9)
    return {
        "specversion": "1.0",
        "id": f"01890a5d-ac96-774b-bcce-{number:012d}",
        "source": "/shops/europe",
        "type": f"{rng.choice(DOMAINS)}.{rng.choice(VERBS)}",
        "subject": f"order-{number}",
        "time": "2030-01-01T12:00:00Z",
        "data": {
            "total": rng.randrange(1_000),
            "country": rng.choice(COUNTRIES),
            "channel": rng.choice(CHANNELS),
            "shop": rng.choice(SHOPS),
            "sku": f"{rng.choice('ABCDEFGHJK')}{rng.choice('MNPQRSTXYZ')}-{number % 1_000}",
            "customer": {
                "id": number,
                "name": "Augusta Ada King Lovelace",
                "new": rng.random() < 0.5,
            },
        },
    }


def make_rule(rng: random.Random) -> dict[str, Any]:
    conditions: dict[str, Any] = {
        "country": [rng.choice(COUNTRIES)],
        "channel": [rng.choice(CHANNELS)],
        "shop": [rng.choice(SHOPS)],
        "total": [{"numeric": [">=", rng.randrange(900, 1_000)]}],
        "sku": [{"prefix": rng.choice("ABCDEFGHJK") + rng.choice("MNPQRSTXYZ")}],
    }
    fields = rng.sample(sorted(conditions), rng.choice((1, 2, 3)))
    kind = rng.random()
    area = rng.choice(DOMAINS)
    glob = f"{area}.{rng.choice(VERBS)}" if kind < 0.8 else f"{area}.*" if kind < 0.98 else "*"
    return {"type": glob, "match": {"data": {name: conditions[name] for name in fields}}}


def rate(
    ask: Callable[[dict[str, Any]], Any], events: list[dict[str, Any]], seconds: float
) -> float:
    """Calls a second, going round the events, measured for about so long."""
    done, start = 0, perf_counter()
    while (elapsed := perf_counter() - start) < seconds:
        for event in events[done % len(events) :][:50]:
            ask(event)
        done += 50
    return done / elapsed


def scan(compiled: list[Callable[..., bool]], root: dict[str, Any]) -> list[int]:
    return [key for key, test in enumerate(compiled) if test(root)]


def build(selectors: list[Selector]) -> Index[int]:
    index: Index[int] = Index()
    for key, selector in enumerate(selectors):
        index.add(key, selector)
    return index


def change_costs(index: Index[int], selectors: list[Selector]) -> tuple[float, float]:
    """Microseconds for adding and for removing one rule beside those that are there."""
    extra = selectors[:500]
    start = perf_counter()
    for key, selector in enumerate(extra, start=len(selectors)):
        index.add(key, selector)
    middle = perf_counter()
    for key in range(len(selectors), len(selectors) + len(extra)):
        index.remove(key)
    return (middle - start) / len(extra) * 1e6, (perf_counter() - middle) / len(extra) * 1e6


def run(*, seconds: float) -> Iterator[Figure]:
    """The index at each size, beside a scan over the same compiled rules."""
    rng = random.Random(7)
    events = [make_event(rng) for _ in range(1_000)]
    size = sum(len(json.dumps(event, separators=(",", ":"))) for event in events) / len(events)
    for count in SIZES:
        selectors = [Selector.parse(make_rule(rng)) for _ in range(count)]
        index = build(selectors)
        compiled = [selector.compile() for selector in selectors]
        fast = rate(index.match, events, seconds)
        slow = rate(partial(scan, compiled), events, seconds)
        matches = sum(len(index.match(event)) for event in events) / len(events)
        add, remove = change_costs(index, selectors)
        note = f"{size:.0f} bytes, {matches:.2f} matches, add {add:.0f} µs, remove {remove:.0f} µs"
        how = f"of a scan, {slow:,.0f}/s"
        name = f"index alone, {count:,} rules"
        yield Figure(name, fast, "/s", GOALS.get(count), fast / slow, how, note)
