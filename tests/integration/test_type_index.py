"""Events by their type: what is found is what the log has, whatever became of who wrote it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.event import listen, remove
from sqlmodel import text

from base.database import Address, Database
from base.time import SECOND, now
from events import log, sample, type_index
from events.change import Change
from events.event import Event
from events.retention import Retention, Sweep, delete_events
from events.sqlite import SqliteWriter
from events.type_index import TypeIndex, segments

ROOT = Path(__file__).parents[2]
GLOBS = ("a.one", "a.two", "b.one", "c", "a.*", "*.one", "*", "?.one", "nothing", "A.*")


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type_index, "SEGMENT_EVENTS", 7)


def event(number: int, type_: str, at: int | None = None, **fields: Any) -> Event:
    at = at or now()
    fields = {"source": "/test", "time": at, "received": at} | fields
    return Event(id=f"e{number}", type=type_, **fields)


async def positions(database: Database, **query: Any) -> list[int]:
    async with database.reader() as session:
        found = await log.find(session, log.Query(**({"limit": 1_000} | query)))
    return [one.position for one in found]


async def scanned(database: Database) -> list[tuple[int, Event]]:
    """All of the log, read without a look at types."""
    async with database.reader() as session:
        found = await log.find(session, log.Query(order="asc", limit=1_000))
    return [(one.position, one.event) for one in found]


async def check(database: Database) -> None:
    stored = await scanned(database)
    for type_ in ("a.one", "a.two", "b.one", "c", "nothing"):
        wanted = [position for position, one in stored if one.type == type_]
        assert await positions(database, type=type_, order="asc") == wanted
        assert await positions(database, type=type_, order="desc") == wanted[::-1]
    assert await positions(database, type="a.*", order="asc") == [
        position for position, one in stored if one.type.startswith("a.")
    ]


# -- the writer against a model ------------------------------------------------------------

TYPES = st.sampled_from(["a.one", "a.two", "b.one", "c"])
MOVE = st.tuples(
    st.sampled_from(
        ["commit"] * 3
        + ["fail", "unknown, done", "unknown, undone", "restart", "forget", "forget, fail"]
    ),
    st.lists(st.lists(TYPES, max_size=6), min_size=1, max_size=3),
)


class Machine:
    """The writer's side, driven as the journal drives it."""

    def __init__(self, database: Database, writer: SqliteWriter) -> None:
        self.database = database
        self._writer = writer
        self._index = TypeIndex()
        self._number = 0
        self.model: list[tuple[int, str]] = []

    async def do(self, move: str, rounds: list[list[str]]) -> None:
        if move == "restart":
            self._index = TypeIndex()
            return
        tx = await self._writer.begin(now())
        removed = 0
        if move.startswith("forget"):
            removed = await delete_events(tx, now() + SECOND, 3)
        position, *_ = await log.head(tx)
        appended = []
        for types in rounds:
            placed = []
            for type_ in types:
                self._number += 1
                position += 1 + self._number % 2  # a duplicate leaves a gap
                placed.append((position, event(self._number, type_)))
            await self._index.append(tx, placed)
            await log.append(tx, placed)
            appended += [(at, one.type) for at, one in placed]
        done = move in ("commit", "forget", "unknown, done")
        await (self._writer.commit() if done else self._writer.rollback())
        self._index.settle(None if move.startswith("unknown") else done)
        if done:
            self.model = self.model[removed:] + appended


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(moves=st.lists(MOVE, min_size=1, max_size=40), most_types=st.sampled_from([2, 100]))
def test_what_is_found_by_type_is_what_was_committed(
    tmp_path_factory: pytest.TempPathFactory, moves: list[Any], most_types: int
) -> None:
    path = tmp_path_factory.mktemp("types") / "ensue.db"

    async def run() -> None:
        database = Database(Address("sqlite", path=path))
        await database.open()
        writer = SqliteWriter(path)
        await writer.open()
        machine = Machine(database, writer)
        for move, rounds in moves:
            await machine.do(move, rounds)
            assert [(p, e.type) for p, e in await scanned(database)] == machine.model
        await check(database)
        async with database.reader() as session:
            rows = await session.exec(  # type: ignore[call-overload]  # plain SQL is fine here
                text("SELECT segment, each.value FROM event_type, json_each(positions) each")
            )
            listed = Counter(position for _, position in rows)
            assert set(listed.values()) <= {1}
            known = await segments(session)
            ends = [end for segment in known for end in (segment.first, segment.last)]
            assert ends == sorted(ends)
        await writer.close()
        await database.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type_index, "SEGMENT_EVENTS", 7)
        patch.setattr(type_index, "SEGMENT_TYPES", most_types)
        asyncio.run(run())


