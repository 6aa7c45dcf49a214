"""What came to the hooks and what became of it: written with the events, read as lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.ids import new_id
from base.time import Micros
from events.tables import DeliveryRow
from events.tx import InsertSpec, Tx

Outcome = Literal["accepted", "duplicate", "rejected"]

KEPT_REJECTED: Final = 100
"""How many rejected deliveries are kept for each hook."""

_INSERT = InsertSpec(DeliveryRow, conflict="nothing")
_REMEMBER = (
    'INSERT INTO replay ("key", event, at) VALUES ($1, $2, $3) '
    'ON CONFLICT ("key") DO UPDATE SET event = excluded.event, at = excluded.at '
    "WHERE replay.at <= $4 RETURNING event"
)


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One delivery; `headers` are redacted, `event` is the id of the (first) event it became."""

    hook: str
    at: Micros
    status: Outcome
    event: str | None = None
    code: str | None = None
    message: str | None = None
    remote: str | None = None
    headers: Mapping[str, str] | None = None
    size: int = 0
    id: str = ""


async def take_body(tx: Tx, key: bytes, event: str, window: Micros) -> str | None:
    """Remember that this body became this event.

    The id of the earlier event instead, where the same body came within `window` before.
    """
    if await tx.fetch(_REMEMBER, key, event, tx.now, tx.now - window):
        return None
    rows = await tx.fetch('SELECT event FROM replay WHERE "key" = $1', key)
    return str(rows[0][0])


async def record(tx: Tx, deliveries: Sequence[DeliveryRecord]) -> None:
    """Write deliveries; of those rejected only the newest of each hook stay."""
    await tx.insert(
        _INSERT,
        [
            (
                one.id or new_id(one.at),
                one.hook,
                one.at,
                one.status,
                one.code,
                one.message,
                one.event,
                one.remote,
                orjson.dumps(one.headers or {}).decode(),
                one.size,
            )
            for one in deliveries
        ],
    )
    for hook in {one.hook for one in deliveries if one.status == "rejected"}:
        await tx.execute(
            "DELETE FROM delivery WHERE hook = $1 AND status = 'rejected' AND id <= "
            "(SELECT id FROM delivery WHERE hook = $1 AND status = 'rejected' "
            "ORDER BY id DESC LIMIT 1 OFFSET $2)",
            hook,
            KEPT_REJECTED,
        )


@dataclass(frozen=True, slots=True)
class HookFigures:
    """How many deliveries of a hook are kept, and when the last one came."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    last: Micros | None = None


async def figures(session: AsyncSession, hook: str) -> HookFigures:
    statement: Any = (
        select(DeliveryRow.status, func.count(), func.max(DeliveryRow.at))
        .where(DeliveryRow.hook == hook)
        .group_by(col(DeliveryRow.status))
    )
    rows = list(await session.exec(statement))
    counts = {status: count for status, count, _ in rows}
    return HookFigures(
        counts.get("accepted", 0),
        counts.get("duplicate", 0),
        counts.get("rejected", 0),
        max((last for _, _, last in rows), default=None),
    )


async def known(session: AsyncSession, hook: str) -> bool:
    """Whether anything was ever delivered to a hook of this name, as far as is kept."""
    statement: Any = select(DeliveryRow.id).where(DeliveryRow.hook == hook).limit(1)
    return (await session.exec(statement)).first() is not None


async def find(
    session: AsyncSession, hook: str, *, before: str | None = None, limit: int = 100
) -> list[DeliveryRecord]:
    """One page, newest first; `before` is the id of the last of the page before."""
    statement: Any = select(*DeliveryRow.__table__.columns).where(DeliveryRow.hook == hook)  # type: ignore[attr-defined]  # SQLModel adds it
    if before is not None:
        statement = statement.where(col(DeliveryRow.id) < before)
    statement = statement.order_by(col(DeliveryRow.id).desc()).limit(limit)
    return [_record(row) for row in await session.exec(statement)]


def _record(row: Any) -> DeliveryRecord:
    return DeliveryRecord(
        hook=row.hook,
        at=row.at,
        status=row.status,
        event=row.event,
        code=row.code,
        message=row.message,
        remote=row.remote,
        headers=orjson.loads(row.headers),
        size=row.size,
        id=row.id,
    )
