"""Millions of events into a database before it is measured, through the journal itself."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path
from uuid import uuid4

from base.database import Address, Database
from base.time import now
from events.change import Change
from events.evaluation import NoRules
from events.event import Event
from events.journal import Journal
from events.store import open_seen, open_writer

_DATA = {"order": "ord_1234567890", "total": 12.5, "note": "x" * 180}


def fill(path: Path, count: int) -> None:
    """Bring the log to at least `count` events with random ids."""
    import uvloop

    gc.freeze()  # as the server does once it is ready
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(0.0005)
    uvloop.run(_fill(path, count))


async def _fill(path: Path, count: int) -> None:
    database = Database(Address("sqlite", path=path))
    await database.open()
    writer = open_writer(database)
    await writer.open()
    journal = Journal(writer, await open_seen(database), NoRules())
    task = asyncio.create_task(journal.run())
    position = 0

    async def client() -> None:
        nonlocal position
        while position < count:
            at = now()
            events = [
                Event(str(uuid4()), "/bench/shop", "quiet.filled", at, at, data=_DATA)
                for _ in range(200)
            ]
            receipt = await journal.submit(Change(events=events))
            position = max(position, receipt.positions[-1] or 0)

    await asyncio.gather(*(client() for _ in range(4)))
    journal.drain()
    await task
    await writer.close()
    await database.close()
