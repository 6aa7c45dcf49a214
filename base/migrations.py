"""The steps from each version of the tables to the next, oldest first.

A step that was released is never changed. Its statements mean the same on both databases; on
PostgreSQL, BLOB is read as BYTEA and WITHOUT ROWID is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Migration:
    """The statements that lead to `version`."""

    version: int
    statements: Sequence[str]
    sqlite: Sequence[str] = ()
    """What follows on SQLite alone."""


def _of(*states: str) -> str:
    cases = " ".join(f"WHEN '{state}' THEN TRUE" for state in states)
    return f"(CASE state {cases} ELSE FALSE END)"


_SEGMENT = "position / 8192 * 8192 + 8191"
_WHOLE = "position / 8192 < (SELECT max(position) / 8192 FROM event)"
"""The last segment is not full: of that the service takes care."""

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
    Migration(
        3,
        (
            (
                "CREATE TABLE event_segment (last BIGINT NOT NULL PRIMARY KEY, "
                "first BIGINT NOT NULL, earliest BIGINT NOT NULL, latest BIGINT NOT NULL)"
                " WITHOUT ROWID"
            ),
            (
                "CREATE TABLE event_type (segment BIGINT NOT NULL, type VARCHAR NOT NULL, "
                "positions VARCHAR NOT NULL, PRIMARY KEY (segment, type)) WITHOUT ROWID"
            ),
        ),
        sqlite=(
            (
                f"INSERT INTO event_segment (last, first, earliest, latest) SELECT {_SEGMENT}, "
                f"min(position), min(time), max(time) FROM event WHERE {_WHOLE} GROUP BY 1"
            ),
            (
                f"INSERT INTO event_type (segment, type, positions) SELECT {_SEGMENT}, type, "
                f"json_group_array(position) FROM event WHERE {_WHOLE} GROUP BY 1, 2"
            ),
            "DROP INDEX event_type_time",
        ),
    ),
)
