"""How often the things that events are evaluated by have changed: so that servers see each other's changes.

Whoever changes them says so in the same transaction. Each transaction of the journal begins with
a look at the number (`log.head`), and an evaluator that knows an older one takes over what is new
before it evaluates. On SQLite there is one server, which knows what it does: nothing is written.
"""

from __future__ import annotations

from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from events.tables import EpochRow
from events.tx import Tx


async def advance(tx: Tx) -> None:
    """Say in this transaction that something changed."""
    if tx.dialect == "postgresql":
        await tx.execute(
            "INSERT INTO epoch (id, number) VALUES (1, 1)"
            " ON CONFLICT (id) DO UPDATE SET number = epoch.number + 1"
        )


async def current(session: AsyncSession) -> int:
    """The number as it is committed."""
    statement: Any = select(EpochRow.number).where(col(EpochRow.id) == 1)
    return (await session.exec(statement)).first() or 0
