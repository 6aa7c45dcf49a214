"""The tables of the engine: flows, runs, what runs said and did, and the workers.

Times are microseconds since the epoch; JSON is text.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from base.schema import index
from engine import run
from engine.run import RunState
from events.tables import big


def _one_of(*states: RunState) -> str:
    """A condition of an index, and of what is asked of it: spelled alike, it is seen to serve.

    Not `IN`: for that SQLite builds a set, for each index, with each row that it writes, which
    made a change of state more than twice as dear. Nor `OR`, which it looks up one by one in
    another index.
    """
    listed = " ".join(f"WHEN {state.value!r} THEN TRUE" for state in sorted(states))
    return f"(CASE state {listed} ELSE FALSE END)"


WAITING = _one_of(*run.WAITING)
OWNED = _one_of(*run.OWNED)
ACTIVE = _one_of(*(frozenset(RunState) - run.TERMINAL))
UNWELL = _one_of(*(run.TERMINAL - {RunState.COMPLETED}))
"""Those that ended otherwise than they should: there are few of them among many."""


class FlowRow(SQLModel, table=True):
    """A flow as it was last found. What was found stays when its file breaks or goes."""

    __tablename__ = "flow"

    name: str = Field(primary_key=True)
    file: str
    """Relative to the project directory."""
    function: str
    content_hash: str
    description: str | None
    signature: str
    """The JSON Schema of its parameters."""
    tags: str
    retries: int
    retry_delays: str
    """JSON: microseconds before each automatic attempt."""
    timeout: int | None = Field(sa_column=big(nullable=True))
    paused: bool = False
    problem: str | None = None
    """Why it cannot run now: its file is broken, or gone. Its runs wait."""
    registered: int = Field(sa_column=big())
    updated: int = Field(sa_column=big())


class FlowProblemRow(SQLModel, table=True):
    """What discovery found wrong with the flow files the last time."""

    __tablename__ = "flow_problem"

    file: str = Field(primary_key=True)
    line: int = Field(primary_key=True)
    """0 where it is not known."""
    message: str
    at: int = Field(sa_column=big())


class RunRow(SQLModel, table=True):
    """A run, and where it stands. Written only through `engine/store.py`."""

    __tablename__ = "run"
    __table_args__ = (
        index("run_due", "due", "id", where=WAITING),
        index("run_overdue", "due", where="state = 'scheduled'"),
        index("run_active", "state", "id", where=ACTIVE),
        index("run_unwell", "state", "id", where=UNWELL),
        index("run_automation", "automation", "id", where="automation IS NOT NULL"),
        index("run_lease", "lease_until", where=OWNED),
        Index("run_flow", "flow", "id"),
        index(
            "run_idempotency",
            "flow",
            "idempotency_key",
            unique=True,
            where="idempotency_key IS NOT NULL",
        ),
    )

    id: str = Field(primary_key=True)
    flow: str
    state: str
    attempt: int
    revision: int
    due: int = Field(sa_column=big())
    scheduled: int = Field(sa_column=big())
    started: int | None = Field(sa_column=big(nullable=True))
    ended: int | None = Field(sa_column=big(nullable=True))
    worker: str | None
    lease_until: int | None = Field(sa_column=big(nullable=True))
    retries: int
    retried: int
    retry_delays: str
    parameters: str
    tags: str
    pool: str
    message: str | None
    code: str | None
    result: str | None
    automation: str | None
    firing: str | None
    action: str | None
    idempotency_key: str | None
    correlationid: str
    depth: int
    last_event: str | None


class RunLogRow(SQLModel, table=True):
    """A line a run said. `seq` rises within a run, with gaps between attempts."""

    __tablename__ = "run_log"
    __table_args__ = (Index("run_log_time", "time"),)

    run: str = Field(primary_key=True)
    seq: int = Field(sa_column=big(primary_key=True))
    time: int = Field(sa_column=big())
    level: int
    logger: str
    message: str
    task: str | None


class TaskRunRow(SQLModel, table=True):
    """A task within a run, as it last reported."""

    __tablename__ = "task_run"
    __table_args__ = (Index("task_run_run", "run", "started"),)

    id: str = Field(primary_key=True)
    run: str
    name: str
    key: str
    state: str
    attempt: int
    started: int = Field(sa_column=big())
    ended: int | None = Field(sa_column=big(nullable=True))
    message: str | None


class WorkerRow(SQLModel, table=True):
    """A worker process, and when it was last heard of."""

    __tablename__ = "worker"

    id: str = Field(primary_key=True)
    host: str
    pid: int
    pool: str
    slots: int
    started: int = Field(sa_column=big())
    seen: int = Field(sa_column=big())
    state: str
