"""The tables of the triggers floor: what triggers remember between events.

A window is what one trigger, or one node of a nested trigger, knows of one key. `path` names
the node (`""` is the trigger itself, `"1.0"` the first member of its second); `key` is
canonical JSON, for 1 and 1.0 are one key. Times are microseconds since the epoch.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from events.tables import big


class WindowRow(SQLModel, table=True):
    """What is remembered of a key, but for the events: those are rows of their own."""

    __tablename__ = "window"
    __table_args__ = (Index("window_updated", "updated"), {"sqlite_with_rowid": False})

    automation: str = Field(primary_key=True)
    trigger: int = Field(primary_key=True)
    path: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    newest: int | None = Field(sa_column=big(nullable=True))
    """The newest event time seen: lateness is measured against it."""
    content: str
    """What else there is, small; see `triggers.window`."""
    firing: str | None
    """The id of the firing that told of the condition, while it holds."""
    updated: int = Field(sa_column=big())
    """The day on which it last changed: so that its index is seldom written."""


class MemberRow(SQLModel, table=True):
    """An event in a window: it comes and goes by itself, so that no window is a growing text."""

    __tablename__ = "member"
    __table_args__ = ({"sqlite_with_rowid": False},)

    automation: str = Field(primary_key=True)
    trigger: int = Field(primary_key=True)
    path: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    time: int = Field(sa_column=big(primary_key=True))
    position: int = Field(sa_column=big(primary_key=True))
    part: int = Field(primary_key=True)
    """Which member or step it fills, 0 where there is one only."""
    content: str
    """Its value, and the events behind it where a nested trigger made it; see `triggers.window`."""


class TimerRow(SQLModel, table=True):
    """When a window is to be looked at again, though nothing may have come."""

    __tablename__ = "timer"
    __table_args__ = (Index("timer_due", "due"), {"sqlite_with_rowid": False})

    automation: str = Field(primary_key=True)
    trigger: int = Field(primary_key=True)
    path: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    due: int = Field(sa_column=big())
