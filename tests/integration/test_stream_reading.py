"""Reading the live stream: from the log first, and from memory once that has been caught up."""

from __future__ import annotations

from typing import Any

import pytest

from base.database import Database
from base.ids import new_id
from base.time import now
from events.change import Change
from events.event import Event
from events.journal import Journal
from events.log import Query
from server import stream as stream_module
from server.stream import LiveStream


def event() -> Event:
    at = now()
    return Event(id=new_id(at), source="/test", type="thing.happened", time=at, received=at)


async def test_what_is_committed_while_the_log_is_read_comes_once(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, between, later = event(), event(), event()
    await journal.submit(Change((first,)))
    read_end = stream_module.last_position

    async def and_somebody_commits(session: Any) -> int:
        end = await read_end(session)
        await journal.submit(Change((between,)))
        return end

    stream = LiveStream(journal, database)
    await stream.open()
    async with stream.joined():
        monkeypatch.setattr(stream_module, "last_position", and_somebody_commits)
        seen, position = await stream.after(Query(), 0)
        monkeypatch.undo()
        await journal.submit(Change((later,)))
        while len(seen) < 3:
            found, position = await stream.after(Query(), position)
            seen += found
            if not found:
                await stream._follow()
    await stream.close()
    assert [one.event.id for one in seen] == [first.id, between.id, later.id]
