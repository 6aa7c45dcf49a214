"""A flow run as a value, and the events that tell of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from base.ids import derived_id
from base.time import SECOND, Micros, to_rfc3339
from events.event import Event

SHOWN_PARAMETERS = 8 * 1024
"""Bytes of parameters (and of a result) that an event carries; above it names where they are."""

DEFAULT_POOL = "default"


class RunState(StrEnum):
    SCHEDULED = "scheduled"
    LATE = "late"
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    SKIPPED = "skipped"


WAITING = frozenset({RunState.SCHEDULED, RunState.LATE, RunState.RETRYING})
"""May be claimed once they are due."""

OWNED = frozenset({RunState.PENDING, RunState.RUNNING, RunState.CANCELLING})
"""Belong to a worker, by a lease."""

TERMINAL = frozenset(
    {
        RunState.CANCELLED,
        RunState.COMPLETED,
        RunState.FAILED,
        RunState.TIMED_OUT,
        RunState.CRASHED,
        RunState.SKIPPED,
    }
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a flow: what it is (never changes) and where it stands.

    `attempt` counts the times a worker claimed it and fences what that worker writes.
    `retries` is how often the engine tries again by itself, `retried` how often it did since a
    person last asked for the run. `parameters` and `result` are JSON text.
    """

    id: str
    flow: str
    due: Micros
    scheduled: Micros
    parameters: str = "{}"
    tags: tuple[str, ...] = ()
    pool: str = DEFAULT_POOL
    retries: int = 0
    retry_delays: tuple[Micros, ...] = ()
    automation: str | None = None
    firing: str | None = None
    action: str | None = None
    idempotency_key: str | None = None
    correlationid: str = ""
    depth: int = 0

    state: RunState = RunState.SCHEDULED
    attempt: int = 0
    retried: int = 0
    worker: str | None = None
    lease_until: Micros | None = None
    started: Micros | None = None
    ended: Micros | None = None
    message: str | None = None
    code: str | None = None
    result: str | None = None
    revision: int = 0
    """Rises with every transition."""
    last_event: str | None = None
    """The id of the event of the last transition; before the first, of what launched the run."""

    @property
    def retry_delay(self) -> Micros:
        """How long the next automatic attempt waits; the last delay given serves for the rest."""
        if not self.retry_delays:
            return 0
        return self.retry_delays[min(self.retried, len(self.retry_delays) - 1)]


def told(run: Run, kind: str, previous: RunState | None, now: Micros) -> tuple[Run, Event]:
    """The event `ensue.run.<kind>` of a transition, and the run that remembers it as its last.

    The id derives from the run and its revision: a transaction that is run again tells the same.
    A run that nothing caused begins a chain of its own.
    """
    event = Event(
        id=derived_id(now, run.id, str(run.revision)),
        source=f"/flows/{run.flow}",
        type=f"ensue.run.{kind}",
        subject=run.id,
        time=now,
        received=now,
        data=_data(run, previous),
        correlationid=run.correlationid,
        causationid=run.last_event,
        depth=run.depth,
    )
    return replace(run, last_event=event.id, correlationid=event.correlationid), event


def _data(run: Run, previous: RunState | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "flow": run.flow,
        "run": run.id,
        "state": run.state.value,
        "previous": previous.value if previous else None,
        "parameters": _shown(run.parameters, run.id),
        "tags": list(run.tags),
        "attempt": run.attempt,
        "scheduled": to_rfc3339(run.due),
        "started": to_rfc3339(run.started) if run.started is not None else None,
        "ended": to_rfc3339(run.ended) if run.ended is not None else None,
        "duration": duration(run),
        "message": run.message,
        "automation": run.automation,
    }
    if run.code:
        data["code"] = run.code
    if run.result is not None:
        data["result"] = _shown(run.result, run.id)
    return data


def duration(run: Run) -> float | None:
    """Seconds that the last attempt took; None where it has not run to an end."""
    if run.started is None or run.ended is None:
        return None
    return max(run.ended - run.started, 0) / SECOND


def _shown(text: str, run_id: str) -> Any:
    if len(text) <= SHOWN_PARAMETERS:
        return orjson.loads(text)
    return {"$ref": f"/api/runs/{run_id}"}
