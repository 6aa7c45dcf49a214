"""The steps from each version of the tables to the next, oldest first.

A step that was released is never changed. Its statements mean the same on both databases; BLOB
is read as BYTEA on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Migration:
    """The statements that lead to `version`."""

    version: int
    statements: Sequence[str]


def _of(*states: str) -> str:
    cases = " ".join(f"WHEN '{state}' THEN TRUE" for state in states)
    return f"(CASE state {cases} ELSE FALSE END)"


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        2,
        (
            "ALTER TABLE automation ADD COLUMN in_a_row BIGINT NOT NULL DEFAULT 0",
            "CREATE TABLE epoch (id INTEGER NOT NULL PRIMARY KEY, number BIGINT NOT NULL)",
            "CREATE TABLE seen_filter (id BIGINT NOT NULL PRIMARY KEY, bits BLOB NOT NULL)",
            "DROP INDEX run_active",
            "DROP INDEX run_due",
            "DROP INDEX run_lease",
            "CREATE INDEX run_active ON run (state, id) WHERE "
            + _of("cancelling", "late", "paused", "pending", "retrying", "running", "scheduled"),
            "CREATE INDEX run_automation ON run (automation, id) WHERE automation IS NOT NULL",
            "CREATE INDEX run_due ON run (due, id) WHERE " + _of("late", "retrying", "scheduled"),
            "CREATE INDEX run_lease ON run (lease_until) WHERE "
            + _of("cancelling", "pending", "running"),
            "CREATE INDEX run_unwell ON run (state, id) WHERE "
            + _of("cancelled", "crashed", "failed", "skipped", "timed_out"),
        ),
    ),
)
