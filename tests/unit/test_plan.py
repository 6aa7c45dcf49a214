"""Files against what is in force: what would change, and what may be applied."""

from __future__ import annotations

from typing import Any

import pytest

from automations.plan import Plan, plan
from automations.queries import Automation
from automations.reader import gather
from automations.rule import Rule
from automations.store import Saved
from base.errors import ConflictError, UnprocessableError

GREET = "name: greet\ntrigger: {event: order.created}\nactions: [{run: greet}]\n"


def in_force(text=GREET, *, origin="api", file=None, revision=1) -> Automation:
    (found,) = gather([("f", text.encode())]).rules
    values: dict[str, Any] = dict.fromkeys(Automation.__slots__)
    return Automation(
        **{
            **values,
            "name": found.rule.name,
            "definition": found.rule.definition,
            "origin": origin,
            "file": file,
            "revision": revision,
        }
    )


def planned(text, *there, prune=False) -> Plan:
    return plan(gather([("rules.yaml", text.encode())]), there, prune=prune)


def told(made: Plan):
    return {change.name: change.kind for change in made.changes}


def saved(*there: Automation):
    return {
        one.name: Saved(one.name, one.revision, one.origin, None, None, "", "", True, None)
        for one in there
    }


def test_rules_are_created_updated_and_left_as_they_are():
    other = GREET.replace("greet", "other")
    new = GREET.replace("greet", "new")
    changed = other.replace("order.created", "order.paid")
    made = planned(f"{GREET}---\n{changed}---\n{new}", in_force(), in_force(other))
    assert told(made) == {"greet": "unchanged", "new": "created", "other": "updated"}
    assert [change.name for change in made.changes] == ["greet", "new", "other"]


def test_fields_that_differ_are_told_with_old_and_new():
    old = "name: a\ntags: [x]\ntrigger: {event: t, match: {data: {n: [1]}}}\nactions: [{run: f}]\n"
    new = (
        "name: a\nshadow: true\ntrigger: {event: t, match: {data: {n: [2]}}}\nactions: [{run: f}]\n"
    )
    (change,) = planned(new, in_force(old)).changes
    fields = {one.path: (one.old, one.new, one.added, one.removed) for one in change.fields}
    assert fields == {
        "tags": (["x"], None, False, True),
        "shadow": (None, True, True, False),
        "trigger.match.data.n[0]": (1, 2, False, False),
    }


COUNTED = GREET.replace("{event: order.created}", "{count: order.created, at_least: 3, within: 1h}")


@pytest.mark.parametrize(
    ("old", "new", "resets"),
    [
        ("run: greet", "run: other", False),
        ("name: greet", "name: greet\ndescription: x\nthrottle: {at_most: 1, every: 1h}", False),
        ("within: 1h", "within: 60m", False),
        ("{count: order.created, at_least: 3", "{at_least: 3, count: [order.created]", False),
        ("within: 1h", "within: 61m", True),
        ("at_least: 3", "at_least: 4", True),
        ("at_least: 3", "at_least: 3, per: subject", True),
        ("count: order.created", "count: order.paid", True),
    ],
)
def test_only_a_change_of_what_a_trigger_means_resets_windows(old, new, resets):
    (change,) = planned(COUNTED.replace(old, new), in_force(COUNTED)).changes
    assert (change.kind, change.resets) == ("updated", resets)


def test_a_rule_that_remembers_nothing_has_nothing_to_lose():
    paid = GREET.replace("order.created", "order.paid")
    (change,) = planned(paid, in_force()).changes
    assert (change.kind, change.resets) == ("updated", False)
    throttled = f"{GREET}throttle: {{at_most: 1, every: 1h}}\n"
    (change,) = planned(paid, in_force(throttled)).changes
    assert change.resets


def test_pruning_deletes_what_was_applied_before_and_nothing_else():
    others = [
        in_force(GREET.replace("greet", "applied")),
        in_force(GREET.replace("greet", "of-the-directory"), origin="directory"),
    ]
    assert told(planned(GREET, *others)) == {"greet": "created"}
    pruned = planned(GREET, *others, prune=True)
    assert told(pruned) == {"applied": "deleted", "greet": "created"}
    proposal = pruned.proposal()
    assert (proposal.prune, proposal.origin) == (True, "api")


def test_what_a_directory_brought_is_changed_there():
    there = in_force(origin="directory", file="automations/greet.yaml")
    with pytest.raises(ConflictError, match=r"brought by automations/greet.yaml"):
        planned(GREET.replace("run: greet", "run: other"), there).proposal()
    unchanged = planned(f"{GREET}---\n{GREET.replace('greet', 'new')}", there).proposal()
    assert [rule.name for rule, _ in unchanged.rules] == ["new"]


def test_files_that_are_not_in_order_are_not_applied():
    made = planned(f"{GREET}---\nname: b\ntrigger: {{evnt: x}}\nactions: [{{run: f}}]\n")
    with pytest.raises(UnprocessableError) as error:
        made.proposal()
    assert (error.value.code, error.value.place) == ("rules_invalid", "rules.yaml:6:10")


def test_a_plan_is_refused_when_things_have_moved_on():
    made = planned(GREET, in_force())
    made.proposal(made.base).check(saved(in_force()))
    other = in_force(GREET.replace("greet", "other"))
    made.proposal().check(saved(in_force(), other))
    for there in ([in_force(revision=2)], [in_force(origin="directory")], []):
        with pytest.raises(ConflictError, match="since this plan"):
            made.proposal().check(saved(*there))
    with pytest.raises(ConflictError, match="since this plan"):
        made.proposal("another")
    with pytest.raises(ConflictError, match="since this plan"):
        planned(GREET, in_force(), prune=True).proposal().check(saved(in_force(), other))


def test_a_rule_that_never_was_in_order_is_created_and_one_of_the_directory_is_left():
    never = in_force(origin="directory", file="automations/greet.yaml")
    values = {name: getattr(never, name) for name in Automation.__slots__}
    made = planned(GREET, Automation(**{**values, "definition": None}))
    assert told(made) == {"greet": "created"}
    assert made.changes[0].conflicts


def test_the_rule_planned_is_the_rule_as_it_stands_in_the_file():
    (change,) = planned(GREET).changes
    assert change.new is not None
    assert change.new.rule == Rule.parse(
        {"name": "greet", "trigger": {"event": "order.created"}, "actions": [{"run": "greet"}]}
    )
    assert change.new.line == 1
