"""The newest events of each type, read beside whoever has the database."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import text

from base.database import Database
from base.time import SECOND, now
from events import sample
from events.change import Change
from events.event import Event


def event(number, type_="a", *, at, **fields):
    return Event(id=f"e{number}", source="/s", type=type_, time=at, received=at, **fields)


@pytest.fixture
async def beside(database, journal, address):
    """Another that reads, while the service has the database and goes on writing."""
    start = now() - 100 * SECOND
    # Their own time is not the order in which they came.
    events = [event(n, f"kind.{n % 3}", at=start - n * SECOND, data={"n": n}) for n in range(9)]
    await journal.submit(Change(tuple(events)))
    other = Database(address)
    other.look()
    yield other
    await other.close()


async def test_types_are_listed_once_each(beside, monkeypatch):
    assert await sample.types(beside) == ["kind.0", "kind.1", "kind.2"]
    assert await sample.known(beside, ["kind.2", "kind.3"]) == ["kind.2"]
    monkeypatch.setattr(sample, "MOST_TYPES", 2)
    assert len(await sample.types(beside)) == 2


async def test_the_newest_by_their_own_time_come_first(beside):
    found = list(await sample.newest(beside, "kind.1", 2))
    assert [stored.event.data["n"] for stored in found] == [1, 4]
    assert len(list(await sample.newest(beside, "kind.1", 100))) == 3
    assert list(await sample.newest(beside, "kind.9", 100)) == []


async def test_events_are_read_as_far_as_the_bytes_allow_and_one_in_any_case(beside, monkeypatch):
    for most, count in ((1, 1), (2 * len('{"n":1}'), 2), (1_000, 3)):
        monkeypatch.setattr(sample, "MOST_BYTES", most)
        assert len(list(await sample.newest(beside, "kind.1", 100))) == count


async def test_what_is_written_meanwhile_is_seen_and_nothing_can_be_written(beside, journal):
    await journal.submit(Change((event(100, "late", at=now()),)))
    assert "late" in await sample.types(beside)
    if beside.address.dialect == "sqlite":
        with pytest.raises(DBAPIError, match="readonly"):
            async with beside.reader() as session:
                await session.exec(text("DELETE FROM event"))
