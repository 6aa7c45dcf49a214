"""The verbs of rules and firings on the database, each inside the journal's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from automations.reader import Problem
from automations.rule import Rule
from automations.tables import AppliedRow, AutomationRow, FiringRow
from base.ids import earliest_id
from base.time import SECOND, Micros
from events.tx import InsertSpec, Tx

_YEAR: Micros = 366 * 86_400 * SECOND
_HOUR: Micros = 3_600 * SECOND
_FIRING = InsertSpec(FiringRow)
_APPLIED = InsertSpec(AppliedRow)
_RULE = InsertSpec(AutomationRow)
_TALLY = {
    "sqlite": (
        "(SELECT json_extract(value, '$.name') AS name, json_extract(value, '$.firings') AS firings,"
        " json_extract(value, '$.errors') AS errors,"
        " json_extract(value, '$.in_a_row') AS in_a_row, json_extract(value, '$.kept') AS kept,"
        " json_extract(value, '$.last_error') AS last_error FROM json_each($1))"
    ),
    "postgresql": (
        "(SELECT * FROM json_to_recordset(CAST(CAST($1 AS text) AS json))"
        " AS r(name text, firings bigint, errors bigint,"
        " in_a_row bigint, kept bigint, last_error text))"
    ),
}


@dataclass(frozen=True, slots=True)
class Brought:
    """Which file, and line of it, brought a rule."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Saved:
    """What the database holds of a rule, as far as changing it needs to know."""

    name: str
    revision: int
    origin: str
    file: str | None
    line: int | None
    digest: str
    trigger_digest: str
    is_good: bool
    """Whether there is a definition; without one it never was in order."""
    problems: str | None
    enabled: bool = True
    paused: bool = False

    @property
    def listens(self) -> bool:
        return self.is_good and self.enabled and not self.paused


@dataclass(slots=True)
class Tally:
    """What one round adds to a rule's figures."""

    firings: int = 0
    errors: int = 0
    in_a_row: int = 0
    """Errors since it last answered."""
    answered: bool = False
    """Whether it did, in this round."""
    last_error: str | None = None

    def erred(self, *, in_a_row: bool = True, **told: Any) -> None:
        """Count an error: `at`, `code`, `message`, `event` and `trigger` tell of it."""
        self.errors += 1
        self.in_a_row += in_a_row
        self.last_error = orjson.dumps(told).decode()

    def answer(self) -> None:
        """The rule did what it should: errors from here on are a new row."""
        self.in_a_row, self.answered = 0, True


