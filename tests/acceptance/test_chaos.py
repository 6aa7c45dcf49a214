"""The short form of the kill test; `make chaos` is the long one.

Each trial is a process of its own, and so is everything it starts: none of it outlives the test.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHIN = 280

pytestmark = [pytest.mark.slow, pytest.mark.timeout(WITHIN + 20)]

Chaos = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def chaos() -> Iterator[Chaos]:
    """`chaos("--kills", 30, …)`: a trial with a seed of its own, and its report."""
    processes: list[subprocess.Popen[str]] = []

    def run(*options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.chaos", "--trial", "kills", *map(str, options)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        processes.append(process)
        report, _ = process.communicate(timeout=WITHIN)
        return subprocess.CompletedProcess(command, process.returncode, report)

    yield run
    for process in processes:
        # It takes everything that it started with it, and then itself.
        process.terminate()
        process.communicate(timeout=15)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_is_lost_or_done_twice_however_often_it_is_killed(
    chaos: Chaos, database: str
) -> None:
    trial = chaos("--database", database, "--events", 5_000, "--kills", 30, "--longest", 0.8)
    assert trial.returncode == 0, trial.stdout


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_is_lost_when_it_is_stopped_over_and_over(chaos: Chaos, database: str) -> None:
    trial = chaos("--database", database, "--events", 2_000, "--longest", 0.8, "--graceful")
    assert trial.returncode == 0, trial.stdout


@pytest.mark.parametrize(
    ("fault", "database", "told"),
    [
        ("ack_before_commit", "sqlite", "was acknowledged and is not in the log"),
        ("no_firing_key", "postgresql", "times, not once"),
    ],
)
def test_a_build_that_is_broken_on_purpose_is_found_out(
    chaos: Chaos, fault: str, database: str, told: str
) -> None:
    load = ("--events", 4_000, "--kills", 12, "--longest", 0.8)
    trial = chaos("--database", database, *load, "--broken", fault)
    assert trial.returncode == 1, trial.stdout
    assert told in trial.stdout
    assert "The seed was" in trial.stdout
