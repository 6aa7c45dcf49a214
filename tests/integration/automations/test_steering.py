"""Rules that cancel, pause, resume and retry: in their firing's own commit, on both databases."""

from __future__ import annotations

import orjson
import pytest

from automations.starting import RunRequest
from base.ids import new_id
from base.time import now
from engine import steerer, store
from engine.starter import RunStarter
from engine.state import Claim, End, Start
from engine.tables import FlowRow
from events.change import Change, Lane
from events.event import Event
from events.tx import InsertSpec
from events.writer import Fault


class BrokenOffError(Exception):
    pass


@pytest.fixture
async def world(database, open_world):
    """Rules, and the engine's tables: the flows `build` and `ship-it`, and no worker."""
    async with open_world(database, starter=RunStarter()) as world:

        async def flows(tx):
            await tx.insert(InsertSpec(FlowRow), [flow("build", tx.now), flow("ship-it", tx.now)])
            return ()

        await change(world, flows)
        yield world


def flow(name, at):
    row = FlowRow(
        name=name,
        file="f.py",
        function=name,
        content_hash="",
        description=None,
        signature="{}",
        tags="[]",
        retries=0,
        retry_delays="[]",
        timeout=None,
        registered=at,
        updated=at,
    )
    return tuple(getattr(row, column) for column in InsertSpec(FlowRow).columns)


async def change(world, operation):
    await world.journal.submit(Change(operation=operation, lane=Lane.SERVICE))


async def begin(world, name="build"):
    """A run that waits to be claimed."""
    (run,) = await begin_all(world, 1, name)
    return run


async def begin_all(world, count, name="build"):
    requests = [
        RunRequest(
            id=new_id(),
            flow=name,
            automation="",
            firing="",
            action="",
            correlationid="",
            causationid=None,
            depth=0,
        )
        for _ in range(count)
    ]

    async def operation(tx):
        return (await RunStarter().start(tx, requests)).events

    await change(world, operation)
    return [request.id for request in requests]


async def send(world, run, *signals):
    async def operation(tx):
        return [step.event for step in await store.apply(tx, [(run, one) for one in signals])]

    await change(world, operation)


async def running(world, run, attempt=1):
    await send(world, run, Claim("w", now() + 10**9), Start(attempt))


async def failed(world, run, attempt=1):
    """Let a run that waits begin and fail, each in a commit of its own."""
    await running(world, run, attempt)
    await send(world, run, End(attempt, "failed", "no luck"))


def rule(name, *actions, on="order.created", **fields):
    return {"name": name, "trigger": {"event": on}, "actions": list(actions), **fields}


async def state(world, run):
    ((found,),) = await world.rows("SELECT state FROM run WHERE id = :id", id=run)
    return found


async def outcomes(world, kind=None):
    """What became of the actions, by time and status: status, code, result."""
    rows = await world.rows("SELECT kind, status, code, result FROM action ORDER BY at, status, id")
    return [
        (status, code, result and orjson.loads(result))
        for found, status, code, result in rows
        if kind in (None, found)
    ]


# -- runs --------------------------------------------------------------------------------------


async def test_the_run_that_an_event_names_is_cancelled(world, event):
    await world.apply(rule("stop", {"cancel": {"run": "${event.data.run}"}}))
    waiting, begun = await begin(world), await begin(world)
    await running(world, begun)
    first = event(data={"run": waiting})
    await world.send(first)
    await world.send(event(data={"run": begun}))

    assert [await state(world, run) for run in (waiting, begun)] == ["cancelled", "cancelling"]
    assert await outcomes(world) == [
        ("done", None, {"run": waiting}),
        ("done", None, {"run": begun}),
    ]
    (told,) = world.told("ensue.run.cancelled")
    assert (told.subject, told.causationid, told.depth) == (waiting, first.id, 1)
    assert told.data["message"] == "cancelled by the rule stop"
    scheduled = next(e for e in world.told("ensue.run.scheduled") if e.subject == waiting)
    assert told.correlationid == scheduled.correlationid


