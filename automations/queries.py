"""Reading rules, firings and actions, for whoever shows them. Pages go on behind a key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from automations.tables import ActionRow, AutomationRow, FiringRow
from base.ids import earliest_id
from base.time import Micros
from events.event import Event

Status = Literal["active", "paused", "disabled", "invalid"]

# In words and not as parameters: so the partial indexes are found.
_DEAD = text("action.status = 'dead'")
_OPEN = text("action.status IN ('waiting', 'sending')")


@dataclass(frozen=True, slots=True)
class Automation:
    """A rule and how it fares.

    `status` is invalid only where there never was a good definition; `problems` are those of
    the newest content, and the definition shown is the one at work. `errors_in_a_row` are those
    since the rule last had an answer: its last so many events all had none.
    """

    name: str
    status: Status
    revision: int
    origin: str
    file: str | None
    line: int | None
    definition: Mapping[str, Any] | None
    shadow: bool
    pause_reason: str | None
    created: Micros
    updated: Micros
    problems: Sequence[Mapping[str, Any]]
    firings: int
    last_fired: Micros | None
    errors: int
    errors_in_a_row: int
    last_error: Mapping[str, Any] | None

    @classmethod
    def of(cls, row: AutomationRow) -> Automation:
        return cls(
            name=row.name,
            status=_status(row),
            revision=row.revision,
            origin=row.origin,
            file=row.file,
            line=row.line,
            definition=_json(row.definition),
            shadow=row.shadow,
            pause_reason=row.pause_reason,
            created=row.created,
            updated=row.updated,
            problems=_json(row.problems) or (),
            firings=row.firings,
            last_fired=row.last_fired,
            errors=row.errors,
            errors_in_a_row=row.in_a_row,
            last_error=_json(row.last_error),
        )


@dataclass(frozen=True, slots=True)
class RecordedAction:
    """An action of a firing, and what became of it.

    `status` is done, skipped, failed, waiting, sending or dead; `due` when it is to be sent, or
    when the lease of its sender ends. `request` and `result` are as they were rendered and came
    back; a secret is in neither.
    """

    id: str
    firing: str
    automation: str
    n: int
    kind: str
    status: str
    attempts: int
    at: Micros
    due: Micros | None
    request: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    code: str | None
    message: str | None

    @classmethod
    def of(cls, row: ActionRow) -> RecordedAction:
        return cls(
            id=row.id,
            firing=row.firing,
            automation=row.automation,
            n=row.n,
            kind=row.kind,
            status=row.status,
            attempts=row.attempts,
            at=row.at,
            due=row.due,
            request=_json(row.request),
            result=_json(row.result),
            code=row.code,
            message=row.message,
        )


@dataclass(frozen=True, slots=True)
class RecordedFiring:
    """A firing, with its actions in the order of the rule.

    `outcome` is acted, shadow, suppressed, looped, gathered or resolved; `events` are ids, by event time; `position`
    is the last one's place in the log.
    """

    id: str
    automation: str
    revision: int
    trigger: int
    key: Any
    at: Micros
    count: int
    events: Sequence[str]
    position: int | None
    outcome: str
    reason: str | None
    occasion: str | None
    actions: Sequence[RecordedAction]


async def automations(
    session: AsyncSession, *, after: str | None = None, limit: int = 100
) -> list[Automation]:
    """By name."""
    statement = select(AutomationRow).order_by(col(AutomationRow.name)).limit(limit)
    if after is not None:
        statement = statement.where(col(AutomationRow.name) > after)
    return [Automation.of(row) for row in await session.exec(statement)]


async def automations_named(session: AsyncSession, names: Collection[str]) -> dict[str, Automation]:
    """Those of these names, as far as they exist."""
    found: dict[str, Automation] = {}
    listed = sorted(names)
    for begin in range(0, len(listed), 500):
        wanted = col(AutomationRow.name).in_(listed[begin : begin + 500])
        rows = await session.exec(select(AutomationRow).where(wanted))
        found |= {row.name: Automation.of(row) for row in rows}
    return found


async def automation(session: AsyncSession, name: str) -> Automation | None:
    row = (await session.exec(select(AutomationRow).where(AutomationRow.name == name))).first()
    return Automation.of(row) if row else None


async def statuses(session: AsyncSession) -> dict[Status, int]:
    """How many rules have each status."""
    counts: dict[Status, int] = {"active": 0, "paused": 0, "disabled": 0, "invalid": 0}
    columns: Any = select(
        AutomationRow.paused, AutomationRow.enabled, col(AutomationRow.definition).is_(None)
    )
    for paused, enabled, missing in await session.exec(columns):
        counts[_named(missing=missing, paused=paused, enabled=enabled)] += 1
    return counts


async def firings(
    session: AsyncSession,
    automation: str | None = None,
    *,
    after: str | None = None,
    limit: int = 100,
) -> list[RecordedFiring]:
    """The newest first: by when the event came in, or somebody asked for the firing."""
    statement = select(FiringRow).order_by(col(FiringRow.id).desc()).limit(limit)
    if automation is not None:
        statement = statement.where(FiringRow.automation == automation)
    if after is not None:
        statement = statement.where(col(FiringRow.id) < after)
    return await _with_actions(session, (await session.exec(statement)).all())


async def firings_of(session: AsyncSession, ids: Sequence[str]) -> list[RecordedFiring]:
    """Those of these ids, as far as they exist, by id."""
    statement = select(FiringRow).where(col(FiringRow.id).in_(ids)).order_by(col(FiringRow.id))
    return await _with_actions(session, (await session.exec(statement)).all())


async def firings_on(session: AsyncSession, event: Event) -> list[RecordedFiring]:
    """Those that this event completed when it came in, by id; at most 1,000.

    Firings carry that instant in their ids, which is how they are found.
    """
    statement = (
        select(FiringRow)
        .where(
            col(FiringRow.id) >= earliest_id(event.received),
            col(FiringRow.id) < earliest_id(event.received + 1_000),
            col(FiringRow.events).contains(orjson.dumps(event.id).decode(), autoescape=True),
        )
        .order_by(col(FiringRow.id))
        .limit(1_000)
    )
    return await _with_actions(session, (await session.exec(statement)).all())


async def firing_with(
    session: AsyncSession, automation: str, event: Event
) -> RecordedFiring | None:
    """The first of a rule's firings in which this event took part.

    Looked for among the 1,000 that followed the event.
    """
    later = (
        select(FiringRow)
        .where(FiringRow.automation == automation)
        .where(col(FiringRow.id) >= earliest_id(event.received))
        .order_by(col(FiringRow.id))
        .limit(1_000)
    )
    rows = [row for row in await session.exec(later) if event.id in orjson.loads(row.events)]
    found = await _with_actions(session, rows[:1])
    return found[0] if found else None


async def action(session: AsyncSession, id_: str) -> RecordedAction | None:
    row = (await session.exec(select(ActionRow).where(ActionRow.id == id_))).first()
    return RecordedAction.of(row) if row else None


async def dead(
    session: AsyncSession, *, after: str | None = None, limit: int = 100
) -> list[RecordedAction]:
    """Actions that were given up, the newest first."""
    statement = select(ActionRow).where(_DEAD)
    if after is not None:
        statement = statement.where(col(ActionRow.id) < after)
    statement = statement.order_by(col(ActionRow.id).desc()).limit(limit)
    return [RecordedAction.of(row) for row in await session.exec(statement)]


@dataclass(frozen=True, slots=True)
class Outbox:
    """How many actions are still to be sent, and how many were given up."""

    waiting: int
    dead: int


async def outbox(session: AsyncSession) -> Outbox:
    counted = []
    for condition in (_OPEN, _DEAD):
        statement = select(func.count()).select_from(ActionRow).where(condition)
        counted.append((await session.exec(statement)).one())
    return Outbox(*counted)


async def _with_actions(session: AsyncSession, rows: Sequence[FiringRow]) -> list[RecordedFiring]:
    ids = [f"{row.id}.{n}" for row in rows for n in range(row.actions)]
    actions: dict[str, list[RecordedAction]] = {}
    if ids:
        for found in await session.exec(select(ActionRow).where(col(ActionRow.id).in_(ids))):
            actions.setdefault(found.firing, []).append(RecordedAction.of(found))
    return [
        RecordedFiring(
            id=row.id,
            automation=row.automation,
            revision=row.revision,
            trigger=row.trigger,
            key=_json(row.key),
            at=row.at,
            count=row.count,
            events=_json(row.events),
            position=row.position,
            outcome=row.outcome,
            reason=row.reason,
            occasion=row.occasion,
            actions=sorted(actions.get(row.id, ()), key=lambda one: one.n),
        )
        for row in rows
    ]


def _status(row: AutomationRow) -> Status:
    return _named(missing=row.definition is None, paused=row.paused, enabled=row.enabled)


def _named(*, missing: bool, paused: bool, enabled: bool) -> Status:
    if missing:
        return "invalid"
    if paused:
        return "paused"
    return "active" if enabled else "disabled"


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
