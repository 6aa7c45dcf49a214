"""Runs from request to completion: real processes, real databases."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from sqlmodel import select

from automations.starting import RunRequest
from base.errors import ConflictError, UnprocessableError
from base.ids import new_id
from engine.control import Control, Wish
from engine.launcher import ProcessLauncher
from engine.recorder import Recorder
from engine.registry import Registry
from engine.starter import RunStarter
from engine.state import Start
from engine.tables import RunLogRow, RunRow
from engine.worker import Worker, WorkerOptions
from events.change import Change, Lane

ROOT = Path(__file__).resolve().parents[2]
TERMINAL = {"completed", "failed", "crashed", "timed_out", "cancelled", "skipped"}

FLOWS = """
import os, signal, sys, time
from pathlib import Path
from ensue import emit, flow, get_run_logger, task


@flow
def hello(name: str = "world") -> dict:
    print(f"hello {name}")
    return {"hello": name}


@flow
def needs(order: str, total: float):
    return total


@flow
def talks():
    print("printed")
    get_run_logger().warning("logged")
    os.write(1, b"from the depth\\n")
    print("to stderr", file=sys.stderr)


@flow(retries=2, retry_delay_seconds=[0, 0])
def flaky(counter: str):
    with open(counter, "a") as file:
        file.write("x")
    if len(Path(counter).read_text()) < 3:
        raise ValueError("not yet")


@flow
def broken():
    raise ValueError("no luck")


@flow
def dies():
    os.write(1, b"last words")
    os.kill(os.getpid(), signal.SIGKILL)


@flow
def leaves():
    print("printed just before")
    os._exit(3)


@flow
def waits(marker: str):
    Path(marker).write_text(str(os.getpid()))
    time.sleep(60)


@flow(timeout_seconds=0.2)
def slow():
    time.sleep(60)


@task
def double(n: int) -> int:
    return 2 * n


@flow
def works(n: int):
    return double.submit(n).result()


@flow
def tells():
    return emit("order.reviewed", data={"ok": True})


@flow
def shows():
    import json, events  # the user's own
    print(json.dumps({"path": sys.path, "events": events.MINE, "cwd": os.getcwd(), "floors": [n for n in ("base", "engine", "triggers", "automations") if n in sys.modules]}))
