"""Rules that remember: events that are all counted, and a million windows that stay open.

Counting is measured over the whole service, beside the same load of events that no rule listens
to. What another event costs among very many windows is measured in processor time of the server,
for keys chosen at random out of all of them, beside the same among a thousand.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from base.time import now, parse_rfc3339
from benchmarks import load, project, service
from benchmarks.report import Figure
from triggers.rows import ADD_MEMBERS, DAY, WRITE_WINDOWS

FEW = 1_000
KEYS = (FEW, 100_000)
CONNECTIONS = 4
BATCH = 100
GOAL = 10_000
AT_LEAST = 10
"""One event in ten fires, once each key has been seen so often."""
NEVER = 10_000
MEGABYTES = 300
TIMES = 3


def run(*, seconds: float, opened: int) -> Iterator[Figure]:
    """SQLite; `opened` windows beside a thousand."""
    yield from _counted(seconds)
    yield from _open(seconds, opened)


def _counted(seconds: float) -> Iterator[Figure]:
    with _project(AT_LEAST) as folder, service.serving(Path(folder)) as server:
        _Sending(server).send(1)
        for keys in KEYS:
            bare = _Sending(server).send(seconds)
            found = _Sending(server, keys).send(seconds)
            yield Figure(
                f"counted, batches of {BATCH}, {keys:,} keys",
                found.rate,
                "/s",
                GOAL,
                found.rate / bare.rate,
                f"of events that no rule listens to, {bare.rate:,.0f}/s",
                f"p99 {found.p99:.1f} ms, {found.errors} errors; of the processor "
                f"{found.micros:.0f} µs each, beside {bare.micros:.0f} µs",
            )


def _open(seconds: float, opened: int) -> Iterator[Figure]:
    (few, before), (many, after) = _among(seconds, FEW), _among(seconds, opened)
    yield Figure(
        f"one more event, {opened:,} windows open",
        many.micros,
        "µs",
        TIMES * few.micros,
        many.micros / few.micros,
        f"of one with {FEW:,}, {few.micros:.0f} µs",
        f"of the processor; {many.rate:,.0f}/s",
        lower_is_better=True,
    )
    yield Figure(
        f"memory, {opened:,} windows open",
        after,
        "MB",
        MEGABYTES,
        after / before,
        f"of that with {FEW:,}, {before:.0f} MB",
        "after these events; the server and its waiting processes",
        lower_is_better=True,
    )


def _among(seconds: float, windows: int) -> tuple[_Sent, float]:
    """Events to so many open windows, each with one event in it, and the server's megabytes after."""
    with _project(NEVER) as folder:
        directory = Path(folder)
        with service.serving(directory):
            pass  # now the tables and the rule are there
        _fill(directory / ".ensue" / "ensue.db", windows)
        with service.serving(directory) as server:
            sending = _Sending(server, windows)
            sending.send(1)
            return sending.send(seconds), server.resident_megabytes()


class _Sent(NamedTuple):
    """`micros` is the server's processor time for an event."""

    rate: float
    micros: float
    p99: float
    errors: int


class _Sending(NamedTuple):
    """Events of the mix, or that are counted for so many keys."""

    server: service.Service
    keys: int = 0

    def send(self, seconds: float) -> _Sent:
        seconds = max(1, round(seconds))
        before = self.server.processor_seconds()
        found = load.run(
            self.server.port,
            connections=CONNECTIONS,
            batch=BATCH,
            seconds=seconds,
            keys=self.keys,
        )
        took = self.server.processor_seconds() - before
        return _Sent(found.rate, took / (found.rate * seconds) * 1e6, found.p99, found.errors)


def _fill(path: Path, windows: int) -> None:
    """Open these windows, as the service would have written them in a long time."""
    time = parse_rfc3339(project.TIME)
    today = now() // DAY * DAY
    keys = [("count", 0, "", f'"k{n}"') for n in range(windows)]
    with sqlite3.connect(path) as connection:
        connection.executemany(
            WRITE_WINDOWS.sqlite, [(*key, time, "", None, today) for key in keys]
        )
        connection.executemany(
            ADD_MEMBERS.sqlite, [(*key, time, -n, 0, "") for n, key in enumerate(keys)]
        )
    connection.close()


def _project(at_least: int) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-")
    project.write_count(Path(folder.name), at_least=at_least)
    return folder
