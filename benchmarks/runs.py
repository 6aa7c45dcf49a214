"""Runs: from the event to the first line of the user's flow, from one run to the next, and how many.

All of it over the real service: an event is POSTed, a rule matches it and launches a run in a
fresh process; that run's completion is matched by a second rule, which launches the next. Both
have parameters, which are checked before their first line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

from benchmarks import service
from benchmarks.report import Figure

FLOWS = """
import time
from ensue import flow

@flow
def first(event: str, size: int = 1):
    return {"line": time.time_ns() // 1000}

@flow
def second(event: str, size: int = 1):
    return {"line": time.time_ns() // 1000}

@flow
def many():
    pass
"""
RULES = [
    {
        "name": "first",
        "trigger": {"event": "bench.start"},
        "actions": [{"run": "first", "with": {"event": "${event.id}"}}],
    },
    {
        "name": "second",
        "trigger": {"event": "ensue.run.completed", "match": {"data": {"flow": ["first"]}}},
        "actions": [{"run": "second", "with": {"event": "${event.id}"}}],
    },
    {"name": "many", "trigger": {"event": "bench.many"}, "actions": [{"run": "many"}]},
]
# What a fork of the same warm process takes, with nothing around it.
BARE = """
import gc, os, sys, time
from ensue import child
child.preload(); gc.collect(); gc.freeze()
count = int(sys.argv[1])
lines, began = [], time.perf_counter()
for _ in range(count):
    r, w = os.pipe()
    t = time.time_ns()
    pid = os.fork()
    if pid == 0:
        os.write(w, str(time.time_ns()).encode()); os._exit(0)
    os.close(w); lines.append((int(os.read(r, 40)) - t) / 1e6); os.close(r); os.waitpid(pid, 0)
lines.sort()
print(lines[count // 2], count / (time.perf_counter() - began))
"""


def run(*, rounds: int, count: int) -> Iterator[Figure]:
    """Latencies over so many rounds, throughput over so many runs."""
    bare_ms, bare_rate = _bare_fork(200)
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        directory = Path(folder)
        _write(directory)
        with service.serving(directory) as server:
            api = Api(server.port)
            api.follow_one()
            waits = [api.follow_one() for _ in range(rounds)]
            how = f"of a bare fork, {bare_ms:.1f} ms"
            for n, what in enumerate(
                ("event accepted → first line of its flow", "completion → first line of the next")
            ):
                times = [wait[n] for wait in waits]
                p99 = quantiles(times, n=100)[98]
                middle = median(times)
                yield Figure(
                    what, middle, "ms", 10, middle / bare_ms, how, f"{rounds} rounds",
                    lower_is_better=True,
                )  # fmt: skip
                yield Figure("  p99 of these", p99, "ms", 40, lower_is_better=True)
            rate = api.launch_many(count)
            size = f"{count} runs, four events each, {service.database_megabytes(directory):.0f} MB"
            how = f"of bare forks, {bare_rate:,.0f}/s"
            yield Figure(
                "trivial runs in fresh processes", rate, "/s", 150, rate / bare_rate, how, size
            )


class Api:
    """The few calls that this needs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def follow_one(self) -> tuple[float, float]:
        """Milliseconds from the event's acceptance, and from the first completion, to user code."""
        event = str(uuid4())
        self._post("/api/events", {"id": event, "type": "bench.start"})
        chain = self._chain(event, completed=2)
        accepted = _micros(chain["ensue.run.scheduled", "first"])
        ended = _micros(chain["ensue.run.completed", "first"])
        lines = [
            chain["ensue.run.completed", f]["data"]["result"]["line"] for f in ("first", "second")
        ]
        return (lines[0] - accepted) / 1e3, (lines[1] - ended) / 1e3

    def launch_many(self, count: int) -> float:
        """Runs a second, from the request that asks for all to the end of the last."""
        started = time.perf_counter()
        for batch in range(0, count, 500):
            events = [{"type": "bench.many"} for _ in range(min(500, count - batch))]
            self._post("/api/events", events)
        while self._under_way("many"):
            time.sleep(0.1)
        return count / (time.perf_counter() - started)

    def _chain(self, event: str, *, completed: int) -> dict[tuple[str, str], Any]:
        """The events of a chain by type and flow, once so many of its runs have completed."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.15)  # asking takes the server's time: rather late than in the way
            items = self._get(f"/api/events?correlationid={event}&limit=100")["items"]
            found = {(e["type"], (e.get("data") or {}).get("flow", "")): e for e in items}
            if sum(kind == "ensue.run.completed" for kind, _ in found) == completed:
                return found
        raise RuntimeError("the runs did not complete")

    def _under_way(self, flow: str) -> bool:
        """Whether runs of this flow are still to end."""
        return any(
            self._get(f"/api/runs?flow={flow}&state={state}&limit=1")["items"]
            for state in ("scheduled", "pending", "running")
        )

    def _post(self, path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(
            urllib.request.Request(self._url + path, data, headers), timeout=30
        ).read()

    def _get(self, path: str) -> Any:
        return json.load(urllib.request.urlopen(self._url + path, timeout=30))


def _micros(event: dict[str, Any]) -> int:
    from base.time import parse_rfc3339

    return parse_rfc3339(event["time"])


def _bare_fork(count: int) -> tuple[float, float]:
    """Milliseconds to the first line of a bare fork, and forks a second."""
    said = subprocess.run(
        [sys.executable, "-P", "-c", BARE, str(count)], capture_output=True, check=True
    )
    line, rate = said.stdout.split()
    return float(line), float(rate)


def _write(directory: Path) -> None:
    (directory / "flows").mkdir()
    (directory / "flows" / "bench.py").write_text(FLOWS)
    (directory / "automations").mkdir()
    (directory / "automations" / "bench.yaml").write_text(json.dumps(RULES))
    (directory / "ensue.toml").write_text("[runs]\nconcurrency = 8\n[rules]\nbreaker = 1000000\n")
