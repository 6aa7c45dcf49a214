"""Empty databases of either kind, as many as are asked for."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from base.database import Address
from tests.chaos import postgres


@contextlib.contextmanager
def serving(database: str) -> Iterator[Iterator[Address]]:
    """Their addresses; all of them are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="ensue-schedules-") as name:
        folder = Path(name)
        if database == "sqlite":
            yield (Address("sqlite", path=folder / f"{n}.db") for n in itertools.count())
            return
        with postgres.serving(folder) as url:
            yield (_created(url) for _ in itertools.count())


def _created(url: str) -> Address:
    import asyncpg  # where it is SQLite alone, nobody has to have it

    name = f"s{uuid4().hex}"

    async def create() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        await connection.close()

    asyncio.run(create())
    return Address("postgresql", url=url.replace("/postgres?", f"/{name}?"))
