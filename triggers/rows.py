"""The rows of windows, members and timers: how many of them are written, deleted and asked for at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from base.time import SECOND, Micros
from events.tx import DeleteSpec, InsertSpec, Tx
from triggers.tables import MemberRow, TimerRow, WindowRow

DAY: Final[Micros] = 86_400 * SECOND

Columns = Mapping[str, str]
KEY: Final[Columns] = {
    "automation": "text", "trigger": "integer", "path": "text", "key": "text",
}  # fmt: skip
NUMBERED: Final[Columns] = {**KEY, "number": "integer"}

WRITE_WINDOWS: Final = InsertSpec(WindowRow, conflict="update")
DROP_WINDOWS: Final = DeleteSpec(WindowRow, tuple(KEY))
ADD_MEMBERS: Final = InsertSpec(MemberRow)
DROP_MEMBERS: Final = DeleteSpec(MemberRow, (*KEY, "time", "position", "part"))
DROP_ALL_MEMBERS: Final = DeleteSpec(MemberRow, tuple(KEY))
SET_TIMERS: Final = InsertSpec(TimerRow, conflict="update")
STOP_TIMERS: Final = DeleteSpec(TimerRow, tuple(KEY))
TAKE_TIMERS: Final = DeleteSpec(TimerRow, (*KEY, "due"))


def given(tx: Tx, columns: Columns) -> str:
    """The rows of $1, a JSON list of lists, as a table `g` with these columns."""
    if tx.dialect == "sqlite":
        fields = [f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(columns)]
        return f"(SELECT {', '.join(fields)} FROM json_each($1)) AS g"
    fields = [
        f"CAST(value ->> {n} AS {of}) AS {name}" for n, (name, of) in enumerate(columns.items())
    ]
    rows = "json_array_elements(CAST(CAST($1 AS text) AS json))"
    return f"(SELECT {', '.join(fields)} FROM {rows}) AS g"


def join(tx: Tx) -> str:
    """SQLite keeps to this order: from what is given to its row, and not through the table."""
    return "CROSS JOIN" if tx.dialect == "sqlite" else "JOIN"


def same(table: str, columns: Columns = KEY) -> str:
    return " AND ".join(f"{table}.{name} = g.{name}" for name in columns)


def as_json(rows: Sequence[tuple[Any, ...]]) -> str:
    return orjson.dumps(rows, default=tuple).decode()
