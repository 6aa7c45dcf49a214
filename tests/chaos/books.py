"""What the service has on its disk, read straight from its tables and put into plain values."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A row of the log."""

    position: int
    id: str
    source: str
    type: str
    subject: str | None
    depth: int
    correlationid: str
    causationid: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class Firing:
    id: str
    automation: str
    trigger: int
    event: str
    """The last that took part; empty where a clock fired."""
    outcome: str
    actions: int


@dataclass(frozen=True, slots=True)
class Action:
    id: str
    firing: str
    n: int
    kind: str
    status: str
    code: str | None
    result: Any


@dataclass(frozen=True, slots=True)
class FlowRun:
    id: str
    flow: str
    state: str
    attempt: int
    action: str | None
    parameters: Any


@dataclass(frozen=True, slots=True)
class Books:
    events: Sequence[LogEvent] = field(default_factory=list)
    """In the order of the log."""
    firings: Sequence[Firing] = field(default_factory=list)
    actions: Sequence[Action] = field(default_factory=list)
    runs: Sequence[FlowRun] = field(default_factory=list)


_EVENTS = (
    "SELECT position, id, source, type, subject, depth, correlationid, causationid, data "
    "FROM event ORDER BY position"
)
_FIRINGS = 'SELECT id, automation, "trigger", events, outcome, actions FROM firing ORDER BY id'
_ACTIONS = "SELECT id, firing, n, kind, status, code, result FROM action ORDER BY id"
_RUNS = "SELECT id, flow, state, attempt, action, parameters FROM run ORDER BY id"
_OPEN = {
    "events to evaluate": "SELECT count(*) FROM pending",
    "actions to send": "SELECT count(*) FROM action WHERE status IN ('waiting', 'sending')",
    "runs to end": (
        "SELECT count(*) FROM run WHERE state NOT IN "
        "('completed', 'failed', 'crashed', 'cancelled', 'timed_out', 'skipped')"
    ),
}


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the tables are: a file, or the URL of a PostgreSQL database."""

    path: Path | None = None
    url: str = ""

    @property
    def address(self) -> str:
        """As `--database` takes it."""
        return self.url or str(self.path)

    async def read(self) -> Books:
        """Everything; to be called when nothing is written any more."""
        return Books(
            events=[LogEvent(*_parsed(row)) for row in await self._rows(_EVENTS)],
            firings=[_firing(row) for row in await self._rows(_FIRINGS)],
            actions=[Action(*_parsed(row)) for row in await self._rows(_ACTIONS)],
            runs=[FlowRun(*_parsed(row)) for row in await self._rows(_RUNS)],
        )

    async def open_work(self) -> dict[str, int]:
        """What is not done yet, by name; empty when all is quiet."""
        left = {name: (await self._rows(sql))[0][0] for name, sql in _OPEN.items()}
        return {name: count for name, count in left.items() if count}

    async def times(self, type_: str) -> list[int]:
        """When the events of a type were, in microseconds, in the order of the log."""
        sql = f"SELECT time FROM event WHERE type = '{type_}' ORDER BY position"
        return [row[0] for row in await self._rows(sql)]

    async def delays(self) -> list[float]:
        """How long after its time each timer was taken, in seconds."""
        rows = await self._rows("SELECT received - time FROM event WHERE type = 'ensue.timer.due'")
        return [row[0] / 1e6 for row in rows]

    async def next_timer(self) -> int | None:
        """When the next timer comes due, in microseconds."""
        rows = await self._rows("SELECT min(due) FROM timer")
        return None if rows[0][0] is None else int(rows[0][0])

    async def flows(self) -> int:
        """How many flows are known."""
        return int((await self._rows("SELECT count(*) FROM flow"))[0][0])

    async def end_leases(self) -> None:
        """What a server that is dead had claimed to send comes due now, not when its lease ends.

        Only while no server runs: then whatever is claimed is a dead one's.
        """
        now = time.time_ns() // 1_000
        sql = f"UPDATE action SET due = {now} WHERE status = 'sending' AND due > {now}"
        if self.path is not None:
            with closing(sqlite3.connect(self.path)) as connection, connection:
                connection.execute(sql)
            return
        remote = await asyncpg.connect(self.url)
        try:
            await remote.execute(sql)
        finally:
            await remote.close()

    async def damage(self) -> list[str]:
        """What the database itself finds wrong with its file."""
        if self.path is None:
            return []
        rows = await self._rows("PRAGMA integrity_check")
        return [row[0] for row in rows if row[0] != "ok"]

    async def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        if self.path is not None:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
                return connection.execute(sql).fetchall()
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()


def _json(text: str | bytes | None) -> Any:
    return None if text is None else json.loads(text)


def _parsed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with its last column, which is JSON, read."""
    return (*row[:-1], _json(row[-1]))


def _firing(row: tuple[Any, ...]) -> Firing:
    id_, automation, trigger, events, outcome, actions = row
    return Firing(id_, automation, trigger, (json.loads(events) or [""])[-1], outcome, actions)
