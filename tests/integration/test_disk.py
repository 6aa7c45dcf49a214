"""Waiting for the disk: in a thread when it is calm, in a process of its own under load."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from base.database import Database
from base.errors import UnavailableError
from base.time import now
from events import disk as module
from events import sqlite
from events.change import Change
from events.disk import Disk, DiskLostError
from events.evaluation import NoRules
from events.event import Event
from events.journal import Journal
from events.segmented_seen import SegmentedSeen
from events.sqlite import SqliteWriter
from events.wal_file import WalFile


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    disk = Disk(descriptor)
    yield disk
    disk.close()
    os.close(descriptor)


async def busy(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> int:
    """Wait so often that a process does it; its number."""
    monkeypatch.setattr(module, "BUSY", 5)
    for _ in range(1_000):
        await disk.sync()
        if disk._socket is not None:
            assert disk._process is not None
            return disk._process.pid
    raise AssertionError("no process was started")


async def test_seldom_waits_are_the_threads(disk: Disk) -> None:
    for _ in range(20):
        await disk.sync()
    assert disk._process is None


async def test_many_waits_are_those_of_a_process_which_ends_with_us(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = await busy(disk, monkeypatch)
    for _ in range(50):
        await disk.sync()
    process = disk._process
    disk.close()
    assert process is not None
    assert await asyncio.to_thread(process.wait, 10) == 0
    assert process.pid == pid


async def test_a_process_that_is_killed_costs_no_wait(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = await busy(disk, monkeypatch)
    os.kill(pid, signal.SIGSTOP)
    waiting = disk.sync()
    await asyncio.sleep(0.05)
    assert not waiting.done()
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        await waiting
        await disk.sync()
    assert disk._process is None  # and not started again at once
    for _ in range(20):
        await disk.sync()
    assert disk._process is None


async def test_a_process_that_cannot_be_started_is_not_tried_again_at_once(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def refused(*command: object, **_: object) -> None:
        tried.append(command)
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module.subprocess, "Popen", refused)
    monkeypatch.setattr(module, "BUSY", 5)
    for _ in range(50):
        await disk.sync()
    assert len(tried) == 1


async def test_a_process_that_nothing_asks_any_more_is_ended(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALM", 0.2)
    await busy(disk, monkeypatch)
    for _ in range(500):
        if disk._process is None:
            break
        await asyncio.sleep(0.02)
    assert disk._process is None
    await disk.sync()


@pytest.mark.parametrize("by", ["thread", "process"])
async def test_what_the_disk_refuses_is_told(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()  # a pipe cannot be synced
    disk = Disk(read)
    monkeypatch.setattr(module, "BUSY", 1)
    while by == "process" and disk._socket is None:
        with pytest.raises(OSError, match="Invalid argument"):
            await disk.sync()
    with pytest.raises(OSError, match="Invalid argument") as refused:
        await disk.sync()
    assert refused.value.errno == errno.EINVAL
    disk.close()
    os.close(read)
    os.close(write)


async def test_the_process_does_not_end_by_the_signals_of_a_terminal(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = await busy(disk, monkeypatch)
    await disk.sync()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    for _ in range(10):
        await disk.sync()
    assert disk._process is not None
    assert disk._process.poll() is None


# -- the journal -------------------------------------------------------------------------------


class HeldDisk:
    """A disk that takes its time, until it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[asyncio.Future[None]] = []
        monkeypatch.setattr(Disk, "sync", self._sync)

    def _sync(self, *_: object) -> asyncio.Future[None]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]


def change(*ids: str) -> Change:
    at = now()
    return Change([Event(id=id_, source="/t", type="a.b", time=at, received=at) for id_ in ids])


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    from base.database import Address

    database = Database(Address("sqlite", path=tmp_path / "ensue.db"))
    await database.open()
    await database.close()
    return tmp_path / "ensue.db"


@pytest.fixture
async def held(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Journal, HeldDisk, asyncio.Task[None]]]:
    held = HeldDisk(monkeypatch)
    writer = SqliteWriter(path)
    await writer.open()
    journal = Journal(writer, SegmentedSeen(), NoRules())
    task = asyncio.create_task(journal.run())
    await settle()
    held.asked.pop().set_result(None)  # it has looked for pending events
    yield journal, held, task
    if not task.done():
        for asked in held.asked:
            if not asked.done():
                asked.set_result(None)
        monkeypatch.undo()
        journal.drain()
        await task
    await writer.close()


def ids(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        found = [row[0] for row in connection.execute("SELECT id FROM event ORDER BY position")]
    connection.close()
    return found


def size(path: Path) -> int:
    return path.stat().st_size


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0.001)


async def test_nothing_is_acknowledged_before_it_is_on_disk(path, held) -> None:
    journal, disk, _ = held
    future = journal.enqueue(change("1"))
    await settle()
    assert ids(path) == ["1"]
    assert not future.done()
    disk.asked[0].set_result(None)
    assert (await future).positions == [1]


async def test_the_next_transaction_waits_for_the_disk_and_holds_all_that_came(path, held) -> None:
    journal, disk, _ = held
    futures = []
    for number in range(4):
        futures.append(journal.enqueue(change(str(number))))
        await settle()
    assert ids(path) == ["0"]
    disk.asked[0].set_result(None)
    await settle()
    assert [future.done() for future in futures] == [True, False, False, False]
    assert ids(path) == ["0", "1", "2", "3"]
    disk.asked[1].set_result(None)
    await settle()
    assert all(future.done() for future in futures)


async def test_a_drain_waits_for_the_disk(held) -> None:
    journal, disk, task = held
    future = journal.enqueue(change("1"))
    await settle()
    journal.drain()
    await settle()
    assert not task.done()
    disk.asked[0].set_result(None)
    await task
    assert future.result().positions == [1]


async def test_when_the_disk_loses_what_it_took_the_journal_ends_and_nothing_is_acknowledged(
    held,
) -> None:
    journal, disk, task = held
    first = journal.enqueue(change("1"))
    await settle()
    second = journal.enqueue(change("2"))
    await settle()
    disk.asked[0].set_exception(DiskLostError(errno.EIO, "Input/output error"))
    with pytest.raises(DiskLostError, match="Input/output error"):
        await task
    for future in (first, second):
        with pytest.raises(UnavailableError):
            await future
    with pytest.raises(UnavailableError):
        journal.enqueue(change("3"))


async def test_the_write_ahead_log_is_copied_into_the_database_before_it_grows_large(
    path, monkeypatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 200)
    writer = SqliteWriter(path)
    await writer.open()
    journal = Journal(writer, SegmentedSeen(), NoRules())
    task = asyncio.create_task(journal.run())
    for number in range(600):
        await journal.submit(change(f"{number}-{'x' * 400}"))
    grown = size(Path(f"{path}-wal"))
    journal.drain()
    await task
    await writer.close()
    assert len(ids(path)) == 600
    assert grown < 600 * 4_120


def test_how_full_the_log_is_is_read_from_its_frames(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    wal = WalFile.of(connection)
    assert not wal.holds(1)
    connection.execute("CREATE TABLE a (b)")
    while True:
        connection.execute("INSERT INTO a VALUES (zeroblob(3000))")
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if frames > 3:
            break
        # Copied as a whole: the next write begins the log anew.
    assert wal.holds(frames)
    assert not wal.holds(frames + 1)
    wal.close()
    connection.close()