# -- reading -------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_segments")
async def test_filters_and_cursors_find_by_type_what_a_look_at_each_event_finds(
    database: Database, running: Any
) -> None:
    rng = random.Random(3)
    start = now() - 1_000 * SECOND
    async with running(database) as journal:
        for begin in range(0, 120, 4):
            events = [
                event(
                    n,
                    rng.choice(["a.one", "a.two", "b.one", "c"]),
                    # Mostly in the order in which they came, and some very late or early.
                    start + (n if n % 11 else rng.randrange(-500, 500)) * SECOND,
                    source=f"/s{n % 2}",
                    subject=f"k{n % 3}",
                )
                for n in range(begin, begin + 4)
            ]
            await journal.submit(Change(events=events))
    stored = await scanned(database)
    for _ in range(150):
        query: dict[str, Any] = {
            "order": rng.choice(["asc", "desc"]),
            "limit": rng.choice([1, 5, 1_000]),
        }
        wanted = stored if query["order"] == "asc" else stored[::-1]
        glob = rng.choice(GLOBS)
        if rng.random() < 0.4:
            after = query["after"] = rng.randrange(130)
            wanted = [w for w in wanted if (w[0] > after) == (query["order"] == "asc")]
            wanted = [w for w in wanted if w[0] != after]
        if rng.random() < 0.4:
            since = query["since"] = start + rng.randrange(130) * SECOND
            wanted = [w for w in wanted if w[1].time >= since]
        if rng.random() < 0.4:
            until = query["until"] = start + rng.randrange(130) * SECOND
            wanted = [w for w in wanted if w[1].time < until]
        if rng.random() < 0.3:
            query["source"] = "/s1"
            wanted = [w for w in wanted if w[1].source == "/s1"]
        if rng.random() < 0.3:
            query["subject"] = "k2"
            wanted = [w for w in wanted if w[1].subject == "k2"]
        matching = [p for p, one in wanted if matches(one.type, glob)]
        assert await positions(database, type=glob, **query) == matching[: query["limit"]]


def matches(type_: str, glob: str) -> bool:
    if glob.startswith("*."):
        return type_.endswith(glob[1:])
    if glob.startswith("?"):
        return len(type_) == len(glob) and type_.endswith(glob[1:])
    return type_.startswith(glob[:-1]) if glob.endswith("*") else type_ == glob


@pytest.mark.usefixtures("small_segments")
async def test_pages_by_type_go_through_all_events_once(database: Database, running: Any) -> None:
    async with running(database) as journal:
        for n in range(60):
            await journal.submit(Change(events=[event(n, "a.one" if n % 3 else "c")]))
    found: list[int] = []
    after = None
    while page := await positions(database, type="a.one", limit=7, after=after):
        found += page
        after = page[-1]
    assert found == [p for p in range(60, 0, -1) if (p - 1) % 3]


@pytest.mark.usefixtures("small_segments")
async def test_a_reader_beside_the_server_sees_all_events(
    database: Database, address: Address, running: Any
) -> None:
    async with running(database) as journal:
        other = Database(address)
        other.look()
        for n in range(40):
            await journal.submit(Change(events=[event(n, "a.one")]))
            assert len(await positions(other, type="a.one")) == n + 1
        await other.close()


@pytest.mark.usefixtures("small_segments")
async def test_no_page_of_one_type_looks_at_all_events_or_sorts_them(
    database: Database, address: Address, running: Any
) -> None:
    if address.path is None:
        return  # PostgreSQL has an index
    async with running(database) as journal:
        for n in range(50):
            await journal.submit(Change(events=[event(n, "a.one" if n % 3 else "c")]))
    asked: list[tuple[str, Any]] = []

    def note(*call: Any) -> None:
        asked.append(call[2:4])

    async with database.reader() as session:
        connection: Any = session.get_bind()
        listen(connection, "before_cursor_execute", note)
        for order in ("asc", "desc"):
            await log.find(session, log.Query(type="a.one", order=order))
        remove(connection, "before_cursor_execute", note)
    assert len(asked) == 10  # the segments, those behind, and 1, 4 and 2 of them
    with contextlib.closing(sqlite3.connect(address.path)) as raw:
        for sql, values in asked:
            plan = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            assert not [step for step in plan if "TEMP B-TREE" in step], plan
            assert "SCAN event" not in plan, plan


