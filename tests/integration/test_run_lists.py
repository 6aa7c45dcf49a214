"""Lists of runs cost what they show: the rare ones are found, and long values stay where they are."""

from __future__ import annotations

from functools import partial
from itertools import count

import pytest
from sqlalchemy import event, text

from base.ids import new_id
from base.time import now
from engine import queries, store
from engine.queries import RunFilter
from engine.run import TERMINAL, Run, RunState
from engine.tables import OWNED, WAITING
from events.change import Change
from events.evaluation import NoRules


@pytest.fixture
async def journal(database, running):
    async with running(database, NoRules()) as journal:
        yield journal


async def put(journal, *runs):
    async def insert(tx):
        await store.insert(tx, runs)
        return []

    await journal.submit(Change(operation=insert))


_MADE = count(1)


def a_run(state=RunState.COMPLETED, **given):
    """Each is a millisecond later than the one before."""
    at = now() + next(_MADE) * 1_000
    ended = at if state in TERMINAL else None
    return Run(id=new_id(at), flow="f", due=at, scheduled=at, state=state, ended=ended, **given)


async def plan(session, ask):
    """How the database goes about what this asks it."""
    told = []

    def listen(_connection, _cursor, statement, parameters, *_):
        told.append((statement, parameters))

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", listen)
    try:
        await ask()
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    (statement,) = told
    return await explained(session, *statement)


async def explained(session, statement, parameters=()):
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    else:
        # Of what is small, PostgreSQL reads the whole and sorts it.
        for way in ("seqscan", "sort", "bitmapscan"):
            await connection.execute(text(f"SET enable_{way} = off"))
        rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
    return " ".join(str(row[-1]) for row in rows)


async def test_the_queue_is_read_in_the_order_of_its_indexes(database):
    asked = {
        "run_due": f"{WAITING} AND due <= 5 ORDER BY due, id",
        "run_lease": f"{OWNED} AND lease_until < 5 ORDER BY lease_until",
        "run_overdue": "state = 'scheduled' AND due <= 5 ORDER BY due",
    }
    async with database.reader() as session:
        for index, condition in asked.items():
            told = await explained(session, f"SELECT id FROM run WHERE {condition} LIMIT 5")
            assert index in told
            assert "sort" not in told.lower()
            assert "TEMP B-TREE" not in told


async def test_what_is_rare_is_found_by_an_index_in_its_order(database, journal):
    await put(journal, *(a_run(state) for state in RunState))
    asked = (
        ({"states": ["failed"]}, "run_unwell"),
        ({"states": ["skipped"]}, "run_unwell"),
        ({"states": ["running"]}, "run_active"),
        ({"states": ["paused"]}, "run_active"),
        ({"automation": "rare"}, "run_automation"),
        ({"flow": "f"}, "run_flow"),
    )
    async with database.reader() as session:
        for wanted, index in asked:
            ask = partial(queries.runs, session, RunFilter(**wanted), limit=10)
            told = await plan(session, ask)
            assert index in told
            assert "sort" not in told.lower()
            assert "TEMP B-TREE" not in told


async def test_runs_of_each_state_are_listed(database, journal):
    runs = [a_run(one) for one in RunState for _ in range(2)]
    await put(journal, *runs)
    for state in RunState:
        async with database.reader() as session:
            found = await queries.runs(session, RunFilter(states=[state]), limit=10)
            both = await queries.runs(session, RunFilter(states=[state, RunState.FAILED]), limit=10)
        assert [one.id for one in found] == [r.id for r in reversed(runs) if r.state == state]
        assert {one.state for one in both} == {state, RunState.FAILED}


async def test_long_parameters_and_results_are_left_where_they_are(database, journal):
    long = '{"text": "' + "é" * 9_000 + '"}'
    run = a_run(parameters=long, result=long)
    short = a_run(parameters='{"n": 1}', result="[1]")
    none = a_run()
    await put(journal, run, short, none)
    async with database.reader() as session:
        listed = await queries.runs(session)
        whole = await queries.run(session, run.id)
    reference = {"$ref": f"/api/runs/{run.id}"}
    assert [(one.parameters, one.result) for one in listed] == [
        ({}, None),
        ({"n": 1}, [1]),
        (reference, reference),
    ]
    assert whole.parameters == whole.result == {"text": "é" * 9_000}
