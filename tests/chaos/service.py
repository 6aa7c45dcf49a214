"""The service under attack: started, killed and started again, with all its processes in view."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 60.0
MARK = "CHAOS_TRIAL"
"""The variable by which every process of a trial is known, however it came to be."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServiceError(Exception):
    """The service did what it never should: it did not start, or did not stop."""


@dataclass
class Service:
    """`ensue serve` on a directory and a fixed port; at most one at a time."""

    directory: Path
    database: str
    trial: str
    broken: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while it is ready, as far as is known."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    async def start(self, failpoint: str | None = None) -> bool:
        """Start it and wait until it is ready. False where it was killed before that."""
        self.starts += 1
        environment = {**os.environ, **self.environment, MARK: self.trial}
        if failpoint:
            environment["ENSUE_FAILPOINT"] = failpoint
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - the fork is short, and must be in this thread
                self._command(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=ROOT, env=environment, preexec_fn=_die_with_parent,  # noqa: PLW1509 - it is one system call
            )  # fmt: skip
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                if self.process.returncode == -signal.SIGKILL:
                    return False
                raise ServiceError(f"it ended with {self.process.returncode}: {self.last_words()}")
            if await asyncio.to_thread(_ready, f"{self.url}/readyz"):
                self.up.set()
                return True
            await asyncio.sleep(0.02)
        raise ServiceError(f"it is not ready after {READY_WITHIN:g} s: {self.last_words()}")

    async def died(self, within: float, code: int = -signal.SIGKILL) -> bool:
        """Wait for its end; whether it came. Raises ServiceError if it ended with another code."""
        assert self.process is not None
        deadline = time.monotonic() + within
        while self.process.poll() is None:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(0.005)
        self.up.clear()
        if self.process.returncode != code:
            raise ServiceError(f"it ended with {self.process.returncode}: {self.last_words()}")
        return True

    async def kill(self) -> None:
        assert self.process is not None
        self.up.clear()
        self.process.kill()
        await asyncio.to_thread(self.process.wait)

    async def stop(self, within: float = 30.0) -> float:
        """End it as an operator would. Returns the seconds it took; raises ServiceError."""
        assert self.process is not None
        began = time.monotonic()
        self.up.clear()
        self.process.send_signal(signal.SIGTERM)
        if not await self.died(within, code=0):
            raise ServiceError(f"it did not stop within {within:g} s: {self.last_words()}")
        return time.monotonic() - began

    def fork_servers(self) -> list[int]:
        return [pid for pid in self._descendants() if b"ensue.zygote" in _arguments(pid)]

    def children(self) -> list[int]:
        """The processes of runs: what the fork servers forked."""
        return [child for pid in self.fork_servers() for child in _children(pid)]

    def leftovers(self) -> list[int]:
        """All processes that belong to this trial, whoever their parent is now."""
        wanted = f"{MARK}={self.trial}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return found

    def sweep(self) -> None:
        """Nothing of this trial outlives it."""
        for pid in self.leftovers():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def last_words(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-3_000:]
        return ""

    def _command(self) -> list[str]:
        serve = ["serve", str(self.directory), "--port", str(self.port), "--log-format", "json"]
        serve += ["--database", self.database]
        if self.broken:
            return [sys.executable, "-m", "tests.chaos.broken", self.broken, *serve]
        return [str(Path(sys.executable).with_name("ensue")), *serve]

    def _descendants(self) -> list[int]:
        return _below(self.process.pid) if self.process is not None else []


async def until(condition: Callable[[], bool], within: float) -> bool:
    """Poll until it holds; whether it came to."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def send(pids: Sequence[int], number: int) -> int:
    """Signal these; how many were still there."""
    sent = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            sent += 1
    return sent


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _below(pid: int) -> list[int]:
    children = _children(pid)
    return children + [below for child in children for below in _below(child)]


def _arguments(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
