"""The server at rest: how soon it is ready, and what it keeps in memory."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import service
from benchmarks.report import Figure

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "github"


def run(*, starts: int) -> Iterator[Figure]:
    """Serve the GitHub example some times; the first start only warms the cache."""
    ready, memory = [], []
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        directory = Path(folder) / "github"
        shutil.copytree(EXAMPLE, directory, ignore=shutil.ignore_patterns(".ensue"))
        for _ in range(starts + 1):
            with service.serving(directory) as server:
                time.sleep(2)
                ready.append(server.ready_after)
                memory.append(server.resident_megabytes())
    note = "the server, its fork server and waiting processes; shared pages once"
    yield Figure(
        "ready after", median(ready[1:]), "s", 1.2, note=f"median of {starts}", lower_is_better=True
    )
    yield Figure("memory at rest", median(memory[1:]), "MB", 120, note=note, lower_is_better=True)
