from __future__ import annotations

from typing import Any

from base.time import SECOND
from events.event import Event, Stored
from triggers.deciding import Batch
from triggers.evaluator import LOOPED, TriggerEvaluator
from triggers.event_trigger import EventTrigger
from triggers.listener import Listener
from triggers.sink import Fired

AT = 1_893_456_000 * SECOND


class Recorder:
    def __init__(self):
        self.rounds = []

    async def fire(self, tx, fired, troubles=()):
        self.rounds.append((list(fired), list(troubles)))
        return [event(type=f"told.{len(fired)}")]


class Transaction:
    now = AT
    dialect = "sqlite"


def event(**attributes: Any) -> Event:
    given = {"id": "1", "source": "/s", "type": "order.created", "time": AT, "received": AT}
    return Event(**{**given, **attributes})


def listener(automation="a", number=0, max_depth=16, **form: Any) -> Listener:
    form.setdefault("event", "order.*")
    return Listener(automation, number, EventTrigger.parse(form), max_depth)


def evaluator(*listeners: Listener) -> TriggerEvaluator:
    made = TriggerEvaluator(Recorder())
    made.change((), listeners)
    return made


def decided(matched):
    batch = Batch(matched, AT)
    batch.run({})
    return batch.outcome()


def stored(matched, position):
    matched.position = position
    return matched


def test_an_event_that_concerns_nobody_has_no_hits():
    assert not evaluator(listener()).match(event(type="other")).hits


def test_a_type_that_nobody_listened_to_is_heard_as_soon_as_somebody_does():
    rules, late = evaluator(listener()), listener("late", event="other")
    for _ in range(2):
        assert not rules.match(event(type="other")).hits
    rules.change((), [late])
    assert rules.match(event(type="other")).hits
    rules.change([late], ())
    assert not rules.match(event(type="other")).hits


def test_where_has_the_last_word():
    rules = evaluator(listener(where="event.data.total > 5"))
    assert rules.match(event(data={"total": 6})).hits
    assert not rules.match(event(data={"total": 5})).hits


def test_a_condition_without_an_answer_is_a_trouble_and_not_a_firing():
    rules = evaluator(listener(where="event.data.total > 5"), listener("b"))
    fired, troubles = decided([stored(rules.match(event(data={})), 1)])
    assert [one.automation for one in fired] == ["b"]
    assert [(t.automation, t.code) for t in troubles] == [("a", "field_missing")]


def test_rules_that_change_raise_the_epoch_once_and_all_at_once():
    old, new = listener("old"), [listener("new"), listener("newer")]
    rules = evaluator(old)
    before = rules.epoch
    rules.change([old], new)
    assert rules.epoch == before + 1
    assert [hit.listener for hit in rules.match(event()).hits] == new


def test_firings_are_in_the_order_of_the_log_whatever_the_order_of_the_rules():
    rules = evaluator(listener("b"), listener("a", 1), listener("a", 0))
    batch = [stored(rules.match(event(id=str(n))), n) for n in (1, 2)]
    fired, _ = decided(batch)
    order = [(one.completed_by.position, one.automation, one.trigger) for one in fired]
    assert order == [(n, *rule) for n in (1, 2) for rule in (("a", 0), ("a", 1), ("b", 0))]


async def test_a_round_is_one_call_of_the_sink():
    rules = evaluator(listener("a"), listener("b"))
    batch = [stored(rules.match(event(id=str(n))), n) for n in (1, 2)]
    derived = await rules.advance(Transaction(), batch)
    assert [one.type for one in derived] == ["told.4"]
    assert len(rules._sink.rounds) == 1


async def test_nothing_to_tell_is_no_call_at_all():
    rules = evaluator(listener())
    assert await rules.advance(Transaction(), []) == []
    assert rules._sink.rounds == []


def test_an_event_at_the_bound_of_depth_is_told_and_not_acted_upon():
    rules = evaluator(listener("deep", max_depth=4), listener("deeper", max_depth=5))
    fired, _ = decided([stored(rules.match(event(depth=4)), 1)])
    assert [(one.automation, one.too_deep) for one in fired] == [("deep", True), ("deeper", False)]


def test_the_event_that_tells_of_a_loop_cannot_loop_itself():
    rules = evaluator(listener(event="ensue.automation.*"))
    assert not rules.match(event(type=LOOPED, depth=16)).hits
    assert rules.match(event(type=LOOPED, depth=15)).hits


def test_the_services_own_events_need_a_pattern_that_begins_with_their_name():
    rules = evaluator(listener("all", event="*"), listener("own", event="ensue.*"))
    hits = rules.match(event(type="ensue.run.completed")).hits
    assert [hit.listener.automation for hit in hits] == ["own"]


def test_what_a_firing_causes_is_one_deeper_than_its_deepest_event():
    deepest, last = Stored(1, event(depth=3)), Stored(2, event(id="2", depth=1))
    assert Fired("a", 0, None, (deepest, last)).depth == 4