async def test_a_run_that_is_not_there_fails_the_action_and_one_that_ended_skips_it(world, event):
    await world.apply(rule("stop", {"cancel": {"run": "${event.data.run}"}}))
    ended = await begin(world)
    await failed(world, ended)
    await world.send(event(data={"run": ended}))
    await world.send(event(data={"run": "no-such"}))

    assert await outcomes(world) == [
        ("skipped", "run_state", None),
        ("failed", "run_unknown", None),
    ]
    (told,) = world.told("ensue.action.failed")
    assert (told.data["kind"], told.data["code"]) == ("cancel", "run_unknown")
    assert await state(world, ended) == "failed"


async def test_a_run_is_paused_and_resumed(world, event):
    await world.apply(
        rule("hold", {"pause": {"run": "${event.subject}"}}, on="run.hold"),
        rule("go", {"resume": {"run": "${event.subject}"}}, on="run.go"),
    )
    run = await begin(world)
    await world.send(event("run.hold", subject=run))
    assert await state(world, run) == "paused"
    await world.send(event("run.go", subject=run))
    assert await state(world, run) == "scheduled"
    assert [one[0] for one in await outcomes(world)] == ["done", "done"]


async def test_a_failed_run_is_retried_once_in_the_commit_that_tells_of_its_failure(world):
    await world.apply(
        rule("again", {"retry": {}}, on="ensue.run.failed")
        | {"trigger": {"event": "ensue.run.failed", "where": "event.data.attempt == 1"}}
    )
    run = await begin(world)
    await failed(world, run)
    assert await state(world, run) == "scheduled"
    end, again = world.told("ensue.run.failed")[0], world.told("ensue.run.scheduled")[1]
    assert (again.causationid, again.correlationid) == (end.id, end.correlationid)
    assert (again.depth, again.data["attempt"]) == (end.depth + 1, 1)

    await failed(world, run, attempt=2)
    assert await state(world, run) == "failed"
    assert await outcomes(world) == [("done", None, {"run": run})]


async def test_a_rule_that_retries_whatever_happens_is_ended_by_its_depth(world):
    await world.apply(rule("again", {"retry": {}}, on="ensue.run.failed", max_depth=3))
    run = await begin(world)
    for attempt in range(1, 5):
        await failed(world, run, attempt)
    assert await state(world, run) == "failed"
    assert [event.depth for event in world.told("ensue.run.failed")] == [0, 1, 2, 3]
    assert len(world.told("ensue.automation.looped")) == 1


async def test_a_replay_does_not_retry_what_has_moved_on(world):
    await world.apply(rule("again", {"retry": {}}, on="ensue.run.failed"))
    run = await begin(world)
    await failed(world, run)
    stored = next(one for one in world.stored if one.event.type == "ensue.run.failed")
    await world.occasions.replay(stored)
    assert [one[:2] for one in await outcomes(world)] == [("done", None), ("skipped", "run_state")]

    await running(world, run, 2)
    await send(world, run, End(2, "completed"))
    await world.occasions.replay(stored)
    assert (await outcomes(world))[-1][:2] == ("skipped", "run_moved_on")
    assert await state(world, run) == "completed"


async def test_a_retry_whose_commit_nobody_heard_of_happens_once(world, event, monkeypatch):
    await world.apply(rule("again", {"retry": {"run": "${event.data.run}"}}))
    run = await begin(world)
    await failed(world, run)
    writer = world.journal._writer
    commit, fault = writer.commit, writer.fault

    async def broken():
        monkeypatch.setattr(writer, "commit", commit)
        await commit()
        raise BrokenOffError

    monkeypatch.setattr(writer, "commit", broken)
    monkeypatch.setattr(
        writer,
        "fault",
        lambda error: Fault.UNKNOWN if isinstance(error, BrokenOffError) else fault(error),
    )
    await world.send(event(data={"run": run}))
    assert await outcomes(world) == [("done", None, {"run": run})]
    assert await world.rows("SELECT count(*) FROM event WHERE type = 'ensue.run.scheduled'") == [
        (2,)
    ]


async def test_without_an_event_that_tells_of_a_run_the_action_says_so(world, event):
    await world.apply(rule("again", {"retry": None}), rule("stop", {"cancel": {}}))
    await world.send(event(data={"order": 1}))
    assert {one[:2] for one in await outcomes(world)} == {("failed", "run_not_named")}


