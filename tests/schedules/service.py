"""The service as far as rules go, over a real database, with a clock that is turned by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import text

from automations.firing_sink import FiringRecorder
from automations.proposal import Proposal
from automations.reach import Reach
from automations.rule import Rule as ServedRule
from automations.rulebook import Rulebook
from automations.ruleset import Ruleset
from automations.starting import RunStarter, Started
from base.database import Address, Database
from base.time import Micros
from engine.steerer import RunSteerer
from events import envelope
from events.change import Change
from events.journal import Journal
from events.store import open_seen, open_writer
from tests.schedules import moves
from tests.schedules.model import Row
from tests.schedules.moves import Move
from tests.schedules.schedule import Schedule
from triggers.evaluator import TriggerEvaluator
from triggers.timers import Timers
from triggers.windows import Windows


class _NoRuns:
    async def start(self, _tx: Any, _requests: Any) -> Started:
        return Started([], [])


_STARTER: RunStarter = _NoRuns()  # type: ignore[assignment]  # no rule here asks for a run


class Life:
    """The service from a start to the next one: all that it does not write down ends with it."""

    def __init__(self, database: Database, clock: Callable[[], Micros]) -> None:
        self.database = database
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self.writer = open_writer(self.database)
        await self.writer.open()
        rules, windows = Ruleset(), Windows()
        reach = Reach(_STARTER, RunSteerer(), rules, windows)
        recorder = FiringRecorder(rules, reach, windows)
        evaluator = TriggerEvaluator(recorder, windows)
        rules.serve(evaluator)
        seen = await open_seen(self.database)
        self.journal = Journal(self.writer, seen, evaluator, clock=self._clock)
        self.book = Rulebook(self.database, self.journal, rules, windows)
        self.journal.subscribe(windows.committed)
        self.journal.subscribe(recorder.committed)
        await self.book.load()
        self.timers = Timers(self.database, self.journal, evaluator, clock=self._clock)
        self._task = asyncio.create_task(self.journal.run())

    async def end(self) -> None:
        if self._task is not None:
            self.journal.drain()
            await self._task
            await self.writer.close()


class Service:
    """Does what moves say."""

    def __init__(self, address: Address, schedules: Mapping[str, Schedule]) -> None:
        self._address = address
        self._schedules = schedules
        self._now: Micros = 0
        self._database: Database | None = None
        self._life: Life | None = None

    async def open(self) -> None:
        """The database alone; nothing is at work yet."""
        self._database = Database(self._address)
        await self._database.open()

    async def close(self) -> None:
        if self._life is not None:
            await self._life.end()
        if self._database is not None:
            await self._database.close()

    async def do(self, move: Move) -> AsyncIterator[Move]:
        """Says so after each of its transactions: timers may take several."""
        self._now = move.now
        if move.kind == "start":
            await self._start()
        elif move.kind == "send":
            await self._send(move)
        elif move.kind == "ring":
            while await self._at_work.timers.ring():
                yield move
        elif move.kind == "define":
            rules = [(ServedRule.parse(one), None) for one in moves.rules(move)]
            await self._at_work.book.apply(Proposal("schedules", rules))
        else:
            for name in move.what:
                await getattr(self._at_work.book, move.kind)(name)
        yield move

    @property
    def _at_work(self) -> Life:
        assert self._life
        return self._life

    async def _send(self, move: Move) -> None:
        told = [
            self._at_work.journal.enqueue(Change(envelope.batch(events, now=move.now)))
            for events in moves.events(move, self._schedules)
        ]
        await asyncio.gather(*told)

    async def _start(self) -> None:
        if self._life is not None:
            await self._life.end()
        if self._database is None:
            await self.open()
        assert self._database
        self._life = Life(self._database, lambda: self._now)
        await self._life.begin()

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        assert self._database
        async with self._database.reader() as session:
            connection = await session.connection()
            return [tuple(row) for row in await connection.execute(text(sql))]

    async def head(self) -> int:
        """How far the log has come."""
        return (await self.rows("SELECT coalesce(max(position), 0) FROM event"))[0][0]

    async def found(self) -> tuple[dict[str, list[Row]], dict[str, int]]:
        """By schedule: what became of firings, and how often something did not count."""
        rows = await self.rows(
            "SELECT id, automation, at, outcome, trigger, key, events, count, actions, reason"
            " FROM firing ORDER BY position, id"
        )
        when = {row[0]: row[2] for row in rows}
        found: dict[str, list[Row]] = {name: [] for name in self._schedules}
        for _, name, at, outcome, trigger, key, events, count, actions, reason in rows:
            if name in found:
                numbers = tuple(int(one.rpartition("-")[2]) for one in orjson.loads(events))
                value = None if key is None else orjson.loads(key)
                of = when.get(reason) if outcome == "resolved" else None
                row = Row(at, outcome, trigger, value, numbers, count, actions > 0, of)
                found[name].append(row)
        errors = await self.rows("SELECT name, errors FROM automation")
        return found, {name: count for name, count in errors if name in found}