"""


class House:
    """A project with a worker on it."""

    def __init__(self, database, journal, directory, options):
        self.database, self.journal, self.directory = database, journal, directory
        self.stored = []
        journal.subscribe(lambda stored: self.stored.extend(s.event for s in stored))
        self.recorder = Recorder(journal)
        patience = None if options.exclusive else 25.0
        self.launcher = ProcessLauncher(directory, patience=patience)
        self.registry = Registry(journal, directory, self.launcher.python)
        self.control = Control(journal, RunStarter())
        self.worker = self.new_worker(options)

    def new_worker(self, options):
        return Worker(
            journal=self.journal,
            recorder=self.recorder,
            launcher=self.launcher,
            flows=lambda: self.registry.flows,
            directory=self.directory,
            options=options,
        )

    async def run(self, flow, /, **parameters):
        return await self.control.start(Wish(flow, parameters))

    async def row(self, run):
        async with self.database.reader() as session:
            return (await session.exec(select(RunRow).where(RunRow.id == run))).one()

    async def until(self, run, *states):
        wanted = set(states) or TERMINAL
        async with asyncio.timeout(20):
            while True:
                arrived = asyncio.Event()
                stop = self.journal.subscribe(lambda _, arrived=arrived: arrived.set())
                row = await self.row(run)
                if row.state in wanted:
                    stop()
                    return row
                await arrived.wait()
                stop()

    async def lines(self, run):
        async with self.database.reader() as session:
            query = select(RunLogRow).where(RunLogRow.run == run).order_by(RunLogRow.seq)
            return list(await session.exec(query))

    def told(self, run):
        return [e.type for e in self.stored if e.subject == run]


@contextlib.asynccontextmanager
async def house(database, journal, tmp_path, **options):
    project = tmp_path / "project"
    (project / "flows").mkdir(parents=True, exist_ok=True)
    (project / "flows" / "all.py").write_text(FLOWS)
    (project / "flows" / "events.py").write_text("MINE = 'the user\\'s'\n")
    options = replace(
        WorkerOptions(exclusive=database.address.dialect == "sqlite", grace=0.5, drain=0.3),
        **options,
    )
    house = House(database, journal, project, options)
    async with house.recorder, house.launcher:
        await house.registry.refresh()
        async with house.worker:
            yield house


@pytest.fixture
async def home(database, journal, tmp_path):
    async with house(database, journal, tmp_path) as home:
        yield home


async def test_a_run_goes_through_its_states_and_tells_of_each(home):
    run = await home.run("hello", name="ann")
    row = await home.until(run)
    assert row.state == "completed", row.message
    assert orjson.loads(row.result) == {"hello": "ann"}
    assert home.told(run) == [
        "ensue.run.scheduled",
        "ensue.run.pending",
        "ensue.run.running",
        "ensue.run.completed",
    ]
    assert [line.message for line in await home.lines(run)] == ["hello ann"]


async def test_wrong_parameters_are_refused_before_there_is_a_run(home):
    with pytest.raises(UnprocessableError) as refused:
        await home.run("needs", order="a", totl=1)
    assert refused.value.code == "parameters_invalid"
    assert "total is missing" in refused.value.message
    assert "totl is not a parameter (did you mean `total`?)" in refused.value.message


async def test_a_wrong_type_fails_before_user_code(home):
    run = await home.run("needs", order="a", total="much")
    row = await home.until(run)
    assert (row.state, row.code) == ("failed", "parameters_invalid")
    assert "total" in row.message


async def test_an_unknown_flow_is_refused_with_a_hint(home):
    with pytest.raises(UnprocessableError, match="did you mean `hello`") as refused:
        await home.run("helo")
    assert refused.value.code == "flow_unknown"


async def test_everything_that_is_said_is_kept(home):
    run = await home.run("talks")
    await home.until(run)
    said = {(line.logger, line.level): line.message for line in await home.lines(run)}
    texts = [line.message for line in await home.lines(run)]
    assert sorted(texts) == ["from the depth", "logged", "printed", "to stderr"]
    assert said["ensue.flow_runs", 30] == "logged"


async def test_a_failing_flow_is_tried_again_as_often_as_it_says(home, tmp_path):
    run = await home.run("flaky", counter=str(tmp_path / "count"))
    row = await home.until(run)
    assert (row.state, row.attempt) == ("completed", 3)
    assert home.told(run).count("ensue.run.retrying") == 2


async def test_a_failure_keeps_its_reason_and_its_traceback(home):
    run = await home.run("broken")
    row = await home.until(run)
    assert row.state == "failed"
    assert "no luck" in row.message
    assert any("ValueError: no luck" in line.message for line in await home.lines(run))


async def test_a_killed_process_has_crashed_and_its_last_words_are_kept(home):
    run = await home.run("dies")
    row = await home.until(run)
    assert row.state == "crashed"
    assert "SIGKILL" in row.message
    assert [line.message for line in await home.lines(run)] == ["last words"]


async def test_a_process_that_leaves_has_crashed_and_what_it_printed_is_kept(home):
    run = await home.run("leaves")
    row = await home.until(run)
    assert row.state == "crashed"
    assert "exited with code 3" in row.message
    assert [line.message for line in await home.lines(run)] == ["printed just before"]


async def test_a_timeout_is_told_as_such(home):
    run = await home.run("slow")
    assert (await home.until(run)).state == "timed_out"


async def running_process(home, marker, flow="waits"):
    run = await home.run(flow, marker=str(marker))
    await home.until(run, "running")
    async with asyncio.timeout(10):
        while not (marker.exists() and marker.read_text()):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)  # another process's doing: there is no event to wait for
    return run, int(marker.read_text())


async def gone(pid):
    async with asyncio.timeout(10):
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            await asyncio.sleep(0.01)


async def test_a_running_flow_is_cancelled_and_its_process_goes(home, tmp_path):
    run, pid = await running_process(home, tmp_path / "pid")
    await home.control.cancel(run, by="ann")
    row = await home.until(run)
    assert (row.state, row.message) == ("cancelled", "cancelled by ann")
    await gone(pid)


async def test_a_finished_run_cannot_be_cancelled_but_retried(home):
    run = await home.run("hello")
    await home.until(run)
    with pytest.raises(ConflictError):
        await home.control.cancel(run)
    await home.control.retry(run)
    row = await home.until(run)
    while row.attempt < 2:
        row = await home.until(run)
    assert row.attempt == 2


async def test_a_paused_flow_keeps_its_runs_waiting(home):
    await home.control.pause_flow("hello")
    held = await home.run("hello")
    other = await home.run("works", n=2)
    await home.until(other)
    assert (await home.row(held)).state == "scheduled"
    await home.control.resume_flow("hello")
    assert (await home.until(held)).state == "completed"


async def test_tasks_tell_of_themselves(home):
    run = await home.run("works", n=21)
    row = await home.until(run)
    assert row.result == "42"
    assert [kind for kind in home.told(run) if ".task." in kind] == [
        "ensue.task.running",
        "ensue.task.completed",
    ]


async def test_what_a_flow_emits_joins_its_chain(home):
    run = await home.run("tells")
    await home.until(run)
    by_type = {e.type: e for e in home.stored if e.subject == run or e.type == "order.reviewed"}
    emitted = by_type["order.reviewed"]
    assert emitted.causationid == by_type["ensue.run.running"].id
    assert emitted.correlationid == by_type["ensue.run.scheduled"].id
    assert emitted.source == "/flows/tells"


async def test_a_flow_sees_its_own_modules_and_none_of_ours(home):
    run = await home.run("shows")
    row = await home.until(run)
    assert row.state == "completed", row.message
    seen = orjson.loads((await home.lines(run))[0].message)
    assert seen["events"] == "the user's"
    assert seen["floors"] == []
    assert seen["cwd"] == str(home.directory)
    assert str(ROOT) not in seen["path"]


async def test_the_same_request_twice_is_one_run(home):
    request = RunRequest(
        id=new_id(),
        flow="hello",
        automation="a",
        firing="f",
        action="f.0",
        correlationid="c",
        causationid="e",
        depth=1,
        idempotency_key="k",
    )
    starter, outcomes = RunStarter(), []

    async def start(tx):
        first = await starter.start(tx, [request, replace(request, id=new_id())])
        again = await starter.start(tx, [request])
        outcomes.extend([*first.outcomes, *again.outcomes])
        return [*first.events, *again.events]

    await home.journal.submit(Change(operation=start, lane=Lane.SERVICE))
    assert set(outcomes) == {request.id}
    row = await home.until(request.id)
    assert (row.automation, row.depth, row.correlationid) == ("a", 1, "c")
    scheduled = next(e for e in home.stored if e.type == "ensue.run.scheduled")
    assert (scheduled.causationid, scheduled.depth) == ("e", 1)


async def test_many_runs_complete_each_once(home):
    runs = await asyncio.gather(*(home.run("hello", name=str(n)) for n in range(40)))
    for run in runs:
        assert (await home.until(run)).state == "completed"
    assert sum(e.type == "ensue.run.completed" for e in home.stored) == 40


async def test_a_killed_fork_server_crashes_its_runs_and_comes_back(home, tmp_path):
    run, pid = await running_process(home, tmp_path / "pid")
    os.kill(home.launcher.server_pid, signal.SIGKILL)
    row = await home.until(run)
    assert row.state == "crashed"
    await gone(pid)
    after = await home.run("hello")
    assert (await home.until(after)).state == "completed"


async def test_a_stop_gives_back_what_did_not_begin_and_interrupts_what_runs(
    database, journal, tmp_path
):
    async with house(database, journal, tmp_path, slots=1) as home:
        run, pid = await running_process(home, tmp_path / "pid")
        waiting = await home.run("hello")
        await home.worker.stop()
        assert (await home.row(waiting)).state == "scheduled"
        row = await home.row(run)
        assert (row.state, row.message) == ("crashed", "interrupted: its worker was stopped")
        await gone(pid)


async def test_a_broken_file_holds_its_runs_until_it_is_mended(home):
    file = home.directory / "flows" / "all.py"
    good = file.read_text()
    file.write_text("def broken(:\n")
    found = await home.registry.refresh()
    assert [(p.file, p.line) for p in found.problems] == [("flows/all.py", 1)]
    run = await home.run("hello")
    await home.worker.start()
    assert (await home.row(run)).state == "scheduled"
    file.write_text(good)
    await home.registry.refresh()
    assert (await home.until(run)).state == "completed"


async def stopped_now(worker, monkeypatch):
    """A stop of the worker, which has looked through its runs and waits for those that go on."""
    waiting = asyncio.Event()

    async def until_one_less(seconds, wait=worker._until_one_less):
        waiting.set()
        await wait(seconds)

    monkeypatch.setattr(worker, "_until_one_less", until_one_less)
    stop = asyncio.create_task(worker.stop())
    await waiting.wait()
    return stop


async def test_a_stop_while_a_start_is_on_its_way_to_the_disk_lets_the_run_finish(
    database, journal, tmp_path, monkeypatch
):
    async with house(database, journal, tmp_path, drain=20) as home:
        stops = asyncio.Queue()

        async def record(run, signal, record=home.recorder.record):
            if isinstance(signal, Start):
                stops.put_nowait(await stopped_now(home.worker, monkeypatch))
            return await record(run, signal)

        monkeypatch.setattr(home.recorder, "record", record)
        run = await home.run("hello")
        assert (await home.until(run)).state == "completed"
        await (await stops.get())
        assert home.worker.active == 0


async def test_a_stop_while_a_process_is_made_gives_the_run_back_and_runs_none_of_it(
    database, journal, tmp_path, monkeypatch
):
    async with house(database, journal, tmp_path, drain=20) as home:
        stops = asyncio.Queue()

        async def launch(name, fds, launch=home.launcher.launch):
            process = await launch(name, fds)
            stops.put_nowait(await stopped_now(home.worker, monkeypatch))
            return process

        monkeypatch.setattr(home.launcher, "launch", launch)
        run = await home.run("talks")
        await (await stops.get())
        row = await home.row(run)
        assert (row.state, row.worker) == ("scheduled", None)
        assert await home.lines(run) == []
        assert "ensue.run.running" not in home.told(run)
