"""The rule laboratory: a backtest over the stored events, and the explanation of one of them.

The backtest reads a log of SQLite with 100 rules, some with a condition in CEL, beside the same
reading without any rule; the explanation asks 1,000 rules that all listen to the event's type,
beside matching it alone.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

from automations.backtest import Backtest, Progress
from automations.explain import best, explain
from automations.rule import Rule
from automations.ruleset import Live, Ruleset
from base.database import Address, Database
from base.time import now
from benchmarks.index import build, make_event, make_rule
from benchmarks.report import Figure
from events.change import Change
from events.evaluation import NoRules
from events.event import Event, Stored
from events.history import Stretch, pages, stretch
from events.journal import Journal
from events.store import open_seen, open_writer

RULES = 100
PAUSE = 0.005
EXPLAINED = 1_000
GOAL_SECONDS = 60
"""For 100 rules over a million events."""


def rules(rng: random.Random, count: int) -> list[Rule]:
    """Every fifth has a condition too."""
    made = []
    for number in range(count):
        selector = make_rule(rng)
        trigger: dict[str, Any] = {"event": selector["type"], "match": selector["match"]}
        if not number % 5:
            trigger["where"] = "event.data.total >= 10"
        actions = [{"run": "review", "with": {"total": "${event.data.total}"}}]
        made.append(Rule.parse({"name": f"r{number}", "trigger": trigger, "actions": actions}))
    return made


async def fill(database: Database, count: int, rng: random.Random) -> None:
    writer = open_writer(database)
    await writer.open()
    journal = Journal(writer, await open_seen(database), NoRules())
    task = asyncio.create_task(journal.run())
    for begin in range(0, count, 1_000):
        batch = [stored(rng, begin + n).event for n in range(min(1_000, count - begin))]
        await journal.submit(Change(tuple(batch)))
    journal.drain()
    await task
    await writer.close()


def stored(rng: random.Random, number: int) -> Stored:
    root, at = make_event(rng), now()
    event = Event(
        id=f"{root['id']}-{number}",
        source=root["source"],
        type=root["type"],
        subject=root["subject"],
        time=at,
        received=at,
        data=root["data"],
    )
    return Stored(number + 1, event)


async def read(database: Database, part: Stretch) -> float:
    """Events a second, read and let go."""
    begin = perf_counter()
    async for page in pages(database, part, lambda _: True):
        for _ in page.events:
            pass
    return part.length / (perf_counter() - begin)


async def tried(database: Database, part: Stretch, drafts: list[Rule]) -> tuple[float, int, float]:
    """Events a second, firings, and the seconds of work for which nobody else had the loop."""
    test = Backtest(database, part, drafts, until=now(), bounds=Ruleset(), variables={})
    waited = 0.0
    firings = 0

    async def watch() -> None:
        nonlocal waited
        while True:
            begin = thread_time()
            await asyncio.sleep(PAUSE)
            waited = max(waited, thread_time() - begin - PAUSE)

    watching = asyncio.create_task(watch())
    begin = perf_counter()
    async for item in test.run(1_000):
        firings += not isinstance(item, Progress)
    took = perf_counter() - begin
    watching.cancel()
    return part.length / took, firings + test.left_out, waited


async def backtest(events: int) -> Iterator[Figure]:
    rng = random.Random(7)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        database = Database(Address("sqlite", path=Path(folder) / "log.db"))
        await database.open()
        await fill(database, events, rng)
        part = await stretch(database, 0)
        bare = await read(database, part)
        rate, firings, waited = await tried(database, part, rules(rng, RULES))
        size = await database.size()
        await database.close()
    note = f"{firings:,} firings, {events:,} stored ({size >> 20} MiB), loop held {waited * 1e3:.0f} ms"
    name = f"backtest, {RULES} rules"
    goal = 1_000_000 / GOAL_SECONDS
    how = f"of reading alone, {bare:,.0f}/s"
    return iter([Figure(name, rate, "events/s", goal, rate / bare, how, note)])


def explanation(rounds: int = 20) -> Figure:
    """Of one event by rules that all listen to its type and nearly match."""
    rng = random.Random(7)
    one = stored(rng, 0)
    lives = [
        Live(
            Rule.parse(
                {
                    "name": rule.name,
                    "trigger": {**rule.definition["trigger"][0], "event": one.event.type},
                    "actions": rule.definition["actions"],
                }
            ),
            1,
        )
        for rule in rules(rng, EXPLAINED)
    ]
    bounds = Ruleset()
    begin = perf_counter()
    for _ in range(rounds):
        for live in lives:
            best(explain(live, one, bounds))
    took = (perf_counter() - begin) / rounds * 1e3
    index = build([live.rule.triggers[0].leaves[0].selector for live in lives])
    root = one.event.root()
    begin = perf_counter()
    for _ in range(rounds):
        index.match(root)
    bare = (perf_counter() - begin) / rounds * 1e3
    return Figure(
        f"explain one event, {EXPLAINED:,} rules",
        took,
        "ms",
        100,
        took / bare,
        f"of matching it, {bare:.3f} ms",
        "all of them listen to its type",
        lower_is_better=True,
    )


def run(*, events: int) -> Iterator[Figure]:
    yield from asyncio.run(backtest(events))
    yield explanation()
