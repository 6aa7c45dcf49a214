"""Reading what triggers remember, for whoever shows it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import and_, col, exists, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.time import Micros
from triggers.tables import MemberRow, WindowRow
from triggers.window import FRESH, Member, WindowState
from triggers.windows import WindowKey

MOST_MEMBERS: Final = 10_000
"""Of a window that is shown: the newest."""
_WINDOW: Final[tuple[Any, ...]] = (
    col(WindowRow.key), col(WindowRow.newest), col(WindowRow.content), col(WindowRow.firing),
)  # fmt: skip
_MEMBER: Final[tuple[Any, ...]] = (
    col(MemberRow.key), col(MemberRow.time), col(MemberRow.position),
    col(MemberRow.part), col(MemberRow.content),
)  # fmt: skip
STRIDE: Final = 2_000
"""Windows that one look passes over at most: a few milliseconds."""


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


@dataclass(frozen=True, slots=True)
class Found:
    """A window; without `whole`, with the newest `MOST_MEMBERS` of its members only."""

    key: WindowKey
    state: WindowState
    firing: str | None
    whole: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Windows in the order of their keys; `after` is the key behind which to go on, or None."""

    windows: Sequence[Found]
    after: str | None


async def stretch(
    session: AsyncSession,
    place: WindowKey,
    *,
    after: str | None,
    since: Micros | None,
    limit: int,
) -> Page:
    """Windows of one node that know something, behind the key `after`; `place.key` is not asked.

    To know something is to wait, to hold, or to have a member of `since` or later; with None
    members are neither looked for nor read. One look passes over `STRIDE` windows at most: there
    may be none in it and more behind it.
    """
    here = [_at(WindowRow, place)]
    if after is not None:
        here.append(col(WindowRow.key) > after)
    by_key: Any = select(WindowRow.key).where(*here).order_by(col(WindowRow.key))
    end = (await session.exec(by_key.offset(STRIDE - 1).limit(1))).first()
    if end is not None:
        here.append(col(WindowRow.key) <= end)
    found: Any = select(*_WINDOW).where(*here, _knowing(place, since))
    rows = (await session.exec(found.order_by(col(WindowRow.key)).limit(limit))).all()
    windows = await _with_members(session, place, rows, since)
    if len(windows) < len(rows) or len(rows) == limit:
        end = windows[-1].key.key
    return Page(windows, end)


async def windows_of(
    session: AsyncSession, place: WindowKey, keys: Collection[str], *, since: Micros | None
) -> Sequence[Found]:
    """Those of the node's windows that have one of these keys."""
    found: Any = select(*_WINDOW).where(_at(WindowRow, place), col(WindowRow.key).in_(keys))
    rows = (await session.exec(found.order_by(col(WindowRow.key)))).all()
    return await _with_members(session, place, rows, since)


def _at(table: type[WindowRow | MemberRow], place: WindowKey) -> Any:
    return and_(
        col(table.automation) == place.automation,
        col(table.trigger) == place.trigger,
        col(table.path) == place.path,
    )


def _knowing(place: WindowKey, since: Micros | None) -> Any:
    waits = col(WindowRow.content) != ""
    if since is None:
        return waits
    members = exists().where(
        _at(MemberRow, place),
        col(MemberRow.key) == col(WindowRow.key),
        col(MemberRow.time) >= since,
    )
    return or_(waits, members)


async def _with_members(
    session: AsyncSession, place: WindowKey, rows: Sequence[Any], since: Micros | None
) -> list[Found]:
    """As many as may have their members in memory together; at least one."""
    read = [] if since is None else await _members(session, place, [r.key for r in rows], since)
    if len(read) > MOST_MEMBERS:
        return await _one_by_one(session, place, rows, since)
    by_key: dict[str, list[Member]] = {}
    for key, member in read:
        by_key.setdefault(key, []).append(member)
    return [_found(place, row, by_key.get(row.key, ())) for row in rows]


async def _one_by_one(
    session: AsyncSession, place: WindowKey, rows: Sequence[Any], since: Micros | None
) -> list[Found]:
    windows: list[Found] = []
    many = 0
    for row in rows:
        read = await _members(session, place, [row.key], since or 0)
        many += len(read)
        if windows and many > MOST_MEMBERS:
            break
        members = [member for _, member in read[:MOST_MEMBERS]]
        windows.append(_found(place, row, members, whole=len(read) <= MOST_MEMBERS))
    return windows


async def _members(
    session: AsyncSession, place: WindowKey, keys: Sequence[str], since: Micros
) -> list[tuple[str, Member]]:
    """The newest of each key; one more than `MOST_MEMBERS` where there are more."""
    found: Any = (
        select(*_MEMBER)
        .where(_at(MemberRow, place), col(MemberRow.key).in_(keys), col(MemberRow.time) >= since)
        # Backwards through the primary key, so that no more is read than is wanted.
        .order_by(*(column.desc() for column in _MEMBER[:3]))
        .limit(MOST_MEMBERS + 1)
    )
    return [
        (key, Member.read(time, position, part, content))
        for key, time, position, part, content in await session.exec(found)
    ]


def _found(place: WindowKey, row: Any, members: Sequence[Member], *, whole: bool = True) -> Found:
    key = place._replace(key=row.key)
    return Found(key, WindowState.read(row.newest, row.content, members), row.firing, whole)
