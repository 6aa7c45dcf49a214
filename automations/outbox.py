"""The outbox: actions that leave the service, from the firing's commit until they are done.

    waiting ──claim──▶ sending ──▶ done
       ▲                 │ │
       └─ retry, lease ──┘ └─────▶ dead ──replay──▶ waiting

`waiting` is due at `due`. A claim is a lease: while it is `sending`, `due` is when the lease
ends, and an action whose sender died is simply due again then. Whatever a sender writes counts
only as long as its lease is the one that stands, so a sender that comes back late changes
nothing. At least once, with one idempotency key: the action's id.

All verbs work inside the journal's transaction, which is serial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from automations.notices import Chain
from automations.tables import ActionRow
from base.time import Micros
from events.tx import InsertSpec, Tx

_ACTION = InsertSpec(ActionRow)
_CLAIMED = (
    "id, automation, kind, request, attempts, at, due, correlationid, causationid, depth, firing"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """An action that is ours to send until `lease`. `attempts` counts this one too."""

    id: str
    automation: str
    firing: str
    kind: str
    request: dict[str, Any]
    attempts: int
    since: Micros
    lease: Micros
    chain: Chain


async def record(tx: Tx, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows in the order of `ActionRow`. One that exists already fails the transaction."""
    await tx.insert(_ACTION, rows)


async def claim(tx: Tx, limit: int, lease: Micros) -> list[Claimed]:
    """Take what is due, the longest due first."""
    rows = await tx.fetch(
        "UPDATE action SET status = 'sending', attempts = attempts + 1,"
        " due = CAST($1 AS BIGINT) + CAST($2 AS BIGINT)"
        " WHERE id IN (SELECT id FROM action WHERE status IN ('waiting', 'sending')"
        f" AND due <= $1 ORDER BY due, id LIMIT $3) RETURNING {_CLAIMED}",
        tx.now,
        lease,
        limit,
    )
    return [_claimed(row) for row in sorted(rows, key=lambda row: row[0])]


async def next_due(tx: Tx) -> Micros | None:
    """When the next action comes due, or the next lease ends; None where nothing waits."""
    rows = await tx.fetch("SELECT min(due) FROM action WHERE status IN ('waiting', 'sending')")
    due: Micros | None = rows[0][0]
    return due


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


async def release(tx: Tx, actions: Sequence[Claimed]) -> None:
    """Give back what was not sent after all, as if it had not been claimed."""
    for action in actions:
        await tx.execute(
            "UPDATE action SET status = 'waiting', attempts = attempts - 1, due = $3"
            " WHERE id = $1 AND status = 'sending' AND due = $2",
            action.id,
            action.lease,
            tx.now,
        )


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
    id_, automation, kind, request, attempts, at, due, correlationid, causationid, depth, fired = (
        row
    )
    return Claimed(
        id=id_,
        automation=automation,
        firing=fired,
        kind=kind,
        request=orjson.loads(request),
        attempts=attempts,
        since=at,
        lease=due,
        chain=Chain(correlationid, causationid, depth),
    )
