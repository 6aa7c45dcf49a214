"""Looking at a database without changing it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from base.database import Address
from base.errors import ConfigurationError

_VERSION = "SELECT max(version) FROM schema_version"
_PATIENCE = 5.0


def stored_version(address: Address) -> int:
    """The schema version that is there; 0 where there are no tables.

    Raises ConfigurationError where the database is out of reach, or is none.
    """
    if address.path is not None:
        return _sqlite(address.path)
    return asyncio.run(_postgres(address))


def _sqlite(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        uri = f"{path.as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as connection:
            row = connection.execute(_VERSION).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return 0
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{path} is no database: {error}") from None
    return int(row[0] or 0)


async def _postgres(address: Address) -> int:
    import asyncpg

    try:
        connection = await asyncpg.connect(address.url, timeout=_PATIENCE)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
        raise ConfigurationError(
            f"the database {address} cannot be reached: {error or type(error).__name__}",
            code="database_unreachable",
        ) from None
    try:
        return int(await connection.fetchval(_VERSION) or 0)
    except asyncpg.UndefinedTableError:
        return 0
    finally:
        await connection.close()
