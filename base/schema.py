"""The version of the tables, and the way from one version to the next.

The tables themselves are declared where they are used, in each floor's `tables.py`; a new
database gets them as they are declared, an older one gets there by the steps of
`base/migrations.py`: all of it in one transaction, so that an upgrade that was killed is simply
done again.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Index, inspect, select, text
from sqlmodel import Field, SQLModel

from base.errors import ConfigurationError
from base.failpoint import failpoint
from base.migrations import MIGRATIONS
from base.time import now


class SchemaRow(SQLModel, table=True):
    """One row for each version this database went through; the highest is where it is."""

    __tablename__ = "schema_version"

    version: int = Field(primary_key=True)
    at: int = Field(sa_column=Column(BigInteger, nullable=False))


VERSION = max((m.version for m in MIGRATIONS), default=1)


def index(name: str, *columns: str, unique: bool = False, **options: str) -> Index:
    """An index with options of a database: `where` for either, `postgresql_using`.

    SQLAlchemy loads each database's dialect as soon as an option names it, and a server works
    with one of them: so the options wait until the tables are made.
    """
    if where := options.pop("where", None):
        options |= {"sqlite_where": where, "postgresql_where": where}
    return Index(name, *columns, unique=unique, info=options)


def upgrade(connection: Connection) -> tuple[int, int]:
    """Bring the tables to this program's version. Returns the version before (0: new) and after.

    A database newer than the program is refused: it may hold what this program would break.
    """
    before = current_version(connection)
    if before > VERSION:
        raise ConfigurationError(
            f"the database has schema version {before}, this program knows up to {VERSION}",
            code="database_newer",
            hint="run the newer program, or restore a backup made before the upgrade",
        )
    if before == 0:
        _set_options(connection.dialect.name)
        SQLModel.metadata.create_all(connection)
        failpoint("mid_migration")
        _record(connection, VERSION)
        return 0, VERSION
    for migration in MIGRATIONS:
        if migration.version > before:
            dialect = connection.dialect.name
            more = migration.sqlite if dialect == "sqlite" else ()
            for statement in (*migration.statements, *more):
                connection.execute(text(_spelled(statement, dialect)))
                failpoint("mid_migration")
            _record(connection, migration.version)
    return before, VERSION


def current_version(connection: Connection) -> int:
    """0 where there are no tables yet."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    versions = connection.execute(select(SchemaRow.__table__.c.version))  # type: ignore[attr-defined]  # SQLModel adds it
    return max((row[0] for row in versions), default=0)


def _set_options(dialect: str) -> None:
    for table in SQLModel.metadata.tables.values():
        for one in table.indexes:
            for name, value in one.info.items():
                if name.startswith(dialect):
                    one.dialect_kwargs[name] = text(value) if name.endswith("where") else value


def _spelled(statement: str, dialect: str) -> str:
    if dialect == "sqlite":
        return statement
    return statement.replace(" BLOB ", " BYTEA ").removesuffix(" WITHOUT ROWID")


def _record(connection: Connection, version: int) -> None:
    connection.execute(
        text("INSERT INTO schema_version (version, at) VALUES (:version, :at)"),
        {"version": version, "at": now()},
    )
