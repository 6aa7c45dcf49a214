"""How fast runs start and how many a second there are, beside a bare fork of the same warm process.

    python -m benchmarks.launch [--runs 600] [--rounds 200]

Each figure is for flows that do nothing, in fresh processes, each with its four state events
(scheduled, pending, running, completed), every one committed to disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from automations.starting import RunRequest
from base.database import Address, Database
from base.ids import new_id
from engine.control import Control, Wish
from engine.launcher import ProcessLauncher
from engine.recorder import Recorder
from engine.registry import Registry
from engine.starter import RunStarter
from engine.worker import Worker, WorkerOptions
from events.evaluation import Matched
from events.event import Event
from events.journal import Journal
from events.store import open_seen, open_writer
from events.tx import Tx

FLOW = """
import time
from ensue import flow

@flow
def first():
    return {"line": time.time_ns() // 1000}

@flow
def second():
    return {"line": time.time_ns() // 1000}
"""

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


@dataclass
class Chain:
    """A rule as small as can be: where it is armed, `first` completed starts `second`."""

    epoch: int = 0
    armed: bool = False
    starter: RunStarter = field(default_factory=RunStarter)

    def match(self, event: Event) -> Matched:
        hit = self.armed and event.type == "ensue.run.completed" and event.source == "/flows/first"
        return Matched(event, (1,) if hit else (), 0)

    async def advance(self, tx: Tx, matched: Sequence[Matched]) -> list[Event]:
        requests = [
            RunRequest(
                id=new_id(),
                flow="second",
                automation="chain",
                firing="",
                action="",
                correlationid=m.event.correlationid,
                causationid=m.event.id,
                depth=m.event.depth + 1,
            )
            for m in matched
        ]
        return list((await self.starter.start(tx, requests)).events)


@dataclass
class Bench:
    """A worker at work, and what its journal stored."""

    control: Control
    chain: Chain
    ended: dict[str, asyncio.Future[Event]]

    async def once(self, flow: str) -> tuple[int, Event]:
        began = time.time_ns() // 1_000
        return began, await self.end(await self.control.start(Wish(flow, {})))

    async def end(self, run: str) -> Event:
        future = self.ended.setdefault(run, asyncio.get_running_loop().create_future())
        return await future


@contextlib.asynccontextmanager
async def bench(folder: Path, slots: int) -> AsyncIterator[tuple[Bench, Database]]:
    (folder / "flows").mkdir()
    (folder / "flows" / "trivial.py").write_text(FLOW)
    database = Database(Address("sqlite", path=folder / "ensue.db"))
    await database.open()
    writer = open_writer(database)
    await writer.open()
    chain = Chain()
    journal = Journal(writer, await open_seen(database), chain)
    journal_task = asyncio.create_task(journal.run())
    recorder = Recorder(journal)
    launcher = ProcessLauncher(folder, patience=None)
    registry = Registry(journal, folder, launcher.python)
    worker = Worker(
        journal=journal,
        recorder=recorder,
        launcher=launcher,
        flows=lambda: registry.flows,
        directory=folder,
        options=WorkerOptions(slots=slots, exclusive=True),
    )
    this = Bench(Control(journal, chain.starter), chain, {})

    def note(stored):
        for one in stored:
            if one.event.type == "ensue.run.completed":
                future = this.ended.setdefault(
                    one.event.subject, asyncio.get_running_loop().create_future()
                )
                future.set_result(one.event)

    journal.subscribe(note)
    async with recorder, launcher, registry:
        await registry.refresh()
        await launcher.up.wait()
        async with worker:
            yield this, database
    journal.drain()
    await journal_task
    await writer.close()
    await database.close()


async def latency(this: Bench, rounds: int) -> list[float]:
    """Milliseconds from handing in what starts a run to the first line of its flow."""
    waits = []
    for _ in range(rounds):
        began, end = await this.once("first")
        waits.append((end.data["result"]["line"] - began) / 1e3)
    return waits


async def chained(this: Bench, rounds: int) -> list[float]:
    """Milliseconds from the completion of a run to the first line of the run it set off."""
    this.chain.armed = True
    waits = []
    for _ in range(rounds):
        known = set(this.ended)
        _, first = await this.once("first")
        while not (new := [r for r in this.ended if r not in known and r != first.subject]):  # noqa: ASYNC110 - a benchmark
            await asyncio.sleep(0.002)
        second = await this.end(new[0])
        waits.append((second.data["result"]["line"] - first.time) / 1e3)
    this.chain.armed = False
    return waits


async def throughput(this: Bench, runs: int) -> float:
    began = time.perf_counter()
    ids = await asyncio.gather(*(this.control.start(Wish("first", {})) for _ in range(runs)))
    for run in ids:
        await this.end(run)
    return runs / (time.perf_counter() - began)


def bare_fork(count: int) -> tuple[float, float]:
    """Milliseconds to the first line of a bare fork, and forks a second."""
    said = subprocess.run(
        [sys.executable, "-P", "-c", BARE, str(count)], capture_output=True, check=True
    )
    line, rate = said.stdout.split()
    return float(line), float(rate)


def told(name: str, waits: list[float], bare: float) -> None:
    cuts = quantiles(waits, n=100)
    print(
        f"{name:44} median {median(waits):6.1f} ms   p99 {cuts[98]:6.1f} ms   "
        f"{median(waits) / bare:4.1f} x a bare fork"
    )


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=600)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--slots", type=int, default=8)
    given = options.parse_args()
    bare, rate = bare_fork(200)
    print(f"{'bare fork of the warm process':44} median {bare:6.1f} ms   {rate:6.0f}/s")
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder), given.slots) as (this, database):
            await latency(this, 5)
            told(
                "event handed in -> first line of its flow", await latency(this, given.rounds), bare
            )
            told(
                "completion -> first line of the next run", await chained(this, given.rounds), bare
            )
            runs = await throughput(this, given.runs)
            print(
                f"{'trivial runs, four events each':44} {runs:6.0f}/s   {runs / rate:4.2f} of bare forks"
            )
            print(f"{'database':44} {await database.size() / 1e6:6.1f} MB")


if __name__ == "__main__":
    asyncio.run(main())
