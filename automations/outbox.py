"""The outbox: actions that leave the service, from the firing's commit until they are done.

    waiting ──claim──▶ sending ──▶ done
       ▲                 │ │
       └─ retry, lease ──┘ └─────▶ dead ──replay──▶ waiting

`waiting` is due at `due`. A claim is a lease: while it is `sending`, `due` is when the lease
ends, and an action whose sender died is simply due again then. Whatever a sender writes counts
only as long as its lease is the one that stands, so a sender that comes back late changes
nothing. At least once, with one idempotency key: the action's id.

Each target has a queue of its own: what is due is found by target, and so many of its actions
are taken as it has free slots. One that is down fills its own slots and nobody else's.

All verbs work inside the journal's transaction, which is serial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from automations.notices import Chain
from automations.tables import ActionRow
from base.time import SECOND, Micros
from events.tx import InsertSpec, Tx

LONGEST: Final[Micros] = 60 * SECOND
"""What sending takes at most, where the request names no `timeout` of its own."""

_ACTION = InsertSpec(ActionRow)
_OPEN = "status IN ('waiting', 'sending')"
_CLAIMED = (
    "id, automation, firing, kind, target, request, result, attempts, at, due,"
    " correlationid, causationid, depth"
)
# From one target to the next by the index, however many actions each of them has.
_QUEUES = (
    f"WITH RECURSIVE t(target) AS (SELECT min(target) FROM action WHERE {_OPEN} UNION ALL"
    f" SELECT (SELECT min(target) FROM action WHERE {_OPEN} AND target > t.target)"
    " FROM t WHERE t.target IS NOT NULL)"
    f" SELECT target, (SELECT min(due) FROM action WHERE {_OPEN} AND action.target = t.target)"
    " FROM t WHERE target IS NOT NULL"
)
_TIMEOUT = {
    "sqlite": f"coalesce(json_extract(request, '$.timeout'), {LONGEST})",
    "postgresql": f"coalesce(CAST(CAST(request AS json) ->> 'timeout' AS bigint), {LONGEST})",
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """An action that is ours to send until `lease`. `attempts` counts this one too."""

    id: str
    automation: str
    firing: str
    kind: str
    target: str
    request: dict[str, Any]
    attempts: int
    since: Micros
    lease: Micros
    chain: Chain
    before: dict[str, Any] = field(default_factory=dict)
    """What the last attempt left, if there was one."""


async def record(tx: Tx, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows in the order of `ActionRow`. One that exists already fails the transaction."""
    await tx.insert_soon(_ACTION, rows)


async def queues(tx: Tx) -> dict[str, Micros]:
    """The targets that something waits for or is being sent to, and when the first is due."""
    rows = await tx.fetch(_QUEUES)
    return {target: due for target, due in rows}  # noqa: C416 - rows are not pairs to mypy


async def claim(tx: Tx, target: str, limit: int, margin: Micros) -> list[Claimed]:
    """Take what is due for a target, the longest due first.

    A lease lasts for as long as the sending may take, and the margin: so what a dead sender had
    is sent again soon, and what is being sent is not.
    """
    rows = await tx.fetch(
        "UPDATE action SET status = 'sending', attempts = attempts + 1,"
        f" due = CAST($2 AS BIGINT) + CAST($3 AS BIGINT) + {_TIMEOUT[tx.dialect]}"
        f" WHERE id IN (SELECT id FROM action WHERE {_OPEN}"
        f" AND target = $1 AND due <= $2 ORDER BY due, id LIMIT $4) RETURNING {_CLAIMED}",
        target,
        tx.now,
        margin,
        limit,
    )
    return [_claimed(row) for row in sorted(rows, key=lambda row: row[0])]


async def recover(tx: Tx) -> int:
    """End all leases: for a server that is alone, when it starts. How many there were."""
    return await tx.execute(
        "UPDATE action SET status = 'waiting', due = $1 WHERE status = 'sending'", tx.now
    )


async def put_right(tx: Tx) -> None:
    """After the clock was set back: nothing waits for longer than it would have."""
    await tx.execute(
        "UPDATE action SET due = $1 + (due - at), at = $1"
        " WHERE status = 'waiting' AND at > $1 AND due > $1",
        tx.now,
    )


async def succeed(tx: Tx, action: Claimed, result: dict[str, Any]) -> bool:
    """It is done. False where the lease was lost, and nothing was written."""
    return await _end(tx, action, "done", result=result)


async def fail(
    tx: Tx, action: Claimed, *, code: str, message: str, result: dict[str, Any] | None
) -> bool:
    """It is dead: not tried again unless somebody replays it. False where the lease was lost."""
    return await _end(tx, action, "dead", code=code, message=message, result=result)


async def retry(
    tx: Tx, action: Claimed, due: Micros, *, code: str, message: str, result: dict[str, Any] | None
) -> bool:
    """Try it again when it is due. False where the lease was lost."""
    return await _end(tx, action, "waiting", due=due, code=code, message=message, result=result)


async def replay(tx: Tx, ids: Sequence[str]) -> list[str]:
    """Send dead ones again, from the first attempt; the ids of those that were dead."""
    rows = await tx.fetch(
        "UPDATE action SET status = 'waiting', attempts = 0, at = $2, due = $2"
        f" WHERE status = 'dead' AND id {tx.any(1, 'text')} RETURNING id",
        list(ids),
        tx.now,
    )
    return sorted(row[0] for row in rows)


async def _end(
    tx: Tx,
    action: Claimed,
    status: str,
    *,
    due: Micros | None = None,
    code: str | None = None,
    message: str | None = None,
    result: dict[str, Any] | None = None,
) -> bool:
    changed = await tx.execute(
        "UPDATE action SET status = $3, due = $4, code = $5, message = $6, result = $7"
        " WHERE id = $1 AND status = 'sending' AND due = $2",
        action.id,
        action.lease,
        status,
        due,
        code,
        message,
        None if result is None else orjson.dumps(result).decode(),
    )
    return changed > 0


def _claimed(row: Sequence[Any]) -> Claimed:
    id_, automation, firing, kind, target, request, result, attempts, at, due, *chain = row
    return Claimed(
        id=id_,
        automation=automation,
        firing=firing,
        kind=kind,
        target=target,
        request=orjson.loads(request),
        before=orjson.loads(result) if result else {},
        attempts=attempts,
        since=at,
        lease=due,
        chain=Chain(*chain),
    )
