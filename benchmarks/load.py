"""The load: wrk where it is installed, otherwise a client of our own, which takes more of the cores."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp

from benchmarks.project import BODY, COUNTED, RULES


@dataclass(frozen=True)
class Load:
    """What the clients saw. `rate` counts events, latencies are of requests, in milliseconds."""

    rate: float
    p50: float
    p99: float
    errors: int


def generator() -> str:
    """What makes the load here."""
    return "wrk" if shutil.which("wrk") else "aiohttp client"


def run(port: int, *, connections: int, batch: int = 1, seconds: float = 10, keys: int = 0) -> Load:
    """POST events to a server for some seconds: the mix, or with `keys` those that are counted."""
    if shutil.which("wrk"):
        return _wrk(port, connections, batch, seconds, keys)
    return asyncio.run(_client(port, connections, batch, seconds, keys))


def _wrk(port: int, connections: int, batch: int, seconds: float, keys: int) -> Load:
    script = Path(__file__).with_name("load.lua")
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s",
        "-s", str(script), f"http://127.0.0.1:{port}", "--", str(batch), str(RULES), str(keys),
    ]  # fmt: skip
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in out.splitlines() if line.startswith("RESULT"))
    _, rate, p50, p99, errors = line.split()
    return Load(float(rate) * batch, float(p50), float(p99), int(errors))


def body(n: int, keys: int = 0) -> str:
    """The n-th event of the mix, with an id of its own; or one that is counted."""
    kind, total, subject = f"quiet.kind{n % 500}.created", "12.5", "order-4711"
    if keys:
        kind, subject = COUNTED, f"k{random.randrange(keys)}"
    elif n % 10 == 0:
        kind = f"bench.kind{random.randrange(RULES)}.created"
        total = "1500.25" if n % 100 == 0 else total
    return BODY.format(id=uuid4(), type=kind, total=total, subject=subject)


async def _client(port: int, connections: int, batch: int, seconds: float, keys: int) -> Load:
    url = f"http://127.0.0.1:{port}/api/events"
    kind = "application/cloudevents" + ("-batch" if batch > 1 else "") + "+json"
    times: list[float] = []
    errors = n = 0
    end = time.perf_counter() + seconds

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal errors, n
        while time.perf_counter() < end:
            n += batch
            events = [body(n + i, keys) for i in range(batch)]
            data = events[0] if batch == 1 else "[" + ",".join(events) + "]"
            started = time.perf_counter()
            async with session.post(url, data=data, headers={"Content-Type": kind}) as response:
                errors += response.status != 202
                await response.read()
            times.append((time.perf_counter() - started) * 1e3)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(connections)))
    cuts = statistics.quantiles(times, n=100)
    return Load(len(times) * batch / seconds, cuts[49], cuts[98], errors)


def sample() -> bytes:
    """One event as it goes over the wire."""
    text = body(1)
    json.loads(text)
    return text.encode()
