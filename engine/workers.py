"""The workers that are known, and the events of their coming and going."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from base.ids import derived_id
from base.time import Micros
from engine.lease import clock
from engine.tables import WorkerRow
from events.event import Event
from events.tx import InsertSpec, Tx

_INSERT = InsertSpec(
    WorkerRow,
    ("id", "host", "pid", "pool", "slots", "started", "seen", "state"),
    conflict="nothing",
)


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker process; its id is of this process and never used again."""

    id: str
    host: str
    pid: int
    pool: str
    slots: int


async def arrive(tx: Tx, worker: WorkerInfo) -> list[Event]:
    at = await clock(tx)
    row = (worker.id, worker.host, worker.pid, worker.pool, worker.slots, tx.now, at, "online")
    await tx.insert(_INSERT, [row])
    return [_event(tx.now, worker.id, worker.host, "online", worker.pool)]


async def leave(tx: Tx, worker: str) -> list[Event]:
    rows = await tx.fetch(
        "UPDATE worker SET state = 'offline', seen = $1 WHERE id = $2 AND state = 'online' "
        "RETURNING id, host, pool",
        await clock(tx),
        worker,
    )
    return [_event(tx.now, id_, host, "offline", pool) for id_, host, pool in rows]


async def beat(tx: Tx, worker: str, at: Micros) -> None:
    await tx.execute("UPDATE worker SET seen = $1, state = 'online' WHERE id = $2", at, worker)


async def bury(tx: Tx, at: Micros, silent_for: Micros) -> list[Event]:
    """Workers not heard of for so long are offline; long forgotten ones are removed."""
    rows = await tx.fetch(
        "UPDATE worker SET state = 'offline' WHERE state = 'online' AND seen < $1 "
        "RETURNING id, host, pool",
        at - silent_for,
    )
    await tx.execute(
        "DELETE FROM worker WHERE state = 'offline' AND seen < $1", at - 2_000 * silent_for
    )
    return [_event(tx.now, id_, host, "offline", pool) for id_, host, pool in rows]


def _event(now: Micros, worker: str, host: str, state: str, pool: str) -> Event:
    data: dict[str, Any] = {"worker": worker, "host": host, "pool": pool, "state": state}
    return Event(
        id=derived_id(now, worker, state),
        source=f"/workers/{worker}",
        type=f"ensue.worker.{state}",
        subject=worker,
        time=now,
        received=now,
        data=data,
    )
