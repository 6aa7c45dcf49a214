"""The automations floor at work on a real database: rules, journal, outbox; runs are only noted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from automations.firing_sink import FiringRecorder
from automations.occasions import Occasions
from automations.proposal import Proposal
from automations.reach import Reach
from automations.rule import Rule
from automations.rulebook import Rulebook
from automations.ruleset import Ruleset
from automations.starting import Refusal, Started
from base.database import Database
from base.ids import new_id
from base.time import Micros, now
from engine.steerer import RunSteerer
from events.change import Change
from events.event import Event, Stored
from events.journal import Journal
from triggers.evaluator import TriggerEvaluator
from triggers.timers import Timers
from triggers.windows import Windows


@dataclass
class NotedRuns:
    """A run starter that knows every flow but `missing`."""

    requests: list[Any] = field(default_factory=list)
    calls: int = 0

    async def start(self, tx, requests):
        self.calls += 1
        self.requests += requests
        outcomes = [
            Refusal("flow_unknown", f"there is no flow {r.flow}") if r.flow == "missing" else r.id
            for r in requests
        ]
        events = [
            Event(
                id=new_id(),
                source=f"/flows/{r.flow}",
                type="ensue.run.scheduled",
                time=tx.now,
                received=tx.now,
                subject=r.id,
                correlationid=r.correlationid,
                causationid=r.causationid,
                depth=r.depth,
            )
            for r in requests
            if r.flow != "missing"
        ]
        return Started(events, outcomes)


class World:
    """What a test touches."""

    def __init__(
        self,
        database: Database,
        variables: dict[str, Any] | None = None,
        starter: Any = None,
    ) -> None:
        self.database = database
        self.rules = Ruleset()
        self.starter = starter or NotedRuns()
        self.windows = Windows()
        reach = Reach(self.starter, RunSteerer(), self.rules, self.windows)
        self.recorder = FiringRecorder(self.rules, reach, self.windows, variables=variables)
        self.evaluator = TriggerEvaluator(self.recorder, self.windows, variables=variables)
        self.rules.serve(self.evaluator)
        self.stored: list[Stored] = []
        self.journal: Journal
        self.book: Rulebook
        self.occasions: Occasions
        self.timers: Timers

    async def begin(self, journal: Journal, clock: Callable[[], Micros] = now) -> None:
        self.journal = journal
        self.book = Rulebook(self.database, journal, self.rules, self.windows)
        self.book.on_resumed = self.recorder.forget
        journal.subscribe(self.windows.committed)
        journal.subscribe(self.recorder.committed)
        journal.subscribe(self.stored.extend)
        self.occasions = Occasions(journal, self.rules, self.recorder, self.evaluator)
        await self.book.load()
        self.timers = Timers(self.database, journal, self.evaluator, clock=clock)

    async def apply(self, *definitions: dict[str, Any], origin: str = "test", prune: bool = True):
        rules = [(Rule.parse(definition), None) for definition in definitions]
        return await self.book.apply(Proposal(origin, rules, prune=prune))

    async def send(self, *events: Event):
        return await self.journal.submit(Change(events))

    async def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.database.reader() as session:
            connection = await session.connection()
            return [tuple(row) for row in await connection.execute(text(sql), values)]

    async def ring(self) -> None:
        """Let all timers ring that are due."""
        while await self.timers.ring():
            pass

    def told(self, type_: str) -> list[Event]:
        """The stored events of a type, in the order of the log."""
        return [one.event for one in self.stored if one.event.type == type_]


@pytest.fixture
def open_world(running):
    """`async with open_world(database) as world`."""

    @contextlib.asynccontextmanager
    async def opened(database: Database, **options: Any) -> AsyncIterator[World]:
        world = World(database, options.pop("variables", None), options.pop("starter", None))
        async with running(database, world.evaluator, **options) as journal:
            await world.begin(journal, options.get("clock", now))
            yield world

    return opened


@pytest.fixture
async def world(database, open_world):
    async with open_world(database) as world:
        yield world


@pytest.fixture
def event():
    """Makes events of the outside world."""

    def make(type_: str = "order.created", **attributes: Any) -> Event:
        at = attributes.pop("at", None) or now()
        given = {"id": new_id(), "source": "/shop", "time": at, "received": at}
        return Event(type=type_, **{**given, **attributes})

    return make
