"""Rules beside the service: what they would do with events, one after another."""

from __future__ import annotations

import asyncio

from automations.backtest import sliced
from automations.rule import Rule
from automations.ruleset import Ruleset
from automations.simulation import Simulation
from base.time import SECOND
from events.event import Event, Stored

START = 1_900_000_000 * SECOND


def rule(**fields):
    given = {"name": "r", "trigger": {"event": "a"}, "actions": [{"run": "f"}]}
    return Rule.parse(given | fields)


def simulated(*rules, max_depth=16, **variables):
    return Simulation(rules, Ruleset(max_depth=max_depth), variables, start=START)


def stored(number, type_="a", *, after=0, **fields):
    at = START + after * SECOND
    event = Event(id=f"e{number}", source="/s", type=type_, time=at, received=at, **fields)
    return Stored(number, event)


def outcomes(simulation, *events):
    return [
        (one.firing.event.id, one.outcome) for event in events for one in simulation.take(event)
    ]


def test_what_fires_is_told_with_the_time_at_which_its_event_came_in():
    simulation = simulated(rule())
    assert outcomes(simulation, stored(1), stored(2, "b"), stored(3, after=5)) == [
        ("e1", "acted"),
        ("e3", "acted"),
    ]
    tally = simulation.tallies["r"]
    assert (tally.fired, tally.first, tally.last) == (2, START, START + 5 * SECOND)


def test_the_breaker_stops_a_rule_and_what_it_would_have_done_since_is_counted():
    simulation = simulated(rule(breaker=2))
    events = [stored(number, after=number * 31) for number in range(5)]
    # More than a minute later the first counts no more.
    assert [how for _, how in outcomes(simulation, *events)] == ["acted"] * 5
    simulation = simulated(rule(breaker=2))
    events = [stored(number, after=number) for number in range(5)]
    assert outcomes(simulation, *events) == [
        ("e0", "acted"),
        ("e1", "acted"),
        ("e2", "suppressed"),
    ]
    tally = simulation.tallies["r"]
    assert (tally.fired, tally.suppressed, tally.missed) == (2, 1, 2)
    assert tally.stopped == START + 2 * SECOND


def test_the_services_bounds_hold_for_rules_that_name_none():
    deep = stored(1, depth=2)
    simulation = simulated(rule(), rule(name="own", max_depth=3), max_depth=2)
    assert [(one.rule.name, one.outcome) for one in simulation.take(deep)] == [
        ("own", "acted"),
        ("r", "looped"),
    ]
    assert simulation.deeds(simulation.take(stored(2, depth=2))[1]) == []


def test_a_condition_without_an_answer_is_counted_and_the_last_one_told():
    simulation = simulated(rule(trigger={"event": "a", "where": "event.data.n > 1"}))
    assert outcomes(simulation, stored(1, data={}), stored(2, data={"n": 2})) == [("e2", "acted")]
    tally = simulation.tallies["r"]
    assert tally.errors == 1
    assert "data.n" in (tally.last_error or "")


def test_actions_tell_what_they_would_have_done():
    actions = [
        {"run": "f", "with": {"n": "${event.data.n}", "who": "${vars.who}"}},
        {"emit": "b", "if": "event.data.n > 5"},
        {"emit": "c", "data": "${event.data.missing}"},
    ]
    simulation = simulated(rule(actions=actions), who="ada")
    (one,) = simulation.take(stored(1, data={"n": 3}))
    run, failed = simulation.deeds(one)
    assert (run.kind, run.target, run.fields["with"]) == ("run", "f", {"n": 3, "who": "ada"})
    assert (failed.kind, failed.target, failed.error) == ("emit", "c", "field_missing")


def test_only_types_that_a_rule_listens_to_are_wanted():
    simulation = simulated(rule(), rule(name="other", trigger={"event": "order.*"}))
    assert [simulation.wants(type_) for type_ in ("a", "order.x", "b", "ensue.run.failed")] == [
        True, True, False, False,
    ]  # fmt: skip


async def test_others_have_their_turn_between_slices():
    taken = []
    turns = 0

    async def other():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    def slow():
        for number in range(64):
            until = asyncio.get_running_loop().time() + 0.001
            while asyncio.get_running_loop().time() < until:
                pass
            yield stored(number)

    task = asyncio.create_task(other())
    async for part in sliced(slow()):
        taken += [one.position for one in part]
    task.cancel()
    assert taken == list(range(64))
    assert turns >= 7
    assert [list(part) async for part in sliced(iter(()))] == [[]]
