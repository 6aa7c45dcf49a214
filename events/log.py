"""The log: all events in the one order, written by the journal, read by everyone.

Writing takes the journal's transaction; reading takes a session and never blocks writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson
from sqlalchemy import Select, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from base.time import Micros
from events import type_index
from events.event import Event, Stored
from events.tables import EventRow, EventTypeRow, PendingRow
from events.tx import Head, InsertSpec, Tx

if TYPE_CHECKING:
    from events.seen import Seen

MAX_PAGE = 1_000

APPEND = InsertSpec(EventRow)
# SQLite's driver looks for an adapter for every value that is None or of type bytes, which costs as
# much as binding four others: so most events are written without their cause, and with a bytearray.
_FIRST = InsertSpec(EventRow, tuple(name for name in APPEND.columns if name != "causationid"))
_MARK = InsertSpec(PendingRow)
_COLUMNS = ", ".join(f"e.{name}" for name in APPEND.columns)
HEAD = {
    dialect: "SELECT coalesce((SELECT max(position) FROM event), 0),"
    f" EXISTS (SELECT 1 FROM pending), {epoch}"
    for dialect, epoch in (
        ("sqlite", "0"),
        ("postgresql", "coalesce((SELECT number FROM epoch WHERE id = 1), 0)"),
    )
}
_NO_ATTRIBUTES: Mapping[str, Any] = {}


async def append(tx: Tx, events: Sequence[tuple[int, Event]]) -> None:
    """Write events at the positions the journal gave them."""
    await tx.insert(*rows(events))


def rows(events: Sequence[tuple[int, Event]]) -> tuple[InsertSpec, list[tuple[Any, ...]]]:
    """How events at these positions are written: the statement, and its rows."""
    if any([event.causationid is not None for _, event in events]):  # noqa: C419 - a generator is slower
        return APPEND, [row(position, event) for position, event in events]
    return _FIRST, [
        (
            position,
            e.id,
            e.source,
            e.type,
            e.subject,
            e.time,
            e.received,
            e.depth,
            e.correlationid,
            orjson.dumps(e.attributes).decode() if e.attributes else None,
            bytearray(e.encoded) if e.has_data else None,
        )
        for position, e in events
    ]


def row(position: int, e: Event) -> tuple[Any, ...]:
    """The event as a row with all columns, in their order."""
    return (
        position,
        e.id,
        e.source,
        e.type,
        e.subject,
        e.time,
        e.received,
        e.depth,
        e.correlationid,
        e.causationid,
        orjson.dumps(e.attributes).decode() if e.attributes else None,
        e.encoded if e.has_data else None,
    )


async def head(tx: Tx) -> Head:
    """The end of the log, read."""
    rows = await tx.fetch(HEAD[tx.dialect])
    position, waiting, epoch = rows[0]
    return Head(int(position), bool(waiting), int(epoch))


async def mark_pending(tx: Tx, positions: Sequence[int]) -> None:
    await tx.insert(_MARK, [(position,) for position in positions])


async def forget_pending(tx: Tx, positions: Sequence[int]) -> None:
    await tx.execute(
        f"DELETE FROM pending WHERE position {tx.any(1, 'bigint')}",
        list(positions),
    )


async def pending(tx: Tx, limit: int) -> list[Stored]:
    """The events that have waited longest for their evaluation, in order."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM pending p JOIN event e ON e.position = p.position "
        "ORDER BY p.position LIMIT $1",
        limit,
    )
    return [stored(row) for row in rows]


