"""The service under measurement: a real server, started by its command, on a database of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENSUE = Path(sys.executable).with_name("ensue")


@dataclass(frozen=True)
class Service:
    """A running server."""

    port: int
    pid: int
    ready_after: float
    """Seconds from its start to its first ready answer."""

    def resident_megabytes(self) -> float:
        """What it and its children keep in memory, shared pages counted once."""
        return sum(_pss(pid) for pid in (self.pid, *_children(self.pid))) / 1024

    def processor_seconds(self) -> float:
        """What it took of the processor until now, in its own work and in the system's for it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(directory: Path, *, database: str | None = None) -> Iterator[Service]:
    """`ensue serve`, ready; stopped as an operator would at the end."""
    port = free_port()
    command = [str(ENSUE), "serve", str(directory), "--port", str(port)]
    if database:
        command += ["--database", database]
    log = (directory / "server.log").open("w")
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        ready = _await_ready(port, process, directory / "server.log") - started
        yield Service(port, process.pid, ready)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(40)
        process.kill()
        process.wait()
        log.close()


@contextlib.contextmanager
def bare_http() -> Iterator[int]:
    """The bare aiohttp server of `limits`, in a process of its own; its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.limits", str(port)])
    try:
        while not _answers(f"http://127.0.0.1:{port}/"):
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def database_megabytes(directory: Path) -> float:
    files = (directory / ".ensue").glob("ensue.db*")
    return sum(file.stat().st_size for file in files) / 1e6


def _await_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> float:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
        if _answers(f"http://127.0.0.1:{port}/readyz", status=200):
            return time.perf_counter()
        time.sleep(0.01)
    raise RuntimeError(f"the server is not ready: {log.read_text()[-2000:]}")


def _answers(url: str, status: int | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return status is None or response.status == status
    except urllib.error.HTTPError as error:
        return status is None or error.code == status
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found + [grandchild for child in found for grandchild in _children(child)]


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0


def cores() -> str:
    return f"{os.cpu_count()} cores"
