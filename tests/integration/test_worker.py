"""Owning runs: leases, fencing, rescue, taking over, and being late. No process is needed for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from base.clock import ClockWatch, steady
from base.ids import new_id
from base.time import SECOND, now
from engine import lease, queries, retention, store, workers
from engine.flow import Flow, Signature
from engine.log_lines import LogLine
from engine.recorder import Recorder
from engine.registry import _store_flow
from engine.rescue import Rescue
from engine.run import Run, RunState
from engine.state import Claim, End, Refused, Start, Step, begin
from engine.tables import RunLogRow, RunRow
from engine.worker import Worker, WorkerOptions
from events.change import Change, Lane
from events.retention import Retention

FLOW = Flow("hello", "flows/all.py", "hello", "h", Signature({"properties": {}}))


class NoLauncher:
    """A launcher that is not up: a worker with it owns and renews, and claims nothing."""

    def __init__(self):
        self.up = asyncio.Event()
        self.on_up = lambda: None
        self.renewed = 0

    def renew(self):
        self.renewed += 1


async def change(journal, operation):
    await journal.submit(Change(operation=operation, lane=Lane.SERVICE))


async def put(journal, *runs):
    """Runs as they stand, with a flow for them."""

    async def operation(tx):
        known = await tx.fetch("SELECT 1 FROM flow WHERE name = $1", FLOW.name)
        events = [] if known else await _store_flow(tx, FLOW, None)
        await store.insert(tx, runs)
        return events

    await change(journal, operation)


def a_run(**given):
    at = given.pop("at", now())
    return begin(replace(Run(id=new_id(at), flow="hello", due=at, scheduled=at), **given), at).run


def owned(state, *, worker="w-dead", lease=None, **given):
    until = now() - SECOND if lease is None else lease
    return replace(a_run(**given), state=state, attempt=1, worker=worker, lease_until=until)


async def states(database):
    async with database.reader() as session:
        return {row.id: row for row in await session.exec(select(RunRow))}


@pytest.fixture
def told(journal):
    events = []
    journal.subscribe(lambda stored: events.extend(s.event for s in stored))
    return events


def worker_on(journal, recorder, tmp_path, **options):
    return Worker(
        journal=journal,
        recorder=recorder,
        launcher=NoLauncher(),
        flows=lambda: {"hello": FLOW},
        directory=tmp_path,
        options=WorkerOptions(**options),
    )


async def test_a_lost_run_crashes_is_tried_again_or_goes_back_by_how_far_it_was(
    database, journal, told
):
    begun = owned(RunState.RUNNING, started=now())
    again = owned(RunState.RUNNING, started=now(), retries=1, retry_delays=(SECOND,))
    waiting = owned(RunState.PENDING)
    unwanted = owned(RunState.CANCELLING, message="cancelled by ann")
    held = owned(RunState.RUNNING, lease=now() + 60 * SECOND)
    await put(journal, begun, again, waiting, unwanted, held)
    await Rescue(journal).look()
    after = await states(database)
    assert after[begun.id].state == "crashed"
    assert after[begun.id].message == "its worker w-dead was lost"
    assert after[again.id].state == "retrying"
    assert after[waiting.id].state == "scheduled"
    assert after[unwanted.id].state == "cancelled"
    assert after[held.id].state == "running"
    assert sum(e.type == "ensue.run.crashed" for e in told) == 1


async def test_nobody_is_lost_because_the_clock_leapt_ahead(database, running):
    """Where leases go by this machine's clock, all seem to have run out."""
    leapt = 0
    async with running(database, clock=lambda: now() + leapt) as journal:
        rescue = Rescue(journal, lease=SECOND // 4)
        run = owned(RunState.RUNNING, lease=now() + 10 * SECOND)
        await put(journal, run)
        await rescue.look()
        leapt = 3_600 * SECOND
        doubtful_until = steady() + SECOND // 4
        await rescue.look()
        assert (await states(database))[run.id].state == "running"
        if database.address.dialect != "sqlite":
            return  # there they go by the database's clock
        lost = asyncio.Event()
        journal.subscribe(lambda _: lost.set())
        rescue._every = 0.05
        async with asyncio.timeout(10), rescue:
            await lost.wait()
        assert steady() >= doubtful_until
        assert (await states(database))[run.id].state == "crashed"


@pytest.mark.parametrize("wrong", [-3_600 * SECOND, 3_600 * SECOND])
async def test_a_server_whose_clock_is_wrong_takes_no_runs_and_loses_none(
    database, running, tmp_path, wrong
):
    if database.address.dialect == "sqlite":
        pytest.skip("a SQLite database has one server")
    async with (
        running(database, clock=lambda: now() + wrong) as off,
        running(database) as right,
        Recorder(off) as recorder,
    ):
        worker = worker_on(off, recorder, tmp_path)
        async with worker:
            mine = replace(owned(RunState.RUNNING, worker=worker.id), id="mine")
            theirs = owned(RunState.RUNNING, worker="w-right", lease=now() + 30 * SECOND)
            await put(right, mine, theirs)
            await change(off, lambda tx: _renewed(tx, worker))
            for journal in (off, right):
                await Rescue(journal).look()
            after = await states(database)
            async with database.reader() as session:
                (known,) = await queries.workers(session)
    assert (after["mine"].state, after[theirs.id].state) == ("running", "running")
    assert known.state == "online"


async def _renewed(tx, worker):
    at = await lease.clock(tx)
    await store.renew(tx, worker.id, at + 30 * SECOND)
    await workers.beat(tx, worker.id, at)
    return []


async def test_what_waits_is_brought_back_with_the_clock(database, running):
    leapt = 0
    wall = lambda: now() + leapt  # noqa: E731 - short, and read by two
    watch = ClockWatch(wall=wall)
    async with running(database, clock=wall) as journal:
        rescue = Rescue(journal, watch=watch)
        await rescue.look()
        made = now()
        delayed, early = replace(a_run(), due=made + 60 * SECOND), a_run(at=made - 7_200 * SECOND)
        early = replace(early, due=made + 60 * SECOND)
        held = owned(RunState.RUNNING, lease=made + 30 * SECOND)
        await put(journal, delayed, early, held)
        leapt = -3_600 * SECOND
        await rescue.look()
        after = await states(database)
    assert after[delayed.id].due - (made + leapt) < 70 * SECOND
    assert after[early.id].due == early.due, "it was made for that time"
    # Where servers share a database, leases go by its clock, which nobody set.
    back = leapt if database.address.dialect == "sqlite" else 0
    assert after[held.id].lease_until - (made + back) < 40 * SECOND


async def test_a_run_is_called_late_once_and_only_if_nothing_holds_it_back(database, journal, told):
    at = now() - 60 * SECOND
    late, early = a_run(at=at), a_run()
    await put(journal, late, early)
    rescue = Rescue(journal)
    await rescue.look()
    await rescue.look()
    after = await states(database)
    assert (after[late.id].state, after[early.id].state) == ("late", "scheduled")
    assert sum(e.type == "ensue.run.late" for e in told) == 1


async def test_an_exclusive_worker_takes_over_what_a_dead_one_left(database, journal, tmp_path):
    far = now() + 60 * SECOND
    begun, waiting = owned(RunState.RUNNING, lease=far), owned(RunState.PENDING, lease=far)
    await put(journal, begun, waiting)
    async with (
        Recorder(journal) as recorder,
        worker_on(journal, recorder, tmp_path, exclusive=True),
    ):
        after = await states(database)
    assert after[begun.id].state == "crashed"
    assert after[waiting.id].state == "scheduled"


async def test_a_worker_beside_others_leaves_theirs_alone(database, journal, tmp_path):
    run = owned(RunState.RUNNING, lease=now() + 60 * SECOND)
    await put(journal, run)
    async with (
        Recorder(journal) as recorder,
        worker_on(journal, recorder, tmp_path, exclusive=False),
    ):
        assert (await states(database))[run.id].state == "running"


async def test_a_heartbeat_renews_and_gives_back_what_the_worker_does_not_have(
    database, journal, tmp_path
):
    async with Recorder(journal) as recorder:
        worker = worker_on(journal, recorder, tmp_path, exclusive=False)
        async with worker:
            stray = owned(RunState.PENDING, worker=worker.id, lease=now() + SECOND)
            await put(journal, stray)
            await worker._renew()
            assert (await states(database))[stray.id].state == "scheduled"
            assert worker._launcher.renewed == 1


async def test_a_worker_comes_and_goes_and_is_buried_when_silent(database, journal, told, tmp_path):
    async with Recorder(journal) as recorder:
        worker = worker_on(journal, recorder, tmp_path)
        async with worker:
            async with database.reader() as session:
                (known,) = await queries.workers(session)
            assert (known.id, known.state, known.active) == (worker.id, "online", 0)

            async def forget(tx):
                await tx.execute("UPDATE worker SET seen = $1", now() - 3_600 * SECOND)
                return []

            await change(journal, forget)
            await Rescue(journal).look()
    kinds = [e.type for e in told if e.type.startswith("ensue.worker")]
    assert kinds == ["ensue.worker.online", "ensue.worker.offline"]


async def test_what_an_older_attempt_says_is_refused(database, journal):
    run = owned(RunState.RUNNING, lease=now() + 60 * SECOND)
    run = replace(run, attempt=2)
    await put(journal, run)
    async with Recorder(journal) as recorder:
        stale = await recorder.record(run.id, End(1, "completed"))
        fresh = await recorder.record(run.id, End(2, "completed"))
        nobody = await recorder.record("no-such-run", Start(1))
    assert isinstance(stale, Refused)
    assert isinstance(fresh, Step)
    assert nobody is None
    assert (await states(database))[run.id].state == "completed"


async def test_a_line_that_cannot_be_stored_costs_nothing_else(database, journal):
    run = owned(RunState.RUNNING, lease=now() + 60 * SECOND)
    await put(journal, run)
    too_big = 2**70
    async with Recorder(journal) as recorder:
        recorder.say(LogLine(run.id, 1, now(), 20, "stdout", "first"))
        recorder.say(LogLine(run.id, too_big, now(), 20, "stdout", "impossible"))
        recorder.say(LogLine(run.id, 3, now(), 20, "stdout", "third"))
        assert isinstance(await recorder.record(run.id, End(1, "completed")), Step)
    async with database.reader() as session:
        assert [x.message for x in await queries.logs(session, run.id)] == ["first", "third"]


async def test_followers_hear_lines_once_they_are_stored(database, journal):
    heard = asyncio.get_running_loop().create_future()
    async with Recorder(journal) as recorder:
        stop = recorder.follow("r1", heard.set_result)
        recorder.say(LogLine("r1", 1, now(), 20, "stdout", "one"))
        recorder.say(LogLine("r2", 1, now(), 20, "stdout", "another's"))
        lines = await heard
        stop()
    assert [line.message for line in lines] == ["one"]
    async with database.reader() as session:
        assert len(await queries.logs(session, "r1")) == 1


async def test_those_due_first_are_claimed_first_and_paused_or_broken_flows_wait(journal):
    at = now()
    runs = [a_run(at=at - n * SECOND) for n in range(5)]
    future = replace(a_run(), due=at + 60 * SECOND)
    other_pool = replace(a_run(), pool="gpu")
    await put(journal, *runs, future, other_pool)
    seen = {}

    async def look(tx):
        seen["due"] = [r.id for r in await store.due(tx, "default", ["hello"], 3)]
        seen["none"] = await store.due(tx, "default", ["other"], 3)
        seen["gpu"] = [r.id for r in await store.due(tx, "gpu", ["hello"], 3)]
        seen["next"] = await store.next_due(tx)
        await tx.execute("UPDATE flow SET problem = $1", "broken")
        seen["broken"] = await store.due(tx, "default", ["hello"], 3)
        return []

    await change(journal, look)
    assert seen["due"] == [run.id for run in reversed(runs)][:3]
    assert seen["none"] == []
    assert seen["gpu"] == [other_pool.id]
    assert seen["next"] == future.due
    assert seen["broken"] == []


async def test_every_column_that_changes_survives_the_way_to_the_database(journal):
    run = a_run(tags=("a", "b"), retries=2, retry_delays=(SECOND, 2 * SECOND))
    await put(journal, run)
    seen = {}

    async def claim(tx):
        (seen["step"],) = await store.apply(tx, [(run.id, Claim("w", tx.now + SECOND))])
        seen["read"] = (await store.get(tx, [run.id]))[run.id]
        return [seen["step"].event]

    await change(journal, claim)
    assert seen["read"] == seen["step"].run


async def test_old_runs_go_with_their_lines_and_active_ones_stay(database, journal):
    long_ago = now() - 3_600 * SECOND
    over = replace(a_run(at=long_ago), state=RunState.COMPLETED, ended=long_ago)
    active = replace(owned(RunState.RUNNING, at=long_ago), worker="w")
    recent = replace(a_run(), state=RunState.COMPLETED, ended=now())
    await put(journal, over, active, recent)
    async with Recorder(journal) as recorder:
        for run in (over, active, recent):
            recorder.say(LogLine(run.id, 1, now(), 20, "stdout", "a line"))
    sweeps = retention.sweeps(runs=timedelta(minutes=1), logs=timedelta(days=1))
    keeper = Retention(journal, sweeps)
    for sweep in sweeps:
        await keeper.sweep(sweep)
    assert set(await states(database)) == {active.id, recent.id}
    async with database.reader() as session:
        lines = list(await session.exec(select(RunLogRow)))
        assert {line.run for line in lines} == {active.id, recent.id}


async def test_runs_are_read_in_pages_the_newest_first(database, journal):
    at = now()
    runs = [a_run(at=at + n * 1_000) for n in range(5)]
    runs[2] = replace(runs[2], state=RunState.FAILED, automation="a")
    await put(journal, *runs)
    async with database.reader() as session:
        first = await queries.runs(session, limit=2)
        rest = await queries.runs(session, after=first[-1].id, limit=10)
        failed = await queries.runs(session, queries.RunFilter(states=["failed"], automation="a"))
        by_flow = await queries.runs(session, queries.RunFilter(flow="hello", since=at + 3_000))
        assert [r.id for r in [*first, *rest]] == [r.id for r in reversed(runs)]
        assert [r.id for r in failed] == [runs[2].id]
        assert [r.id for r in by_flow] == [runs[4].id, runs[3].id]
        assert await queries.counts(session) == {"scheduled": 4}
        assert (await queries.run(session, runs[0].id)).flow == "hello"
        assert await queries.run(session, "nothing") is None
        assert [f.name for f in await queries.flows(session)] == ["hello"]
