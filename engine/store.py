"""The verbs of runs on the database.

Each works inside the journal's transaction, and these are serial: what is read here cannot
change before it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal

import orjson

from base.time import Micros
from engine.run import Run, RunState
from engine.state import Refused, Signal, Step, advance
from engine.tables import ACTIVE, OWNED, WAITING, RunRow
from events.tx import InsertSpec, Tx

_COLUMNS = tuple(field.name for field in fields(Run))
_SELECT = ", ".join(_COLUMNS)
_INSERT = InsertSpec(RunRow, columns=_COLUMNS, conflict="nothing")
_CHANGING = {
    "state": "text",
    "attempt": "integer",
    "revision": "integer",
    "due": "bigint",
    "started": "bigint",
    "ended": "bigint",
    "worker": "text",
    "lease_until": "bigint",
    "retried": "integer",
    "message": "text",
    "code": "text",
    "result": "text",
    "depth": "integer",
    "last_event": "text",
}
_SET = ", ".join(f"{name} = v.{name}" for name in _CHANGING)
_EXTRACT = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in _CHANGING)
_TYPED = ", ".join(f"{name} {kind}" for name, kind in _CHANGING.items())
_SAVE = {
    "sqlite": (
        f"UPDATE run SET {_SET} FROM (SELECT json_extract(value, '$.id') AS id, {_EXTRACT} "
        "FROM json_each($1)) AS v WHERE run.id = v.id AND run.revision < v.revision"
    ),
    "postgresql": (
        f"UPDATE run SET {_SET} FROM json_to_recordset(CAST(CAST($1 AS text) AS json)) "
        f"AS v(id text, {_TYPED}) WHERE run.id = v.id AND run.revision < v.revision"
    ),
}
_READY_FLOWS = "(SELECT name FROM flow WHERE NOT paused AND problem IS NULL)"


async def insert(tx: Tx, runs: Sequence[Run]) -> None:
    """Insert runs that are not there yet; one whose id is known is left as it is."""
    await tx.insert(_INSERT, [_row(run) for run in runs])


async def get(tx: Tx, ids: Sequence[str]) -> dict[str, Run]:
    """The runs of these ids, as far as they exist."""
    rows = await tx.fetch(f"SELECT {_SELECT} FROM run WHERE id {tx.any(1, 'text')}", list(ids))
    return {run.id: run for run in map(from_row, rows)}


async def save(tx: Tx, runs: Sequence[Run]) -> None:
    """Write where these runs stand, all in one statement."""
    if runs:
        changes = [
            {"id": run.id, **{name: getattr(run, name) for name in _CHANGING}} for run in runs
        ]
        await tx.execute(_SAVE[tx.dialect], orjson.dumps(changes).decode())


async def apply(tx: Tx, signals: Sequence[tuple[str, Signal]]) -> list[Step | Refused | None]:
    """Send each run its signal, in order, and save what became of them.

    One answer for each signal; None where there is no such run.
    """
    runs = await get(tx, list({run_id for run_id, _ in signals}))
    answers: list[Step | Refused | None] = []
    changed: dict[str, Run] = {}
    for run_id, signal in signals:
        run = runs.get(run_id)
        answer = advance(run, signal, tx.now) if run else None
        if isinstance(answer, Step):
            runs[run_id] = changed[run_id] = answer.run
        answers.append(answer)
    await save(tx, list(changed.values()))
    return answers


async def due(tx: Tx, pool: str, flows: Sequence[str], limit: int) -> list[Run]:
    """Runs of this pool and these flows that wait and are due; those due first come first.

    A flow that is paused, or whose file is broken or gone, keeps its runs waiting.
    """
    rows = await tx.fetch(
        f"SELECT {_SELECT} FROM run WHERE {WAITING} AND due <= $1 "
        f"AND flow {tx.any(2, 'text')} AND flow IN {_READY_FLOWS} AND pool = $3 "
        "ORDER BY due, id LIMIT $4",
        tx.now,
        list(flows),
        pool,
        limit,
    )
    return [from_row(row) for row in rows]


async def next_due(tx: Tx) -> Micros | None:
    """When the next waiting run comes due that is not due yet."""
    rows = await tx.fetch(f"SELECT MIN(due) FROM run WHERE {WAITING} AND due > $1", tx.now)
    value: Micros | None = rows[0][0]
    return value


async def renew(tx: Tx, worker: str, lease_until: Micros) -> list[Run]:
    """Extend the leases of all that a worker owns; returns them."""
    rows = await tx.fetch(
        f"UPDATE run SET lease_until = $1 WHERE worker = $2 AND {OWNED} RETURNING {_SELECT}",
        lease_until,
        worker,
    )
    return [from_row(row) for row in rows]


async def put_right(tx: Tx, lease_until: Micros) -> None:
    """After the clock was set back: nothing is put off, or owned, for longer than was asked for."""
    await tx.execute(
        "UPDATE run SET due = $1 + (due - scheduled), scheduled = $1"
        f" WHERE {WAITING} AND scheduled > $1 AND due > $1",
        tx.now,
    )
    await tx.execute(
        f"UPDATE run SET lease_until = $1 WHERE {OWNED} AND lease_until > $1", lease_until
    )


async def lost(tx: Tx, at: Micros, limit: int, *, survivor: str | None = None) -> list[Run]:
    """Owned runs whose lease has run out at this time; with `survivor`, all that another worker owns."""
    if survivor is None:
        where, argument = "lease_until < $1", at
    else:
        where, argument = "worker <> $1", survivor  # type: ignore[assignment]  # the one parameter of either condition
    rows = await tx.fetch(
        f"SELECT {_SELECT} FROM run WHERE {OWNED} AND {where} ORDER BY id LIMIT $2",
        argument,
        limit,
    )
    return [from_row(row) for row in rows]


async def overdue(tx: Tx, after: Micros, limit: int) -> list[Run]:
    """Scheduled runs that should have started more than `after` ago and are not held back on purpose."""
    rows = await tx.fetch(
        f"SELECT {_SELECT} FROM run WHERE state = 'scheduled' AND due < $1 "
        "AND flow NOT IN (SELECT name FROM flow WHERE paused) ORDER BY due, id LIMIT $2",
        tx.now - after,
        limit,
    )
    return [from_row(row) for row in rows]


async def live(tx: Tx, of: Literal["flow", "automation"], name: str, limit: int) -> list[Run]:
    """The runs of a flow, or that a rule set off, that have not ended and are not asked to.

    They are found among all that have not ended, and not among all that a flow ever had.
    """
    rows = await tx.fetch(
        f"WITH live AS MATERIALIZED (SELECT id, {of} FROM run WHERE {ACTIVE} "
        f"AND state <> 'cancelling') SELECT {_SELECT} FROM run "
        f"WHERE id IN (SELECT id FROM live WHERE {of} = $1 ORDER BY id LIMIT $2) ORDER BY id",
        name,
        limit,
    )
    return [from_row(row) for row in rows]


async def set_flow_paused(tx: Tx, flow: str, *, paused: bool) -> bool | None:
    """Whether that changed anything; None where there is no such flow."""
    if not await tx.fetch("SELECT 1 FROM flow WHERE name = $1", flow):
        return None
    sql = "UPDATE flow SET paused = $1 WHERE name = $2 AND paused <> $1"
    return await tx.execute(sql, paused, flow) > 0


async def by_idempotency_key(tx: Tx, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The ids of the runs that already carry these (flow, key)s."""
    if not keys:
        return {}
    rows = await tx.fetch(
        f"SELECT flow, idempotency_key, id FROM run WHERE flow {tx.any(1, 'text')} "
        f"AND idempotency_key {tx.any(2, 'text')}",
        list({flow for flow, _ in keys}),
        list({key for _, key in keys}),
    )
    return {(flow, key): run_id for flow, key, run_id in rows}


def from_row(row: Sequence[Any]) -> Run:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["tags"] = tuple(orjson.loads(values["tags"]))
    values["retry_delays"] = tuple(orjson.loads(values["retry_delays"]))
    values["state"] = RunState(values["state"])
    return Run(**values)


def _row(run: Run) -> tuple[Any, ...]:
    return tuple(_plain(getattr(run, name)) for name in _COLUMNS)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return orjson.dumps(value).decode()
    return value.value if isinstance(value, RunState) else value
