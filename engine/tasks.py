"""Tasks within a run: what they reported last, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from base.ids import derived_id
from base.time import Micros
from engine import store
from engine.run import Run, RunState
from events.event import Event
from events.tx import Tx

STATES: Final = frozenset({"running", "retrying", "completed", "failed", "timed_out"})
_ENDED: Final = STATES - {"running", "retrying"}
_ALIVE: Final = (RunState.RUNNING, RunState.CANCELLING)
_FIELDS: Final = {
    "id": "text",
    "run": "text",
    "name": "text",
    "key": "text",
    "state": "text",
    "attempt": "integer",
    "started": "bigint",
    "ended": "bigint",
    "message": "text",
}
_NAMES: Final = ", ".join(_FIELDS)
_UPSERT: Final = (
    f"INSERT INTO task_run ({_NAMES}) SELECT {_NAMES} FROM %s WHERE true "
    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, "
    "ended = excluded.ended, message = excluded.message WHERE task_run.run = excluded.run"
)
_SOURCES: Final = {
    "sqlite": "(SELECT "
    + ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in _FIELDS)
    + " FROM json_each($1)) AS v",
    "postgresql": "json_to_recordset(CAST(CAST($1 AS text) AS json)) AS v("
    + ", ".join(f"{name} {kind}" for name, kind in _FIELDS.items())
    + ")",
}


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What a task of a run says of itself; `run_attempt` fences it."""

    run: str
    run_attempt: int
    id: str
    name: str
    key: str
    state: str
    attempt: int
    time: Micros
    message: str | None = None


async def record(tx: Tx, reports: Sequence[TaskReport]) -> list[Event]:
    """Store what tasks report and return the events; what a lost attempt says is dropped."""
    if not reports:
        return []
    runs = await store.get(tx, list({report.run for report in reports}))
    events: list[Event] = []
    rows: dict[str, dict[str, Any]] = {}
    for report in reports:
        run = runs.get(report.run)
        if run is None or run.attempt != report.run_attempt or run.state not in _ALIVE:
            continue
        events.append(_event(run, report, tx.now))
        started = rows[report.id]["started"] if report.id in rows else report.time
        rows[report.id] = {
            "id": report.id,
            "run": report.run,
            "name": report.name,
            "key": report.key,
            "state": report.state,
            "attempt": report.attempt,
            "started": started,
            "ended": report.time if report.state in _ENDED else None,
            "message": report.message,
        }
    if rows:
        statement = _UPSERT % _SOURCES[tx.dialect]
        await tx.execute(statement, orjson.dumps(list(rows.values())).decode())
    return events


def _event(run: Run, report: TaskReport, now: Micros) -> Event:
    return Event(
        id=derived_id(report.time, report.id, report.state, str(report.attempt)),
        source=f"/flows/{run.flow}",
        type=f"ensue.task.{report.state}",
        subject=run.id,
        time=report.time,
        received=now,
        data={
            "flow": run.flow,
            "run": run.id,
            "task": report.id,
            "name": report.name,
            "key": report.key,
            "state": report.state,
            "attempt": report.attempt,
            "message": report.message,
        },
        correlationid=run.correlationid,
        causationid=run.last_event,
        depth=run.depth,
    )