@pytest.mark.usefixtures("small_segments")
async def test_the_newest_by_their_own_time_are_found_wherever_they_are_in_the_log(
    database: Database, running: Any
) -> None:
    rng = random.Random(5)
    start = now() - 1_000 * SECOND
    times = [start + (n if n % 9 else rng.randrange(-400, 400)) * SECOND + n for n in range(90)]
    async with running(database) as journal:
        for n, at in enumerate(times):
            type_ = "a.one" if n % 2 else "c"
            await journal.submit(Change(events=[event(n, type_, at, data={"n": n})]))
    newest = sorted((at for n, at in enumerate(times) if n % 2), reverse=True)
    for most in (1, 4, 20, 1_000):
        found = [one.event.time for one in await sample.newest(database, "a.one", most)]
        assert found == newest[:most]


# -- retention -----------------------------------------------------------------------------


@pytest.mark.usefixtures("small_segments")
async def test_what_is_known_of_deleted_events_goes_with_their_segment(
    database: Database, running: Any
) -> None:
    old = now() - 1_000 * SECOND
    async with running(database) as journal:
        for n in range(30):
            await journal.submit(Change(events=[event(n, "old", old)]))
        for n in range(30, 45):
            await journal.submit(Change(events=[event(n, "a.one")]))
        removed = await Retention(journal, []).sweep(
            Sweep("events", timedelta(seconds=500), delete_events)
        )
        assert removed == 30
        assert await sample.types(database) == ["a.one"]
        assert await sample.known(database, ["old", "a.one"]) == ["a.one"]
        assert await positions(database, type="old") == []
        assert await positions(database, type="*", order="asc") == [*range(31, 46)]
        async with database.reader() as session:
            known = await segments(session)
            assert all(segment.last > 30 for segment in known)
            left = await session.exec(text("SELECT DISTINCT segment FROM event_type ORDER BY 1"))  # type: ignore[call-overload]  # plain SQL is fine here
            assert [row[0] for row in left] == [segment.last for segment in known]
        await check(database)


async def test_a_slice_of_retention_looks_at_no_more_events_than_it_may_delete(
    database: Database, address: Address, running: Any
) -> None:
    if address.path is None:
        return  # its steps are not to be counted
    old = now() - 1_000 * SECOND
    async with running(database) as journal:
        for n in range(0, 4_000, 1_000):
            await journal.submit(Change(events=[event(n + k, "old", old) for k in range(1_000)]))
    writer = SqliteWriter(address.path)
    await writer.open()
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 10

    writer._open_connection.set_progress_handler(count, 10)
    tx = await writer.begin(now())
    assert await delete_events(tx, now(), 20) == 20
    assert steps < 4_000
    await writer.rollback()
    await writer.close()


# -- killed --------------------------------------------------------------------------------

WRITE = """
import asyncio, sys
from pathlib import Path
import server.tables
from base.database import Address, Database
from base.time import now
from events import type_index
from events.change import Change
from events.evaluation import NoRules
from events.event import Event
from events.journal import Journal
from events.store import open_seen, open_writer

type_index.SEGMENT_EVENTS = 7

async def main(path, first, count):
    database = Database(Address("sqlite", path=path))
    await database.open()
    writer = open_writer(database)
    await writer.open()
    journal = Journal(writer, await open_seen(database), NoRules())
    task = asyncio.create_task(journal.run())
    for n in range(first, first + count):
        types = ("a.one", "a.two", "b.one", "c")
        events = [Event(f"e{n}.{k}", "/t", types[(n * k + k) % 4], now(), now()) for k in range(3)]
        await journal.submit(Change(events=events))
    journal.drain()
    await task

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
"""


async def test_a_kill_at_any_commit_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ensue.db"

    def write(first: int, count: int, failpoint: str = "") -> int:
        return subprocess.run(
            [sys.executable, "-c", WRITE, str(path), str(first), str(count)],
            cwd=ROOT, env={**os.environ, "ENSUE_FAILPOINT": failpoint},
            capture_output=True, timeout=60, check=False,
        ).returncode  # fmt: skip

    # With every third transaction a segment is written: kills before, in and behind one.
    for number, place in enumerate(("before_commit", "after_commit", "before_ack") * 2):
        killed = write(number * 100, 50, f"{place}:{3 + number % 3}")
        assert killed == -signal.SIGKILL
        database = Database(Address("sqlite", path=path))
        await database.open()
        await check(database)
        await database.close()
    assert write(1_000, 20) == 0
    await database.open()
    await check(database)
    assert len(await positions(database, type="*")) > 60
    await database.close()
