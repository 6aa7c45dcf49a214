"""The transaction as the floors above see it: a few verbs that mean the same on both databases.

SQL is written once, with `$1, $2 …` for parameters, in what SQLite and PostgreSQL share
(`ON CONFLICT`, `RETURNING` and `UPDATE … FROM` are in it). Two classes meet this protocol,
`SqliteTx` and `PostgresTx`, and one suite of tests holds them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary
from sqlmodel import SQLModel

from base.time import Micros

Dialect = Literal["sqlite", "postgresql"]
ListOf = Literal["text", "bigint", "bytea"]
_SEVERAL: Final = (32, 8)

BULK: Final = 16
"""From so many rows on PostgreSQL has a faster way to insert them; see `postgres.py`."""


class Head(NamedTuple):
    """The end of the log."""

    position: int
    """The last one given out."""
    pending: bool
    """Events wait for their evaluation."""
    epoch: int
    """How often the rules have changed; see `epoch.py`."""


class Tx(Protocol):
    """One open transaction of the journal. Nothing in it is visible to others before the commit.

    Valid only while the operation that was given it runs.
    """

    now: Micros
    dialect: Dialect
    head: Head | None
    """The end of the log as it was found, where that is known without looking."""

    async def execute(self, sql: str, *args: Any, joins: bool = False) -> int:
        """Run one statement; the number of rows it changed.

        With `joins` it may be run as one with what was put off: neither reads what the other
        writes.
        """
        ...

    async def execute_soon(self, sql: str, *args: Any) -> None:
        """Run a statement now, or put it off until the next one or the commit.

        That one then raises what it raises. All that is put off is run together: none reads what
        another writes, and no row is written by two of them.
        """
        ...

    async def insert_soon(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows now, or put it off like `execute_soon`."""
        ...

    async def fetch(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """Run one statement; the rows it returned, in the order of its columns."""
        ...

    async def insert(self, spec: InsertSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert many rows in one go, in the order given; how many went in."""
        ...

    async def delete(self, spec: DeleteSpec, rows: Sequence[tuple[Any, ...]]) -> int:
        """Delete the rows that have these values; how many were there."""
        ...

    def any(self, n: int, of: ListOf) -> str:
        """`= any of the list passed as $n`: use as `WHERE id {tx.any(1, 'text')}`."""
        ...


@dataclass(frozen=True)
class InsertSpec:
    """How rows of one table are inserted in bulk: made once per table, kept at module level.

    `columns` fixes the order of the tuples (default: the table's own order).
    `conflict` names what happens where a row of its primary key is there already: with "update"
    it becomes the new one.
    """

    model: type[SQLModel]
    columns: tuple[str, ...] = ()
    conflict: Literal["error", "nothing", "update"] = "error"

    def __post_init__(self) -> None:
        if not self.columns:
            object.__setattr__(self, "columns", tuple(self._table.columns.keys()))
        names, count = ", ".join(self.columns), len(self.columns)
        tail = self._tail()
        head = f'INSERT INTO "{self._table.name}" ({names})'
        marks = ", ".join(["?"] * count)
        object.__setattr__(self, "sqlite", f"{head} VALUES ({marks}){tail}")
        # As one row after another: those before the one that fails stay until the rollback.
        # Otherwise SQLite would keep what the statement changes, to take back the statement alone.
        several = head.replace("INSERT", "INSERT OR FAIL", 1) if not tail else head
        many = [(n, f"{several} VALUES {', '.join([f'({marks})'] * n)}{tail}") for n in _SEVERAL]
        object.__setattr__(self, "sqlite_many", tuple(many))
        object.__setattr__(self, "postgres", f"{head} {self.unnested(self.columns)}{tail}")

    # set in __post_init__: the statement for each dialect
    sqlite: str = ""
    sqlite_many: tuple[tuple[int, str], ...] = ()
    """Statements for so many rows at once, the most first: a run of a statement costs as much as a row."""
    postgres: str = ""

    def unnested(self, columns: Sequence[str], *, first: int = 1) -> str:
        """Rows of these columns from arrays, which are parameters numbered from `first`.

        Side by side in the list of results: as a table PostgreSQL would write each array down
        before it reads them together.
        """
        arrays = _arrays(self._table, columns, first)
        return f"SELECT {', '.join(f'unnest({array})' for array in arrays)}"

    @property
    def table(self) -> str:
        """The name of the table."""
        return str(self._table.name)

    @property
    def _table(self) -> Any:
        return _table(self.model)

    def _tail(self) -> str:
        if self.conflict == "error":
            return ""
        if self.conflict == "nothing":
            return " ON CONFLICT DO NOTHING"
        key = list(self._table.primary_key.columns.keys())
        sets = [f"{name} = excluded.{name}" for name in self.columns if name not in key]
        return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(sets)}"


@dataclass(frozen=True)
class DeleteSpec:
    """By which columns rows of one table are deleted in bulk; made once, like `InsertSpec`.

    An index should begin with them: SQLite takes one row after another, which is how it finds
    each by all columns. Told all at once, it would look through what agrees in the first.
    """

    model: type[SQLModel]
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        table = _table(self.model)
        same = " AND ".join(f"{name} = ?" for name in self.columns)
        joined = " AND ".join(f"t.{name} = g.{name}" for name in self.columns)
        given = (
            f"unnest({', '.join(_arrays(table, self.columns))}) AS g ({', '.join(self.columns)})"
        )
        object.__setattr__(self, "sqlite", f'DELETE FROM "{table.name}" WHERE {same}')
        object.__setattr__(
            self, "postgres", f'DELETE FROM "{table.name}" AS t USING {given} WHERE {joined}'
        )

    # set in __post_init__: the statement for each dialect
    sqlite: str = ""
    postgres: str = ""


def _table(model: type[SQLModel]) -> Any:
    return model.__table__  # type: ignore[attr-defined]  # SQLModel adds it to tables


def _arrays(table: Any, columns: Sequence[str], first: int = 1) -> list[str]:
    """The columns as arrays for PostgreSQL's `unnest`, parameters numbered from `first`."""
    kinds = [_postgres_type(table.columns[name].type) for name in columns]
    return [f"${n}::{kind}[]" for n, kind in enumerate(kinds, first)]


def _postgres_type(kind: Any) -> str:
    if isinstance(kind, BigInteger):
        return "bigint"
    if isinstance(kind, Boolean):
        return "boolean"
    if isinstance(kind, Integer):
        return "integer"
    if isinstance(kind, LargeBinary):
        return "bytea"
    return "text"