async def record_firings(tx: Tx, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows in the order of `FiringRow`. One that exists already fails the transaction."""
    await tx.insert_soon(_FIRING, rows)


async def tally(tx: Tx, tallies: dict[str, Tally]) -> None:
    """Add to the figures of these rules, in one statement."""
    if not tallies:
        return
    given = [
        {
            "name": name,
            "firings": t.firings,
            "errors": t.errors,
            "in_a_row": t.in_a_row,
            "kept": int(not t.answered),
            "last_error": t.last_error,
        }
        for name, t in tallies.items()
    ]
    await tx.execute_soon(
        "UPDATE automation SET firings = automation.firings + t.firings,"
        " last_fired = CASE WHEN t.firings > 0 THEN CAST($2 AS BIGINT)"
        " ELSE automation.last_fired END,"
        " errors = automation.errors + t.errors,"
        " in_a_row = automation.in_a_row * t.kept + t.in_a_row,"
        " last_error = coalesce(t.last_error, automation.last_error)"
        f" FROM {_TALLY[tx.dialect]} AS t WHERE automation.name = t.name"
        # PostgreSQL takes a list in JSON for a long one, and would look through all rules.
        f" AND automation.name {tx.any(3, 'text')}",
        orjson.dumps(given).decode(),
        tx.now,
        list(tallies),
    )


async def known(tx: Tx, ids: Sequence[str]) -> set[str]:
    """Which of these firings are recorded."""
    rows = await tx.fetch(f"SELECT id FROM firing WHERE id {tx.any(1, 'text')}", list(ids))
    return {row[0] for row in rows}


async def outcome(tx: Tx, firing: str) -> tuple[str, str | None] | None:
    """What became of a firing, and its reason; None where it is not recorded, or no more."""
    rows = await tx.fetch("SELECT outcome, reason FROM firing WHERE id = $1", firing)
    return rows[0] if rows else None


async def cleared_early(tx: Tx, automation: str, firing: str, since: Micros) -> list[Cleared]:
    """Conditions that cleared while what told of them, since then, waited to be this firing."""
    rows = await tx.fetch(
        "SELECT id, outcome, reason, trigger, key, position, count FROM firing"
        " WHERE automation = $1 AND id >= $2 AND outcome IN ('gathered', 'resolved')"
        " ORDER BY position, id",
        automation,
        earliest_id(since - _HOUR),  # an id is of when its event came in, which was before
    )
    parts = {row[0] for row in rows if row[1] == "gathered" and row[2] == firing}
    return [
        Cleared(id_, reason, trigger, None if key is None else orjson.loads(key), position, count)
        for id_, outcome, reason, trigger, key, position, count in rows
        if outcome == "resolved" and reason in parts
    ]


async def acted(tx: Tx, actions: Mapping[str, int]) -> None:
    """Note of what was recorded before, by id, how many actions it led to after all."""
    for firing, count in actions.items():
        await tx.execute("UPDATE firing SET actions = $2 WHERE id = $1", firing, count)


async def pause(tx: Tx, name: str, reason: str) -> bool:
    """False where it is paused already, or gone."""
    sql = "UPDATE automation SET paused = TRUE, pause_reason = $2 WHERE name = $1 AND NOT paused"
    return await tx.execute(sql, name, reason) > 0


async def resume(tx: Tx, name: str) -> bool:
    """False where it is not paused, or gone."""
    sql = "UPDATE automation SET paused = FALSE, pause_reason = NULL WHERE name = $1 AND paused"
    return await tx.execute(sql, name) > 0


async def exists(tx: Tx, name: str) -> bool:
    """Whether there is such a rule, in order or not."""
    return bool(await tx.fetch("SELECT 1 FROM automation WHERE name = $1", name))


async def saved(tx: Tx) -> dict[str, Saved]:
    """All rules, by name."""
    rows = await tx.fetch(
        "SELECT name, revision, origin, file, line, digest, trigger_digest,"
        " definition IS NOT NULL, problems, enabled, paused FROM automation"
    )
    return {row[0]: Saved(*row) for row in rows}


@dataclass(frozen=True, slots=True)
class Cleared:
    """The record that a condition cleared: `firing` told of it; `position` is what cleared it.

    `events` is 0 where time alone did.
    """

    id: str
    firing: str
    trigger: int
    key: Any
    position: int
    events: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A good rule as it stands, but for its definition."""

    name: str
    revision: int
    digest: str
    paused: bool


async def standing(tx: Tx) -> list[Standing]:
    """All that have a definition."""
    rows = await tx.fetch(
        "SELECT name, revision, digest, paused FROM automation WHERE definition IS NOT NULL"
    )
    return [
        Standing(name, revision, digest, bool(paused)) for name, revision, digest, paused in rows
    ]


async def definitions(tx: Tx, names: Sequence[str]) -> list[tuple[str, str]]:
    """The definitions of these rules, as JSON."""
    if not names:
        return []
    rows = await tx.fetch(
        "SELECT name, definition FROM automation"
        f" WHERE name {tx.any(1, 'text')} AND definition IS NOT NULL",
        list(names),
    )
    return [(name, definition) for name, definition in rows]


async def add(tx: Tx, rule: Rule, origin: str, brought: Brought | None) -> None:
    """Insert a rule that was not there."""
    await tx.insert(_RULE, [_row(rule.name, origin, brought, tx.now, rule=rule)])


async def add_problems(
    tx: Tx, name: str, origin: str, brought: Brought, problems: Sequence[Problem]
) -> None:
    """Insert what should be a rule and never was in order, so that it can be seen."""
    row = _row(name, origin, brought, tx.now, problems=_problems(problems))
    await tx.insert(_RULE, [row])


async def change(
    tx: Tx, rule: Rule, origin: str, brought: Brought | None, *, revision: int
) -> None:
    """Give a rule its new definition; what it counted stays, and it stays paused if it was."""
    await tx.execute(
        "UPDATE automation SET revision = $2, origin = $3, file = $4, line = $5,"
        " definition = $6, digest = $7, trigger_digest = $8, enabled = $9, shadow = $10,"
        " updated = $11, problems = NULL, in_a_row = 0 WHERE name = $1",
        rule.name,
        revision,
        origin,
        brought.file if brought else None,
        brought.line if brought else None,
        orjson.dumps(rule.definition).decode(),
        rule.digest,
        rule.trigger_digest,
        rule.enabled,
        rule.shadow,
        tx.now,
    )


async def place(tx: Tx, name: str, origin: str, brought: Brought | None) -> None:
    """The definition is what it was; where it stands is not, or it is in order again."""
    await tx.execute(
        "UPDATE automation SET origin = $2, file = $3, line = $4, problems = NULL WHERE name = $1",
        name,
        origin,
        brought.file if brought else None,
        brought.line if brought else None,
    )


async def set_problems(tx: Tx, name: str, problems: Sequence[Problem]) -> None:
    """The newest content is no good; the definition stays."""
    sql = "UPDATE automation SET problems = $2 WHERE name = $1"
    await tx.execute(sql, name, _problems(problems))


async def remove(tx: Tx, names: Iterable[str]) -> None:
    await tx.execute(f"DELETE FROM automation WHERE name {tx.any(1, 'text')}", list(names))


async def is_news(tx: Tx, origin: str, instance: str, digest: str) -> bool:
    """Whether this content of this copy is to be applied; it is then noted as the latest.

    It is, when this copy changed since it was last applied; and of a copy not seen before, when
    it is not what was applied last anyway. So a copy that stayed as it was never undoes what
    another, newer one brought. Copies not heard of for a year are forgotten.
    """
    rows = await tx.fetch(
        "SELECT instance, digest FROM applied WHERE origin = $1 ORDER BY at DESC", origin
    )
    latest, own = (rows[0][1] if rows else None), dict(rows).get(instance)
    if own == digest:
        return False
    await tx.execute(
        "DELETE FROM applied WHERE origin = $1 AND (instance = $2 OR at < $3)",
        origin,
        instance,
        tx.now - _YEAR,
    )
    await tx.insert(_APPLIED, [(origin, instance, digest, tx.now)])
    return own is not None or digest != latest


def _row(
    name: str,
    origin: str,
    brought: Brought | None,
    now: Micros,
    *,
    rule: Rule | None = None,
    problems: str | None = None,
) -> tuple[Any, ...]:
    row = AutomationRow(
        name=name,
        revision=1 if rule else 0,
        origin=origin,
        file=brought.file if brought else None,
        line=brought.line if brought else None,
        definition=orjson.dumps(rule.definition).decode() if rule else None,
        digest=rule.digest if rule else "",
        trigger_digest=rule.trigger_digest if rule else "",
        enabled=rule.enabled if rule else False,
        shadow=rule.shadow if rule else False,
        created=now,
        updated=now,
        problems=problems,
    )
    return tuple(getattr(row, column) for column in _RULE.columns)


def _problems(problems: Sequence[Problem]) -> str:
    told = [
        {
            "message": problem.message,
            "code": problem.code,
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "hint": problem.hint,
        }
        for problem in problems
    ]
    return orjson.dumps(told).decode()
