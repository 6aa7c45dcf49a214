"""Reading what triggers remember, for whoever shows it."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from triggers.tables import MemberRow, WindowRow
from triggers.window import FRESH, Member, WindowState
from triggers.windows import WindowKey

MOST_MEMBERS = 10_000
"""Of a window that is shown: the newest."""


async def window(session: AsyncSession, key: WindowKey) -> WindowState:
    """What is remembered under this key; nothing where there is no such window."""
    row = (
        await session.exec(
            select(WindowRow).where(
                WindowRow.automation == key.automation,
                WindowRow.trigger == key.trigger,
                WindowRow.path == key.path,
                WindowRow.key == key.key,
            )
        )
    ).first()
    if row is None:
        return FRESH
    found: Any = (
        select(MemberRow)
        .where(
            MemberRow.automation == key.automation,
            MemberRow.trigger == key.trigger,
            MemberRow.path == key.path,
            MemberRow.key == key.key,
        )
        .order_by(col(MemberRow.time).desc(), col(MemberRow.position).desc())
        .limit(MOST_MEMBERS)
    )
    members = [
        Member.read(one.time, one.position, one.part, one.content)
        for one in await session.exec(found)
    ]
    return WindowState.read(row.newest, row.content, members)