async def at(tx: Tx, positions: Sequence[int]) -> list[Stored]:
    """The events at these positions, as far as they are there, in order."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM event e WHERE e.position {tx.any(1, 'bigint')}"
        " ORDER BY e.position",
        list(positions),
    )
    return [stored(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Query:
    """Which events: globs on type and source, exact subject and chain, times half-open."""

    type: str | None = None
    source: str | None = None
    subject: str | None = None
    since: Micros | None = None
    until: Micros | None = None
    correlationid: str | None = None
    order: Literal["asc", "desc"] = "desc"
    after: int | None = None
    """A position: the page goes on behind it, in the direction of `order`."""
    limit: int = 100


async def find(session: AsyncSession, query: Query, seen: Seen | None = None) -> list[Stored]:
    """One page, at most 1,000 events; of a chain, its first event too where `seen` is given."""
    statement: Any = select(*EventRow.__table__.columns)  # type: ignore[attr-defined]  # SQLModel adds it
    sqlite = session.get_bind().dialect.name == "sqlite"
    for column, glob in ((EventRow.type, query.type), (EventRow.source, query.source)):
        if glob is not None:
            statement = _matching(statement, col(column), glob, sqlite=sqlite)
    if query.subject is not None:
        statement = statement.where(col(EventRow.subject) == query.subject)
    if query.since is not None:
        statement = statement.where(col(EventRow.time) >= query.since)
    if query.until is not None:
        statement = statement.where(col(EventRow.time) < query.until)
    if query.correlationid is not None:
        first = await seen.positions(session, query.correlationid) if seen else []
        statement = statement.where(_of_chain(query.correlationid, first))
    position = col(EventRow.position)
    if query.after is not None:
        beyond = position > query.after if query.order == "asc" else position < query.after
        statement = statement.where(beyond)
    statement = statement.order_by(position if query.order == "asc" else position.desc())
    limit = min(query.limit, MAX_PAGE)
    if not sqlite or query.type is None or query.correlationid is not None:
        return [stored(row) for row in await session.exec(statement.limit(limit))]
    listed = _matching(type_index.listed(), col(EventTypeRow.type), query.type, sqlite=True)
    rows: list[Any] = []
    for part in await type_index.parts(session, query, listed):
        rows += await session.exec(statement.where(part).limit(limit - len(rows)))
        if len(rows) >= limit:
            break
    return [stored(row) for row in rows]


async def by_id(session: AsyncSession, seen: Seen, id_: str) -> Stored | None:
    """The event of this id; of several, from different sources, the latest."""
    positions = await seen.positions(session, id_)
    statement: Any = (
        select(*EventRow.__table__.columns)  # type: ignore[attr-defined]  # SQLModel adds it
        .where(col(EventRow.position).in_(positions), EventRow.id == id_)
        .order_by(col(EventRow.position).desc())
        .limit(1)
    )
    row = (await session.exec(statement)).first()
    return stored(row) if row else None


async def chain(session: AsyncSession, seen: Seen, correlationid: str) -> list[Stored]:
    """The first event of a chain and what came of it, in order, at most 1,000."""
    return await find(
        session, Query(correlationid=correlationid, order="asc", limit=MAX_PAGE), seen
    )


async def last_position(session: AsyncSession) -> int:
    statement: Any = select(func.max(EventRow.position))
    return (await session.exec(statement)).one() or 0


def _of_chain(correlationid: str, first: Sequence[int]) -> Any:
    # The condition of the partial index, so that it is the one used.
    derived = select(EventRow.position).where(
        EventRow.correlationid == correlationid, col(EventRow.causationid).is_not(None)
    )
    position = col(EventRow.position)
    begins = position.in_(first) & (col(EventRow.correlationid) == correlationid)
    return position.in_(derived) | begins if first else position.in_(derived)


def _matching(statement: Select[Any], column: Any, glob: str, *, sqlite: bool) -> Select[Any]:
    """A glob as a condition; on SQLite one that an index serves where the head is literal.

    PostgreSQL orders text by the rules of some language, so ranges of text say nothing there;
    with the order of bytes ("C") it makes use of its index for LIKE by itself.
    """
    head_ = glob.split("*", 1)[0].split("?", 1)[0]
    if head_ == glob:
        return statement.where(column == glob)
    if not sqlite:
        pattern = "".join(
            {"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"}.get(c, c) for c in glob
        )
        return statement.where(column.like(pattern, escape="\\"))
    if head_:
        statement = statement.where(column >= head_, column < head_ + "\U0010ffff")
    if glob == head_ + "*":
        return statement
    # Not LIKE, which takes no notice of case there.
    return statement.where(column.op("GLOB")(glob.replace("[", "[[]")))


def stored(row: Sequence[Any]) -> Stored:
    """The event of a row with all columns, in their order."""
    (
        position,
        id_,
        source,
        type_,
        subject,
        time,
        received,
        depth,
        correlation,
        cause,
        extra,
        data,
    ) = row
    event = Event(
        id=id_,
        source=source,
        type=type_,
        time=time,
        received=received,
        subject=subject,
        data=orjson.loads(data) if data is not None else None,
        attributes=orjson.loads(extra) if extra else _NO_ATTRIBUTES,
        correlationid=correlation,
        causationid=cause,
        depth=depth,
        encoded=data or b"",
    )
    return Stored(position, event)
