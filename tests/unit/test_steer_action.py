"""`cancel`, `pause`, `resume`, `retry` as they are written, rendered and expected in tests."""

from __future__ import annotations

import pytest

from automations.firing import Firing
from automations.outcome import ActionFailure, Skipped
from automations.rehearsal import rehearse
from automations.rule import Rule
from automations.steer_action import Steering
from base.fields import FormError
from base.time import parse_rfc3339
from events.event import Event, Stored
from triggers.sink import Fired

NOW = parse_rfc3339("2030-01-01T00:00:00Z")


def event(type_="x.y", **given):
    data = {"id": "a1", "run": "r2", "flow": "build"}
    values = {"id": "e1", "source": "/s", "time": NOW, "received": NOW, "data": data}
    return Event(**values | {"type": type_, "subject": "r1"} | given)


def firing(*events):
    return Firing.of(Fired("rule", 0, None, tuple(Stored(1, one) for one in events)), 3, NOW)


def render(action, *events):
    rule = Rule.parse({"name": "rule", "trigger": {"event": "x.y"}, "actions": [action]})
    one = firing(*(events or (event(),)))
    return rule.actions[0].render(one.activation(rule, {}, NOW))


def refused(action):
    with pytest.raises(FormError) as caught:
        render(action)
    return [str(one) for one in caught.value.complaints]


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry"])
def test_a_run_is_named_or_is_the_one_that_the_event_tells_of(verb):
    assert render({verb: {"run": "${event.data.id}"}}) == Steering(verb, "run", "a1")
    of_run = event("ensue.run.failed")
    for nothing in (None, {}):
        assert render({verb: nothing}, of_run) == Steering(verb, "run", "r1")
    of_task = event("ensue.task.failed", subject="t1")
    assert render({verb: {}}, of_task) == Steering(verb, "run", "r2")


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_flows_and_rules_are_named(verb):
    assert render({verb: {"flow": "${event.data.flow}"}}) == Steering(verb, "flow", "build")
    assert render({verb: {"automation": "nightly"}}) == Steering(verb, "automation", "nightly")


def test_an_event_that_tells_of_no_run_fails_the_action():
    for one in (event(data={"order": 1}), event(data=None), event(data={"run": 5})):
        assert render({"retry": {}}, one) == ActionFailure(
            "run_not_named",
            "the event tells of no run, and the action names none",
            "actions[0].retry",
        )


def test_a_name_that_is_none_fails_the_action():
    failure = render({"cancel": {"run": "${event.data.id.size()}"}})
    assert (failure.code, failure.place) == ("name_invalid", "actions[0].cancel.run")
    failure = render({"cancel": {"run": "${event.data.nope}"}})
    assert (failure.code, failure.place) == ("field_missing", "actions[0].cancel.run")


def test_an_if_decides_first():
    assert render({"cancel": {"flow": "build"}, "if": "event.type == 'other'"}) == Skipped()


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"cancel": "r1"}, 'actions[0].cancel: must be a map such as {run: …}, not "r1"'),
        ({"retry": {"flow": "build"}}, "actions[0].retry.flow: there is no field `flow` here"),
        ({"pause": {"rum": "r1"}}, "actions[0].pause.rum: there is no field `rum` here (did you"),
        ({"pause": {"run": "r1", "flow": "f"}}, "actions[0].pause: names one thing, and this has"),
        ({"pause": {"run": 5}}, "actions[0].pause.run: must be text, not 5"),
        ({"pause": {"run": None}}, "actions[0].pause: `run` is missing"),
        ({"pause": {}, "with": {}}, "actions[0].with: there is no field `with` here"),
        ({"pause": {"run": "${nope}"}}, "actions[0].pause.run: "),
        ({"pause": {}, "resume": {}}, "actions[0]: one action does one thing"),
        ({"cancle": {}}, "actions[0]: an action is one of"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place(action, complaint):
    [found] = refused(action)
    assert found.startswith(complaint)


def test_a_retry_rests_on_the_event_by_which_the_firing_knows_the_run():
    end = event("ensue.run.failed", id="end")
    other = event("ensue.run.failed", id="other", subject="r9")
    command = firing(end, other).command(2, Steering("retry", "run", "r1"))
    assert (command.last_event, command.depth, command.causationid) == ("end", 1, "other")
    assert command.action.endswith(".2")
    assert firing(event()).command(0, Steering("retry", "run", "r1")).last_event is None


# -- in tests beside rules -----------------------------------------------------------------------


def rehearsed(actions, *expect, given=({"type": "x.y", "subject": "r1", "data": {"f": "b_c"}},)):
    rule = {
        "name": "r",
        "trigger": {"event": ["x.y", "ensue.run.*"]},
        "actions": actions,
        "tests": [{"given": list(given), "expect": list(expect)}],
    }
    (result,) = rehearse(Rule.parse(rule))
    return result


def test_what_is_steered_can_be_expected():
    actions = [
        {"cancel": {"run": "${event.subject}"}},
        {"pause": {"flow": "${event.data.f}"}},
        {"resume": {"automation": "nightly"}},
    ]
    assert rehearsed(
        actions, {"cancel": {"run": "r1"}}, {"pause": {"flow": "b-c"}},
        {"at": "0s", "resume": {"automation": "nightly"}},
    ).passed  # fmt: skip
    assert not rehearsed(actions[:1], {"cancel": {"run": "r2"}}).passed
    assert not rehearsed(actions[:1], {"pause": {"run": "r1"}}).passed
    assert not rehearsed(actions[:1]).passed


def test_an_inferred_run_is_expected_by_its_id_and_its_failure_without():
    run = {"type": "ensue.run.failed", "subject": "r7"}
    assert rehearsed([{"retry": {}}], {"retry": {"run": "r7"}}, given=[run]).passed
    failure = {"retry": {}, "error": "run_not_named"}
    assert rehearsed([{"retry": {}}], failure).passed


def test_what_is_expected_names_one_thing():
    for wrong in ({"flow": "f"}, {"run": "a", "flow": "b"}, {"run": 5}, "r1"):
        with pytest.raises(FormError):
            rehearsed([{"retry": {}}], {"retry": wrong})


def test_a_rule_that_pauses_itself_acts_once_in_its_tests():
    given = [{"type": "x.y", "subject": "r1", "data": {"f": "f"}, "repeat": 3, "every": "1h"}]
    result = rehearsed(
        [{"pause": {"automation": "r"}}], {"pause": {"automation": "r"}}, given=given
    )
    assert result.passed
    assert [one.kind for one in result.timeline] == [
        "given", "fired", "given", "paused", "given", "paused",
    ]  # fmt: skip
