"""The flows that are known: found in files, kept in the database, told of as events.

A flow whose file breaks or goes is kept, with the reason: its runs wait until it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from base.errors import EnsueError
from base.logs import logger
from base.services import Service
from engine.control import flow_event
from engine.discovery import Discovery, Problem, discover
from engine.flow import Flow
from engine.tables import FlowProblemRow, FlowRow
from events.change import Change, Lane
from events.event import Event
from events.journal import Journal
from events.tx import InsertSpec, Tx

_FOUND = (
    "name",
    "file",
    "function",
    "content_hash",
    "description",
    "signature",
    "tags",
    "retries",
    "retry_delays",
    "timeout",
    "problem",
)
_INSERT = InsertSpec(FlowRow, (*_FOUND, "paused", "registered", "updated"))
_INSERT_PROBLEM = InsertSpec(FlowProblemRow, ("file", "line", "message", "at"), conflict="nothing")
_UPDATE = (
    f"UPDATE flow SET {', '.join(f'{name} = ${n}' for n, name in enumerate(_FOUND[1:], 2))}, "
    f"updated = ${len(_FOUND) + 1} WHERE name = $1"
)

_FIRST_LOOK: Final = 3.0
"""Seconds that a start waits for it where flows are known from before."""

log = logger("registry")


class Registry(Service):
    """The flows of one project directory. `refresh` when its files changed; it does so at start.

    A run of a flow that was never found is refused for good, so starting waits for the first look:
    events and timers, which come when everything has started, find also what is new since the
    last stop. Where flows are known already it waits for some seconds at most, as a look takes
    as long as the imports do.
    """

    def __init__(self, journal: Journal, directory: Path, python: str) -> None:
        super().__init__("registry")
        self.problem: str | None = None
        """Why the flows could not be looked for the last time."""
        self.looked = False
        """Whether the first look is over, whatever it found."""
        self._journal = journal
        self._directory = directory
        self._python = python
        self._flows: Mapping[str, Flow] = {}
        self._looking = asyncio.Lock()

    @property
    def flows(self) -> Mapping[str, Flow]:
        """Those that can run now, by name."""
        return self._flows

    async def open(self) -> None:
        look = self.spawn(self.refresh(), "first-look")
        await asyncio.wait([look], timeout=_FIRST_LOOK if await self._knows_any() else None)

    async def run(self) -> None:
        await self.stopping.wait()

    async def _knows_any(self) -> bool:
        found: list[tuple[Any, ...]] = []

        async def operation(tx: Tx) -> Sequence[Event]:
            found[:] = await tx.fetch("SELECT 1 FROM flow LIMIT 1")
            return ()

        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        return bool(found)

    async def refresh(self) -> Discovery | None:
        """Look again, and store what changed. None if that could not be done: all stays as it was."""
        async with self._looking:
            try:
                found = await discover(self._directory, self._python)
                await self._store(found)
            except EnsueError as error:
                self.problem = error.message
                log.warning("flows_not_found", problem=error.message)
                return None
            finally:
                self.looked = True
            self.problem = None
            return found

    async def _store(self, found: Discovery) -> None:
        async def operation(tx: Tx) -> Sequence[Event]:
            # Known before the events are out: whoever is woken by them looks here.
            self._flows = found.flows
            await _store_problems(tx, found.problems)
            known = await _known(tx)
            events: list[Event] = []
            for flow in found.flows.values():
                events += await _store_flow(tx, flow, known.get(flow.name))
            for name, row in known.items():
                if name not in found.flows:
                    events += await _store_absence(tx, row, found.problems)
            return events

        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))


async def _known(tx: Tx) -> dict[str, tuple[Any, ...]]:
    rows = await tx.fetch(f"SELECT {', '.join(_FOUND)} FROM flow")
    return {row[0]: row for row in rows}


async def _store_flow(tx: Tx, flow: Flow, known: tuple[Any, ...] | None) -> list[Event]:
    row = (
        flow.name,
        flow.file,
        flow.function,
        flow.content_hash,
        flow.description,
        flow.signature.to_json(),
        orjson.dumps(flow.tags).decode(),
        flow.retries,
        orjson.dumps(flow.retry_delays).decode(),
        flow.timeout,
        None,
    )
    if known == row:
        return []
    if known is None:
        await tx.insert(_INSERT, [(*row, False, tx.now, tx.now)])
        kind = "registered"
    else:
        await tx.execute(_UPDATE, *row, tx.now)
        kind = "updated"
    facts = {"file": flow.file, "function": flow.function, "content_hash": flow.content_hash}
    return [flow_event(flow.name, kind, tx.now, **facts, problem=None)]


async def _store_absence(
    tx: Tx, known: tuple[Any, ...], problems: Sequence[Problem]
) -> list[Event]:
    row = dict(zip(_FOUND, known, strict=True))
    reason = f"{row['file']} no longer has it"
    for problem in problems:
        if problem.file == row["file"]:
            place = f"{problem.file}:{problem.line}" if problem.line else problem.file
            reason = f"{place}: {problem.message}"
            break
    if row["problem"] == reason:
        return []
    await tx.execute(
        "UPDATE flow SET problem = $1, updated = $2 WHERE name = $3", reason, tx.now, row["name"]
    )
    facts = {key: row[key] for key in ("file", "function", "content_hash")}
    return [flow_event(row["name"], "updated", tx.now, **facts, problem=reason)]


async def _store_problems(tx: Tx, problems: Sequence[Problem]) -> None:
    await tx.execute("DELETE FROM flow_problem")
    await tx.insert(_INSERT_PROBLEM, [(p.file, p.line, p.message, tx.now) for p in problems])
