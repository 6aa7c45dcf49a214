"""Reading flows, runs and what they said, for whoever shows them. Pages go on behind a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import and_, case, literal, text, tuple_
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.time import SECOND, Micros
from engine.flow import flow_name
from engine.log_lines import LogLine
from engine.run import SHOWN_PARAMETERS, TERMINAL, RunState
from engine.tables import (
    ACTIVE,
    OWNED,
    UNWELL,
    FlowProblemRow,
    FlowRow,
    RunLogRow,
    RunRow,
    TaskRunRow,
    WorkerRow,
)


@dataclass(frozen=True, slots=True)
class KnownFlow:
    """A flow as it was last found. `problem` says why it cannot run now; then its runs wait."""

    name: str
    file: str
    function: str
    content_hash: str
    description: str | None
    parameters: Mapping[str, Any]
    """JSON Schema of an object."""
    tags: Sequence[str]
    retries: int
    retry_delays: Sequence[float]
    timeout: float | None
    paused: bool
    problem: str | None
    registered: Micros
    updated: Micros

    @classmethod
    def of(cls, row: FlowRow) -> KnownFlow:
        return cls(
            name=row.name,
            file=row.file,
            function=row.function,
            content_hash=row.content_hash,
            description=row.description,
            parameters=orjson.loads(row.signature),
            tags=orjson.loads(row.tags),
            retries=row.retries,
            retry_delays=[delay / SECOND for delay in orjson.loads(row.retry_delays)],
            timeout=row.timeout / SECOND if row.timeout is not None else None,
            paused=row.paused,
            problem=row.problem,
            registered=row.registered,
            updated=row.updated,
        )


@dataclass(frozen=True, slots=True)
class FlowProblem:
    """Something wrong with a flow file; `line` is None where it is not known."""

    file: str
    line: int | None
    message: str
    at: Micros


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run, for people. `duration` is in seconds, of the last attempt."""

    id: str
    flow: str
    state: str
    attempt: int
    parameters: Mapping[str, Any]
    tags: Sequence[str]
    pool: str
    due: Micros
    scheduled: Micros
    started: Micros | None
    ended: Micros | None
    duration: float | None
    message: str | None
    code: str | None
    result: Any
    worker: str | None
    retries: int
    retried: int
    automation: str | None
    firing: str | None
    action: str | None
    correlationid: str
    depth: int

    @classmethod
    def of(cls, row: Any) -> KnownRun:
        took = None
        if row.started is not None and row.ended is not None:
            took = max(row.ended - row.started, 0) / SECOND
        return cls(
            id=row.id,
            flow=row.flow,
            state=row.state,
            attempt=row.attempt,
            parameters=orjson.loads(row.parameters),
            tags=orjson.loads(row.tags),
            pool=row.pool,
            due=row.due,
            scheduled=row.scheduled,
            started=row.started,
            ended=row.ended,
            duration=took,
            message=row.message,
            code=row.code,
            result=orjson.loads(row.result) if row.result is not None else None,
            worker=row.worker,
            retries=row.retries,
            retried=row.retried,
            automation=row.automation,
            firing=row.firing,
            action=row.action,
            correlationid=row.correlationid,
            depth=row.depth,
        )


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task within a run, as it last reported."""

    id: str
    name: str
    key: str
    state: str
    attempt: int
    started: Micros
    ended: Micros | None
    message: str | None


@dataclass(frozen=True, slots=True)
class KnownWorker:
    """A worker process; `seen` is its last heartbeat, `active` how many runs it owns."""

    id: str
    host: str
    pid: int
    pool: str
    slots: int
    state: str
    started: Micros
    seen: Micros
    active: int


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs; what is None does not matter. `since` and `until` are of their making."""

    flow: str | None = None
    states: Sequence[str] = ()
    automation: str | None = None
    correlationid: str | None = None
    since: Micros | None = None
    until: Micros | None = None


async def flows(
    session: AsyncSession, *, after: str | None = None, limit: int = 100
) -> list[KnownFlow]:
    """By name."""
    statement = select(FlowRow).order_by(col(FlowRow.name)).limit(limit)
    if after is not None:
        statement = statement.where(col(FlowRow.name) > after)
    return [KnownFlow.of(row) for row in await session.exec(statement)]


async def flow(session: AsyncSession, name: str) -> KnownFlow | None:
    """In either spelling."""
    row = (await session.exec(select(FlowRow).where(FlowRow.name == flow_name(name)))).first()
    return KnownFlow.of(row) if row else None


async def flow_problems(session: AsyncSession) -> list[FlowProblem]:
    """What the last discovery found wrong, by file and line."""
    order = (col(FlowProblemRow.file), col(FlowProblemRow.line))
    rows = await session.exec(select(FlowProblemRow).order_by(*order))
    return [FlowProblem(row.file, row.line or None, row.message, row.at) for row in rows]