async def test_all_runs_of_a_flow_that_have_not_ended_are_cancelled(world, event):
    await world.apply(rule("clear", {"cancel": {"flow": "ship_it"}}))
    other, waiting, begun, over = [
        await begin(world, name) for name in ("build", "ship-it", "ship-it", "ship-it")
    ]
    await running(world, begun)
    await failed(world, over)
    await world.send(event())
    states = [await state(world, run) for run in (other, waiting, begun, over)]
    assert states == ["scheduled", "cancelled", "cancelling", "failed"]
    await world.send(event())
    assert await outcomes(world) == [
        ("done", None, {"runs": 2, "more": False}),
        ("skipped", "no_runs", None),
    ]


async def test_so_many_runs_are_cancelled_and_no_more(world, event, monkeypatch):
    monkeypatch.setattr(steerer, "MOST_RUNS", 2)
    await world.apply(rule("clear", {"cancel": {"flow": "build"}}))
    runs = sorted([await begin(world) for _ in range(3)])  # ids of one millisecond are in no order
    await world.send(event())
    states = [await state(world, run) for run in runs]
    assert states == ["cancelled", "cancelled", "scheduled"]
    assert await outcomes(world) == [("done", None, {"runs": 2, "more": True})]


async def test_hundreds_are_cancelled_at_once_and_each_is_told_of_and_answered(world, event):
    await world.apply(
        rule("clear", {"cancel": {"flow": "build"}}),
        rule("note", {"emit": "build.gone"}, on="ensue.run.cancelled"),
    )
    await begin_all(world, 300)
    await world.send(event())
    assert await world.rows("SELECT state, count(*) FROM run GROUP BY state") == [
        ("cancelled", 300)
    ]
    while await world.rows("SELECT 1 FROM pending LIMIT 1"):
        await world.send(event("other"))
    await world.send(event("other"))  # all that came before it is on disk, and was told
    assert len(world.told("ensue.run.cancelled")) == 300
    assert len(world.told("build.gone")) == 300


async def test_the_runs_that_a_rule_set_off_are_cancelled(world, event):
    await world.apply(
        rule("builds", {"run": "build"}, on="branch.pushed"),
        rule("clear", {"cancel": {"automation": "builds"}}),
    )
    by_hand = await begin(world)
    await world.send(event("branch.pushed"))
    await world.send(event())
    assert await state(world, by_hand) == "scheduled"
    assert await world.rows("SELECT state FROM run WHERE automation = 'builds'") == [("cancelled",)]


async def test_actions_happen_in_their_order_so_that_the_newest_run_is_left(world, event):
    await world.apply(rule("newest", {"cancel": {"flow": "build"}}, {"run": "build"}))
    await world.send(event(), event(), event())
    states = await world.rows("SELECT state FROM run ORDER BY id")
    assert sorted(states) == [("cancelled",), ("cancelled",), ("scheduled",)]


# -- flows -------------------------------------------------------------------------------------


async def test_a_flow_is_paused_and_resumed(world, event):
    await world.apply(
        rule("hold", {"pause": {"flow": "ship_it"}}, on="freeze.began"),
        rule("go", {"resume": {"flow": "ship-it"}}, on="freeze.ended"),
    )
    began = event("freeze.began")
    await world.send(began, event("freeze.began"))
    assert await world.rows("SELECT name FROM flow WHERE paused") == [("ship-it",)]
    (told,) = world.told("ensue.flow.paused")
    assert (told.subject, told.causationid, told.depth) == ("ship-it", began.id, 1)
    await world.send(event("freeze.ended"))
    assert await world.rows("SELECT name FROM flow WHERE paused") == []
    assert len(world.told("ensue.flow.resumed")) == 1
    assert [one[:2] for one in await outcomes(world)] == [
        ("done", None),
        ("skipped", "already_paused"),
        ("done", None),
    ]


async def test_a_flow_that_is_not_there_is_named_with_the_one_that_was_meant(world, event):
    await world.apply(
        rule("a", {"pause": {"flow": "biuld"}}), rule("b", {"cancel": {"flow": "biuld"}})
    )
    await world.send(event())
    assert [one[:2] for one in await outcomes(world)] == [("failed", "flow_unknown")] * 2
    assert "build" in world.told("ensue.action.failed")[0].data["message"]


# -- rules -------------------------------------------------------------------------------------


