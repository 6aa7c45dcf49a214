"""Fields and types that rules name and that no event ever had."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from automations.lint import lint
from automations.observed import Observed, Seen, Sketch
from automations.own_types import OWN_TYPES
from automations.reader import gather
from base.time import SECOND

NOW = 1_893_456_000 * SECOND
ORDER = {
    "id": "e1",
    "type": "order.created",
    "source": "/shop",
    "subject": "a1",
    "data": {
        "total": 10,
        "country": "DE",
        "customer": {"email": "a@b.c"},
        "items": [{"sku": "X"}, {"sku": "Y", "n": 2}],
        "a.b": 1,
    },
}


def observed(*roots, left_out=(), **events):
    types = {}
    for root in roots or (ORDER,):
        seen = types.setdefault(root["type"], Seen(events.get("events", 1_000), Sketch()))
        seen.root.add(root, [5_000])
    return Observed("here", types, frozenset(left_out))


def linted(text, known=None):
    files = gather([("r.yaml", text.encode())])
    assert not files.problems
    return lint(files, None, now=NOW, observed=known or observed())


def rule(trigger, action="{emit: x}", more=""):
    return f"name: a\ntrigger: {{{trigger}}}\nactions:\n- {action}\n{more}"


def told(text, known=None):
    return [(one.severity, one.problem.code, one.problem.hint) for one in linted(text, known)]


def test_a_field_that_no_event_had_is_told_with_its_place_and_what_was_meant():
    text = "name: a\ntrigger:\n  event: order.created\n  match: {data: {totl: [1]}}\nactions: [{emit: x}]"
    (found,) = linted(text)
    problem = found.problem
    assert (found.severity, problem.code) == ("warning", "field_never_seen")
    assert (problem.line, problem.column) == (4, 24)
    assert problem.message == (
        "trigger.match.data.totl: none of the 1,000 events of order.created that were looked at "
        "has `data.totl`"
    )
    assert problem.hint == "did you mean `data.total`?"


@pytest.mark.parametrize(
    "trigger",
    [
        "event: order.created, match: {data: {total: [1], items: {sku: [X]}}}",
        "event: order.created, match: {data.customer.email: [x], data: {a: {b: [1]}}}",
        "event: order.created, match: {$or: [{data: {total: [1]}}, {subject: [a]}]}",
        "event: order.created, where: 'event.data.items.exists(i, i.sku == \"X\" && i.n > 1)'",
        "event: order.created, where: 'event.data.items[0].sku == \"X\"'",
        "event: order.created, where: 'event.?data.?gift.orValue(false)'",
        "event: order.created, where: 'has(event.data.gift) && event.data.gift'",
        "event: order.created, match: {data: {gift: [{exists: false}]}}",
        "count: order.created, at_least: 2, within: 1h, per: data.customer.email",
        "aggregate: order.created, function: avg, value: event.data.total, over: 1h, above: 3",
        "sequence: [order.created, {event: order.created, match: {data: {total: [1]}}}], within: 1h",
        "event: [order.created, order.paid], match: {data: {when: [1]}}",
        "event: order.paid, match: {data: {when: [1]}}",
    ],
)
def test_fields_that_were_seen_or_may_be_missing_are_fine(trigger):
    assert [one for one in told(rule(trigger)) if one[0] != "note"] == []


@pytest.mark.parametrize(
    ("trigger", "hint"),
    [
        ("match: {totl: [1]}", "below `the event` there are data, id, source, subject, type"),
        ("match: {total: [1]}", "did you mean `data.total`?"),
        ("match: {data: {item: {sku: [X]}}}", "did you mean `data.items`?"),
        ("match: {data: {email: [x]}}", "did you mean `data.customer.email`?"),
        ("match: {$or: [{data: {totl: [1]}}, {subject: [a]}]}", "did you mean `data.total`?"),
        ("match: {data: {total: {net: [1]}}}", "nothing was seen below `data.total`"),
        (
            "where: event.data.cuntry == 'DE'",
            "did you mean `data.country`?",
        ),
        (
            "where: 'event.data.items.exists(i, i.skuu == \"X\")'",
            "did you mean `data.items[].sku`?",
        ),
        ("where: 'event.data[\"totals\"] > 1'", "did you mean `data.total`?"),
        ("where: 'has(event.data.totl)'", "did you mean `data.total`?"),
        (
            "where: event.data.weight > 1",
            "below `data` there are a.b, country, customer, items, total",
        ),
    ],
)
def test_fields_that_were_never_seen_are_told_wherever_they_stand(trigger, hint):
    found = told(rule(f"event: order.created, {trigger}"))
    assert found == [("warning", "field_never_seen", hint)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (rule("count: order.created, at_least: 2, within: 1h, per: data.totl"), "trigger.per"),
        (
            rule(
                "all: [order.created, {event: order.created, per: data.totl}], within: 1h,"
                " per: data.total"
            ),
            "trigger.all[1].per",
        ),
        (
            rule(
                "aggregate: order.created, function: avg, value: event.data.totl, over: 1h, above: 3"
            ),
            "trigger.value",
        ),
        (
            rule(
                "absent: beat, for: 1h, after: {event: order.created, match: {data: {totl: [1]}}}"
            ),
            "trigger.after.match.data.totl",
        ),
        (
            rule("event: order.created", "{emit: x, data: {a: '${event.data.totl}'}}"),
            "actions[0].data.a",
        ),
        (rule("event: order.created", "{emit: x, if: event.data.totl > 1}"), "actions[0].if"),
        (
            rule("event: order.created", "{run: f, with: {a: '${events[0].data.totl}'}}"),
            "actions[0].with.a",
        ),
        (
            rule("event: order.created", "{run: f, with: {a: '${events.map(e, e.data.totl)}'}}"),
            "actions[0].with.a",
        ),
        (
            rule(
                "event: order.created", more="throttle: {at_most: 1, every: 1h, per: data.totl}\n"
            ),
            "throttle.per",
        ),
    ],
)
def test_keys_values_and_actions_are_looked_at_too(text, place):
    found = [one.problem for one in linted(text) if one.severity == "warning"]
    assert [one.code for one in found] == ["field_never_seen"]
    assert found[0].message.startswith(f"{place}: ")


def test_an_expression_has_a_caret_under_the_field():
    (found,) = linted(rule("event: order.created, where: event.data.cuntry == 'DE'"))
    assert found.problem.message.split("\n")[1:] == [
        "  event.data.cuntry == 'DE'",
        "            ^",
    ]


def test_a_glob_is_held_against_all_types_that_it_reaches():
    paid = {**ORDER, "type": "order.paid", "data": {"when": 1}}
    trigger = "event: order.*, match: {data: {when: [1], wehn: [1]}}"
    (found,) = linted(rule(trigger), observed(ORDER, paid))
    assert "none of the 2,000 events of 2 types" in found.problem.message
    assert found.problem.hint == "did you mean `data.when`?"


def test_of_a_type_that_never_came_that_is_all_that_is_said():
    text = rule(
        "event: order.craeted, where: event.data.x == 1", "{emit: x, data: '${event.data.y}'}"
    )
    assert told(text) == [("note", "type_never_seen", "did you mean `order.created`?")]
    (found,) = linted(rule("event: [order.created, robot.moved]"))
    assert (found.problem.line, found.problem.column) == (2, 34)
    assert found.problem.message.endswith("no event of the type `robot.moved` was ever seen")


def test_what_was_left_out_is_not_judged():
    text = rule("event: '*.created', match: {data: {totl: [1]}}")
    assert told(text)
    assert not told(text, observed(left_out=["robot.created"]))
    assert not told(rule("event: robot.created"), observed(left_out=["robot.created"]))


def test_of_the_services_own_events_only_slips_are_told():
    run = {**ORDER, "type": "ensue.run.failed", "data": {"flow": "f", "message": "x"}}
    trigger = "event: ensue.run.failed, match: {data: {%s: [a]}}"
    action = "{emit: x, if: event.data.attempt > 3}"
    assert not told(rule(trigger % "flow", action), observed(run))
    assert not told(rule(trigger % "code", action), observed(run))
    assert (
        told(rule(trigger % "mesage", action), observed(run))[0][2]
        == "did you mean `data.message`?"
    )


def test_where_not_all_types_are_known_only_whole_names_are_judged():
    known = replace(observed(), is_whole=False)
    assert not told(rule("event: 'robot.*'"), known)
    assert not told(rule("event: '*.created', match: {data: {totl: [1]}}"), known)
    assert told(rule("event: robot.moved"), known)[0][1] == "type_never_seen"
    assert told(rule("event: order.created, match: {data: {totl: [1]}}"), known)


def test_where_nothing_was_ever_stored_nothing_is_said():
    assert not told(rule("event: order.created"), Observed("here", {}))


def test_below_a_map_with_very_many_names_anything_may_be():
    root = {**ORDER, "data": {"by_id": {f"k{n}": {"n": n} for n in range(1_000)}}}
    known = observed(root)
    assert not told(rule("event: order.created, where: event.data.by_id.other.n > 1"), known)
    assert told(rule("event: order.created, where: event.data.by_ids.k1.n > 1"), known)


def test_a_sketch_survives_its_journey_as_json():
    known = observed(ORDER, {**ORDER, "data": [[1, {"x": None}]]}, left_out=["b"])
    again = Observed.from_json("here", known.to_json())
    assert again == known


def test_an_event_of_the_service_that_does_not_exist_is_a_warning():
    (found,) = linted(rule("event: ensue.run.complete"))
    assert (found.severity, found.problem.code) == ("warning", "type_unknown")
    assert found.problem.hint == "did you mean `ensue.run.completed`?"
    assert not told(rule("event: [ensue.run.*, 'ensue.*.failed']", "{run: f, if: 'false'}"))[1:]


def test_all_events_of_the_service_are_known_and_told_of():
    page = Path(__file__).parents[2] / "docs/reference/events.md"
    named = set(re.findall(r"`(ensue\.[a-z]+\.[a-z_]+)`", page.read_text()))
    assert set(OWN_TYPES) == named