async def runs(
    session: AsyncSession,
    wanted: RunFilter | None = None,
    *,
    after: str | None = None,
    limit: int = 100,
) -> list[KnownRun]:
    """The newest first; `after` is the id of the last run of the page before.

    Parameters and results that are too long to be shown among others are replaced by where they
    are, as in events.
    """
    wanted = wanted or RunFilter()
    statement: Any = select(*_listed()).order_by(col(RunRow.id).desc()).limit(limit)
    if wanted.flow is not None:
        statement = statement.where(RunRow.flow == flow_name(wanted.flow))
    if wanted.states:
        statement = statement.where(_in(wanted.states))
    if wanted.automation is not None:
        statement = statement.where(RunRow.automation == wanted.automation)
    if wanted.correlationid is not None:
        statement = statement.where(RunRow.correlationid == wanted.correlationid)
    if wanted.since is not None:
        statement = statement.where(RunRow.scheduled >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(RunRow.scheduled < wanted.until)
    if after is not None:
        statement = statement.where(col(RunRow.id) < after)
    return [KnownRun.of(row) for row in await session.exec(statement)]


def _in(states: Sequence[str]) -> Any:
    """Only in these states; said so that the database sees which index serves."""
    wanted = col(RunRow.state).in_(states) if len(states) > 1 else col(RunRow.state) == states[0]
    if TERMINAL.isdisjoint(states):
        return and_(wanted, text(ACTIVE))
    if TERMINAL.issuperset(states) and RunState.COMPLETED not in states:
        return and_(wanted, text(UNWELL))
    return wanted


def _listed() -> list[Any]:
    """The columns of a run in a list."""
    columns = RunRow.__table__.columns  # type: ignore[attr-defined]  # SQLModel adds it
    return [
        _shown(column).label(column.name) if column.name in {"parameters", "result"} else column
        for column in columns
    ]


def _shown(column: Any) -> Any:
    """A column that may be long, or where to find it."""
    reference = literal('{"$ref": "/api/runs/') + col(RunRow.id) + literal('"}')
    return case((func.length(column) > SHOWN_PARAMETERS, reference), else_=column)


async def run(session: AsyncSession, id_: str) -> KnownRun | None:
    row = (await session.exec(select(RunRow).where(RunRow.id == id_))).first()
    return KnownRun.of(row) if row else None


async def logs(
    session: AsyncSession, run_id: str, *, after: int = 0, limit: int = 1_000
) -> list[LogLine]:
    """In the order in which they were said; `after` is the `seq` of the last line known."""
    statement = (
        select(RunLogRow)
        .where(RunLogRow.run == run_id, col(RunLogRow.seq) > after)
        .order_by(col(RunLogRow.seq))
        .limit(limit)
    )
    return [
        LogLine(row.run, row.seq, row.time, row.level, row.logger, row.message, row.task)
        for row in await session.exec(statement)
    ]


async def tasks(
    session: AsyncSession,
    run_id: str,
    *,
    after: tuple[Micros, str] | None = None,
    limit: int = 1_000,
) -> list[KnownTask]:
    """In the order in which they began; `after` is when the last one known did, and its id."""
    order = (col(TaskRunRow.started), col(TaskRunRow.id))
    statement = select(TaskRunRow).where(TaskRunRow.run == run_id).order_by(*order).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(*order) > after)
    return [
        KnownTask(
            id=row.id,
            name=row.name,
            key=row.key,
            state=row.state,
            attempt=row.attempt,
            started=row.started,
            ended=row.ended,
            message=row.message,
        )
        for row in await session.exec(statement)
    ]


async def workers(session: AsyncSession) -> list[KnownWorker]:
    """Those online first, then by when they were last heard of."""
    owned = await _owned_by_worker(session)
    order = (col(WorkerRow.state).desc(), col(WorkerRow.seen).desc())
    return [
        KnownWorker(
            id=row.id,
            host=row.host,
            pid=row.pid,
            pool=row.pool,
            slots=row.slots,
            state=row.state,
            started=row.started,
            seen=row.seen,
            active=owned.get(row.id, 0),
        )
        for row in await session.exec(select(WorkerRow).order_by(*order).limit(1_000))
    ]


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many runs are in each of the states that are not over."""
    statement: Any = select(RunRow.state, func.count()).where(text(ACTIVE)).group_by(RunRow.state)
    return dict((await session.exec(statement)).all())


async def _owned_by_worker(session: AsyncSession) -> dict[str, int]:
    statement: Any = select(RunRow.worker, func.count()).where(text(OWNED)).group_by(RunRow.worker)
    return dict((await session.exec(statement)).all())