async def test_a_rule_pauses_and_resumes_another(world, event):
    await world.apply(
        rule("works", {"emit": "order.seen"}),
        rule("hold", {"pause": {"automation": "works"}}, on="freeze.began"),
        rule("go", {"resume": {"automation": "works"}}, on="freeze.ended"),
    )
    began = event("freeze.began")
    await world.send(began)
    await world.send(event())
    assert not world.told("order.seen")
    assert await world.rows("SELECT paused, pause_reason FROM automation WHERE name = 'works'") in (
        [(True, "by hold")],
        [(1, "by hold")],
    )
    (told,) = world.told("ensue.automation.paused")
    assert (told.subject, told.source, told.causationid, told.depth) == (
        "works",
        "/automations/works",
        began.id,
        1,
    )
    assert told.data == {"automation": "works", "reason": "by hold"}
    await world.send(event("freeze.ended"))
    await world.send(event())
    assert len(world.told("order.seen")) == 1
    assert await outcomes(world, "pause") == [("done", None, {"automation": "works"})]


async def test_a_rule_that_pauses_itself_acts_once_also_in_a_batch(world, event):
    await world.apply(rule("once", {"emit": "order.seen"}, {"pause": {"automation": "once"}}))
    await world.send(event(), event(), event())
    await world.send(event())
    assert len(world.told("order.seen")) == 1
    assert world.rules.listeners("once") == ()


async def test_a_pause_and_what_follows_it_in_one_batch_come_in_their_order(world, event):
    await world.apply(
        rule("works", {"emit": "order.seen"}),
        rule("hold", {"pause": {"automation": "works"}}, on="freeze.began"),
        rule("go", {"resume": {"automation": "works"}}, on="freeze.ended"),
    )
    await world.send(event(), event("freeze.began"), event(), event("freeze.ended"), event())
    assert len(world.told("order.seen")) == 2
    await world.send(event())
    assert len(world.told("order.seen")) == 3


async def test_pausing_what_is_paused_or_not_there_is_told(world, event):
    await world.apply(
        rule("works", {"emit": "order.seen"}, on="other"),
        rule("a", {"resume": {"automation": "works"}}),
        rule("b", {"pause": {"automation": "wroks"}}),
    )
    await world.send(event())
    assert [one[:2] for one in await outcomes(world)] == [
        ("failed", "automation_unknown"),
        ("skipped", "not_paused"),
    ]
    assert "works" in world.told("ensue.action.failed")[0].data["message"]


async def test_a_paused_absence_is_silent_and_counts_from_when_it_is_resumed(world, event):
    await world.apply(
        {
            "name": "missed",
            "trigger": {"absent": "beat", "for": "1h"},
            "actions": [{"emit": "beat.missed"}],
        },
        rule("hold", {"pause": {"automation": "missed"}}, on="freeze.began"),
        rule("go", {"resume": {"automation": "missed"}}, on="freeze.ended"),
    )
    assert await world.rows("SELECT count(*) FROM timer") == [(1,)]
    await world.send(event("freeze.began"))
    assert await world.rows("SELECT count(*) FROM timer") == [(0,)]
    await world.send(event("freeze.ended"))
    ((due,),) = await world.rows("SELECT due FROM timer")
    assert due > now()


async def test_rules_that_pause_and_resume_each_other_without_end_are_cut(world, event):
    await world.apply(
        rule("works", {"emit": "order.seen"}, on="other"),
        rule("hold", {"pause": {"automation": "works"}}, on="ensue.automation.resumed"),
        rule("go", {"resume": {"automation": "works"}}, on="ensue.automation.paused"),
        rule("begin", {"pause": {"automation": "works"}}),
    )
    await world.send(event())
    assert world.told("ensue.automation.looped")
    assert await world.rows("SELECT count(*) FROM pending") == [(0,)]


async def test_in_shadow_nothing_is_steered(world, event):
    await world.apply(rule("stop", {"cancel": {"flow": "build"}}, shadow=True))
    run = await begin(world)
    await world.send(event())
    assert await state(world, run) == "scheduled"


async def test_what_nobody_can_steer_keeps_no_other_action_from_its_turn(world, event):
    await world.apply(
        rule("all", {"retry": {}}, {"pause": {"flow": "none"}}, {"run": "build"}, {"emit": "end"})
    )
    await world.send(event())
    assert [one[0] for one in await outcomes(world)] == ["done", "done", "failed", "failed"]
    assert isinstance(world.told("end")[0], Event)
