"""The tables of the events floor: the log and what belongs to taking events in.

Times are microseconds since the epoch; JSON is text, in the bytes that came.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary
from sqlmodel import Field, SQLModel

from base.schema import index


def big(*, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    """A column for positions and times: 64 bits on both databases."""
    return Column(BigInteger, primary_key=primary_key, nullable=nullable, autoincrement=False)


class EventRow(SQLModel, table=True):
    """The log. `position` is commit order is evaluation order."""

    __tablename__ = "event"
    __table_args__ = (
        # SQLite has `EventTypeRow` for it.
        Index("event_type_time", "type", "time").ddl_if(dialect="postgresql"),
        # Chains are followed from what they derived: the first event is found by its own id.
        index("event_correlation", "correlationid", where="causationid IS NOT NULL"),
    )

    position: int = Field(sa_column=big(primary_key=True))
    id: str
    source: str
    type: str
    subject: str | None
    time: int = Field(sa_column=big())
    received: int = Field(sa_column=big())
    depth: int
    correlationid: str
    causationid: str | None
    attributes: str | None
    """The other attributes, as a JSON object; null where there are none."""
    data: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    """The JSON text of `data`; null where the event has none."""


class EventSegmentRow(SQLModel, table=True):
    """A stretch of the log on SQLite of which is written down where each type is."""

    __tablename__ = "event_segment"
    __table_args__ = ({"sqlite_with_rowid": False},)

    last: int = Field(sa_column=big(primary_key=True))
    first: int = Field(sa_column=big())
    earliest: int = Field(sa_column=big())
    """Of the times of its events, as `latest`."""
    latest: int = Field(sa_column=big())


class EventTypeRow(SQLModel, table=True):
    """Where in a segment the events of a type are (see `type_index.py`)."""

    __tablename__ = "event_type"
    __table_args__ = ({"sqlite_with_rowid": False},)

    segment: int = Field(sa_column=big(primary_key=True))
    """Its last position."""
    type: str = Field(primary_key=True)
    positions: str
    """A JSON array, in order."""


class SeenRow(SQLModel, table=True):
    """Which events were taken, on PostgreSQL: the memory of deduplication (see `seen.py`)."""

    __tablename__ = "seen"
    # Old rows are found by their place on disk, and seldom.
    __table_args__ = (index("seen_at", "at", postgresql_using="brin"),)

    key: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    position: int = Field(sa_column=big())
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: int = Field(sa_column=big())


class SeenTailRow(SQLModel, table=True):
    """The newest of them on SQLite, in the order of the log (see `segmented_seen.py`)."""

    __tablename__ = "seen_tail"

    position: int = Field(sa_column=big(primary_key=True))
    """That of the last record in the row."""
    at: int = Field(sa_column=big())
    records: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SeenBlockRow(SQLModel, table=True):
    """The older ones on SQLite, in segments of 64 blocks (see `segmented_seen.py`)."""

    __tablename__ = "seen_block"

    id: int = Field(sa_column=big(primary_key=True))
    newest: int = Field(sa_column=big())
    """When the newest of its segment was taken."""
    records: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SeenFilterRow(SQLModel, table=True):
    """The filter over them, written down now and then, in parts (see `id_filter.py`)."""

    __tablename__ = "seen_filter"

    id: int = Field(sa_column=big(primary_key=True))
    """Of part `p` of group `g`: `16 g + p`."""
    bits: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PendingRow(SQLModel, table=True):
    """Events stored but not yet evaluated, because a change derived more than its bound."""

    __tablename__ = "pending"

    position: int = Field(sa_column=big(primary_key=True))


class EpochRow(SQLModel, table=True):
    """One row, where servers share a database (see `epoch.py`)."""

    __tablename__ = "epoch"

    id: int = Field(primary_key=True)
    number: int = Field(sa_column=big())


class ReplayRow(SQLModel, table=True):
    """Deliveries whose id is not signed, by what is signed: the body. Kept for `replay_window`."""

    __tablename__ = "replay"
    __table_args__ = (Index("replay_at", "at"),)

    key: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    event: str
    at: int = Field(sa_column=big())


class DeliveryRow(SQLModel, table=True):
    """What came to a hook and what became of it. Secrets are redacted before they get here."""

    __tablename__ = "delivery"
    __table_args__ = (Index("delivery_hook", "hook", "id"),)

    id: str = Field(primary_key=True)
    hook: str
    at: int = Field(sa_column=big())
    status: str
    code: str | None
    message: str | None
    event: str | None
    remote: str | None
    headers: str
    size: int
