from __future__ import annotations

from dataclasses import replace

from automations.rule import Rule
from automations.ruleset import Live, Ruleset
from base.time import SECOND
from events.event import Event, Stored
from triggers.evaluator import TriggerEvaluator

AT = 1_893_456_000 * SECOND


def live(name="a", revision=1, **fields):
    definition = {"name": name, "trigger": {"event": "x"}, "actions": [{"emit": "y"}], **fields}
    return Live(Rule.parse(definition), revision)


def event(**fields):
    given = {"id": "1", "source": "/s", "type": "x", "time": AT, "received": AT}
    return Event(**{**given, **fields})


def at_work(**bounds):
    rules = Ruleset(**bounds)
    evaluator = TriggerEvaluator(sink=None)
    rules.serve(evaluator)
    return rules, lambda: [hit.listener.automation for hit in evaluator.match(event()).hits]


def test_rules_that_were_there_before_the_evaluator_listen_too():
    rules = Ruleset()
    rules.switch({"a": live()})
    evaluator = TriggerEvaluator(sink=None)
    rules.serve(evaluator)
    assert evaluator.match(event()).hits


def test_a_change_comes_into_force_when_its_event_is_committed_and_not_before():
    rules, listening = at_work()
    rules.stage("e", lambda: {"a": live()})
    rules.committed([Stored(1, event(id="other"))])
    assert listening() == []
    rules.committed([Stored(2, event(id="e"))])
    assert listening() == ["a"]


def test_changes_of_one_commit_build_on_each_other():
    rules, _ = at_work()
    rules.stage("1", lambda: {"a": live(revision=2)})
    rules.stage("2", lambda: {"a": replace(rules.get("a"), paused=True)})
    rules.committed([Stored(1, event(id="1")), Stored(2, event(id="2"))])
    assert (rules.get("a").revision, rules.get("a").paused) == (2, True)


def test_what_is_discarded_does_not_come():
    rules, listening = at_work()
    rules.stage("e", lambda: {"a": live()})
    assert rules.discard("e")
    assert not rules.discard("e")
    rules.committed([Stored(1, event(id="e"))])
    assert listening() == []


def test_who_is_paused_or_disabled_is_known_and_does_not_listen():
    rules, listening = at_work()
    rules.switch({"a": replace(live(), paused=True), "b": live("b", enabled=False)})
    assert listening() == []
    assert {one.rule.name for one in rules} == {"a", "b"}


def test_all_of_a_switch_is_one_epoch():
    rules = Ruleset()
    evaluator = TriggerEvaluator(sink=None)
    rules.serve(evaluator)
    before = evaluator.epoch
    rules.switch({name: live(name) for name in "abc"})
    rules.switch({"a": None, "b": live("b", 2), "d": live("d")})
    assert evaluator.epoch == before + 2
    hits = evaluator.match(event()).hits
    assert sorted(hit.listener.automation for hit in hits) == ["b", "c", "d"]


def test_bounds_are_those_of_the_settings_unless_the_rule_names_its_own():
    rules, _ = at_work(max_depth=3, breaker=10)
    plain, own = live().rule, live(max_depth=16, breaker=1_000).rule
    assert (rules.max_depth(plain), rules.breaker(plain)) == (3, 10)
    assert (rules.max_depth(own), rules.breaker(own)) == (16, 1_000)
    rules.switch({"a": Live(plain, 1)})
    assert [listener.max_depth for listener in rules.listeners("a")] == [3]
