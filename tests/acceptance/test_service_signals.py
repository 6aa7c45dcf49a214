"""Signals to a process of services."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, sys
from datetime import timedelta
from base import services
from base.services import Service, ServiceGroup

class Draining(Service):
    async def open(self):
        print("opening", flush=True)
        if "slow" in sys.argv:
            await asyncio.Event().wait()
    async def run(self):
        await self.stopping.wait()
        print("draining", flush=True)
        if "hang" in sys.argv:
            await asyncio.Event().wait()
        if "deaf" in sys.argv:
            import time; time.sleep(600)
    async def close(self):
        print("closed", flush=True)

services._LAST_WORDS = 0.2
grace = timedelta(seconds=0.2 if "short" in sys.argv else 600)
asyncio.run(ServiceGroup([Draining()], grace=grace).serve(lambda: print("ready", flush=True)))
print("end", flush=True)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def start(*args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *args],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str], line: str) -> None:
    """Wait until the process has said this."""
    assert process.stdout
    while (heard := process.stdout.readline()).strip() != line:
        assert heard, f"it ended without saying {line!r}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order(start: Start, number: signal.Signals) -> None:
    process = start()
    said(process, "ready")
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert [line for line in out.splitlines() if "[" not in line] == ["draining", "closed", "end"]
    assert process.returncode == 0


def test_a_second_signal_means_now(start: Start) -> None:
    process = start("hang")
    said(process, "ready")
    process.send_signal(signal.SIGTERM)
    said(process, "draining")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM


def test_what_does_not_drain_is_cut_off_at_the_deadline(start: Start) -> None:
    process = start("hang", "short")
    said(process, "ready")
    process.send_signal(signal.SIGTERM)
    said(process, "end")
    assert process.wait(20) == 0


def test_a_signal_while_starting_ends_the_start(start: Start) -> None:
    process = start("slow")
    said(process, "opening")
    process.send_signal(signal.SIGTERM)
    said(process, "end")
    assert process.wait(20) == 0


def test_a_loop_that_is_blocked_is_ended_with_all_stacks_shown(start: Start) -> None:
    process = start("deaf", "short")
    said(process, "ready")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "most recent call first" in err
