"""The tables of the automations floor: rules, firings, actions.

Times are microseconds since the epoch; JSON is text.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from base.schema import index
from events.tables import big


class AutomationRow(SQLModel, table=True):
    """A rule, by its name: the last good definition, and how it fares.

    `definition` is null where there never was a good one; `problems` say what is wrong with the
    newest content of its file, while the last good definition goes on working.
    """

    __tablename__ = "automation"

    name: str = Field(primary_key=True)
    revision: int
    origin: str
    """Who brought it: `directory`, `api`, …; it goes when its origin no longer has it."""
    file: str | None
    line: int | None
    definition: str | None
    """JSON: the rule as it was written."""
    digest: str
    """Of the definition: the revision rises when it changes."""
    trigger_digest: str
    """Of the normalised triggers: what they remember is kept as long as it stays."""
    enabled: bool
    shadow: bool
    paused: bool = False
    pause_reason: str | None = None
    created: int = Field(sa_column=big())
    updated: int = Field(sa_column=big())
    problems: str | None = None
    """JSON: a list of message, code, file, line, column, hint."""
    firings: int = Field(default=0, sa_column=big())
    last_fired: int | None = Field(default=None, sa_column=big(nullable=True))
    errors: int = Field(default=0, sa_column=big())
    in_a_row: int = Field(default=0, sa_column=big())
    """Errors since the rule last had an answer, or was changed: see `triggers.erring`."""
    last_error: str | None = None
    """JSON: at, code, message, event, trigger."""


class AppliedRow(SQLModel, table=True):
    """What each copy of an origin applied last, so that a copy that stayed as it was stays quiet."""

    __tablename__ = "applied"

    origin: str = Field(primary_key=True)
    instance: str = Field(primary_key=True)
    """The copy, such as a directory on one host."""
    digest: str
    at: int = Field(sa_column=big())


class FiringRow(SQLModel, table=True):
    """That a rule fired, on what, and what became of it.

    The id derives from the rule, the trigger, the key and the event: that it is the primary key
    is what makes it impossible to fire twice.
    """

    __tablename__ = "firing"
    __table_args__ = (Index("firing_automation", "automation", "id"),)

    id: str = Field(primary_key=True)
    automation: str
    revision: int
    trigger: int
    key: str | None
    """JSON."""
    at: int = Field(sa_column=big())
    count: int
    events: str
    """JSON: the ids of the events that took part, by event time."""
    position: int | None = Field(sa_column=big(nullable=True))
    """Of the last of them in the log, where it was there before."""
    depth: int
    """Of what this firing causes."""
    outcome: str
    """acted, shadow, suppressed, looped; gathered, of a condition that waits with others; or
    resolved, which is no firing but the end of one."""
    reason: str | None
    """Why it was suppressed or cut; where a condition cleared, the id of its firing; where it was
    gathered, the id of the firing that it is a part of."""
    occasion: str | None
    """The id of the replay, or of the firing by hand, that this came from."""
    actions: int
    """How many actions were recorded: those with the ids `<id>.0`, `<id>.1`, …"""


class ActionRow(SQLModel, table=True):
    """An action of a firing: the record of it, and the outbox of what is still to be sent."""

    __tablename__ = "action"
    __table_args__ = (
        index("action_due", "target", "due", where="status IN ('waiting', 'sending')"),
        index("action_dead", "id", where="status = 'dead'"),
    )

    id: str = Field(primary_key=True)
    """`<firing>.<n>`, n being its place in the rule; also its idempotency key."""
    firing: str
    automation: str
    n: int
    kind: str
    status: str
    """done, skipped, failed; or waiting, sending, dead for what leaves the service."""
    attempts: int
    """How often it was tried since it was made, or replayed."""
    at: int = Field(sa_column=big())
    """When it was made, or replayed: where the time it may take is counted from."""
    target: str | None
    """Whom it is sent to, where it leaves the service: each target has its own queue."""
    due: int | None = Field(sa_column=big(nullable=True))
    """waiting: when to send it. sending: when its lease ends and it may be claimed again."""
    request: str | None
    """JSON: what is asked for, as rendered."""
    result: str | None
    """JSON: the id of the run or event, or the response."""
    code: str | None
    message: str | None
    correlationid: str
    causationid: str | None
    depth: int
    """These three are what the events that tell of it carry."""
