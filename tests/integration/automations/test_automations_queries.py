from __future__ import annotations

from datetime import timedelta

from automations import queries
from automations.figures import count_rules
from automations.proposal import Proposal
from automations.reader import Problem
from automations.retention import sweeps
from base.figures import Figures
from base.metrics import Metrics
from base.time import SECOND, now
from events.retention import Retention

DAY = 86_400 * SECOND


def definition(name, *actions, **fields):
    actions = list(actions) or [{"emit": "order.seen"}]
    return {"name": name, "trigger": {"event": "order.created"}, "actions": actions, **fields}


async def test_rules_are_listed_by_name_with_their_status(world, event):
    await world.apply(
        definition("b"), definition("a"), definition("d", enabled=False), definition("c")
    )
    problem = Problem("x.yaml", 3, 1, "rule_invalid", "no", automation="e")
    await world.book.apply(Proposal("test", [], [problem]))
    await world.book.pause("c")
    await world.send(event())
    async with world.database.reader() as session:
        first = await queries.automations(session, limit=2)
        rest = await queries.automations(session, after=first[-1].name)
        counted = await queries.statuses(session)
    assert [(one.name, one.status) for one in (*first, *rest)] == [
        ("a", "active"),
        ("b", "active"),
        ("c", "paused"),
        ("d", "disabled"),
        ("e", "invalid"),
    ]
    assert counted == {"active": 2, "paused": 1, "disabled": 1, "invalid": 1}
    assert [one.firings for one in (*first, *rest)] == [1, 1, 0, 0, 0]
    assert rest[-1].problems[0]["line"] == 3


async def test_firings_are_listed_newest_first_with_their_actions(world, event):
    await world.apply(
        definition("a", {"run": "flow"}, {"emit": "order.x", "if": "false"}), definition("b")
    )
    start = now()
    sent = [event(at=start + n * 1_000_000) for n in range(5)]
    await world.send(*sent)
    async with world.database.reader() as session:
        first = await queries.firings(session, "a", limit=2)
        rest = await queries.firings(session, "a", after=first[-1].id)
        every = await queries.firings(session)
        again = await queries.firings_of(session, [first[0].id])
    assert [list(one.events) for one in (*first, *rest)] == [[e.id] for e in reversed(sent)]
    assert len(every) == 10
    assert again == [first[0]]
    assert [(one.kind, one.status) for one in first[0].actions] == [
        ("run", "done"),
        ("emit", "skipped"),
    ]
    assert first[0].actions[0].result == {"run": world.starter.requests[-1].id}


async def test_old_firings_go_with_their_actions_and_what_waits_stays(database, open_world, event):
    clock = [now() - 10 * DAY]
    async with open_world(database, clock=lambda: clock[0]) as world:
        await world.apply(
            definition("done", {"emit": "x"}, {"run": "flow"}),
            definition("waits", {"call": "https://example.com"}),
        )
        for _ in range(50):
            await world.send(event(at=clock[0]))
        clock[0] += 10 * DAY
        await world.send(event(at=clock[0]))
        (sweep,) = sweeps(firings=timedelta(days=1))
        assert await Retention(world.journal, [sweep]).sweep(sweep) == 150
        rows = await world.rows("SELECT automation, count(*) FROM firing GROUP BY automation")
        assert dict(rows) == {"done": 1, "waits": 51}
        actions = await world.rows("SELECT kind, count(*) FROM action GROUP BY kind")
        assert dict(actions) == {"emit": 1, "run": 1, "call": 51}


async def test_what_is_not_there_is_nothing(world):
    async with world.database.reader() as session:
        assert await queries.automation(session, "nobody") is None
        assert await queries.action(session, "nothing") is None
        assert await queries.dead(session) == []
        assert await queries.firings_of(session, []) == []
        assert await queries.outbox(session) == queries.Outbox(0, 0)


async def test_the_metrics_tell_how_many_rules_and_actions_there_are(world, event):
    await world.apply(definition("calls", {"call": "https://example.com"}), definition("a"))
    await world.send(event(), event())
    metrics = Metrics()
    figures = Figures(world.database, count_rules(metrics))
    await figures.count()
    shown = metrics.render().decode()
    assert 'ensue_automations{status="active"} 2.0' in shown
    assert "ensue_outbox_waiting 2.0" in shown
    assert "ensue_outbox_dead 0.0" in shown
