"""The forms of triggers that remember: what they mean, and what is refused with its reason."""

import json

import pytest

from base.fields import Complaints
from base.time import parse_duration
from events.event import Event
from triggers.kinds import FIELDS, Limits, kind_of, parse_node
from triggers.selector import Failure

LIMITS = Limits(parse_duration("30d"))


def read(form):
    complaints = Complaints("rule_invalid")
    node = parse_node(form, "trigger", LIMITS, complaints)
    assert (node is None) == bool(complaints.found)
    return node, complaints.found


def node_of(**form):
    node, found = read(form)
    assert not found
    return node


RIGHT = {
    "count": {"count": "a", "at_least": 3, "within": "10m", "per": "subject"},
    "sequence": {"sequence": ["a", ["b", "c"]], "within": "1h"},
    "all": {"all": ["a", {"event": "b", "where": "event.data.x > 1"}], "within": "1h"},
    "any": {"any": ["a", "b"], "at_least": 2, "within": "1h"},
    "absent": {"absent": "a", "for": "5m", "per": "subject", "expected": ["x"]},
    "aggregate": {
        "aggregate": "a",
        "value": "event.data.x",
        "function": "avg",
        "over": "1h",
        "above": 3,
    },
}


@pytest.mark.parametrize("kind", RIGHT)
def test_every_kind_is_read_and_has_a_normal_form(kind):
    form = RIGHT[kind]
    assert kind_of(form) == kind
    assert json.dumps(node_of(**form).normalised()) == json.dumps(node_of(**form).normalised())
    longer = node_of(**form, allowed_lateness="2m")
    assert longer.normalised() != node_of(**form).normalised()


def test_every_kind_is_tried():
    assert set(RIGHT) == set(FIELDS)


WRONG = [
    ({"within": -5}, "trigger.within", "a duration cannot be -5"),
    ({"within": 0}, "trigger.within", "too short"),
    ({"within": "31d"}, "trigger.within", "31d is longer than events are kept (4w2d)"),
    ({"at_least": 0}, "trigger.at_least", "must be at least 1, not 0"),
    ({"at_least": 1.5}, "trigger.at_least", "whole number"),
    ({"at_least": None}, "trigger", "`at_least` is missing"),
    ({"within": None}, "trigger", "`within` is missing"),
    ({"withn": "10m"}, "trigger.withn", "did you mean `within`?"),
    ({"for": "10m"}, "trigger.for", "there is no field `for` here"),
    ({"per": "tpye"}, "trigger.per", "did you mean `type`?"),
    ({"count": ["a", 5]}, "trigger.count[1]", "a glob is text"),
    ({"where": "event.data.x >"}, "trigger.where", "ends too early"),
    ({"allowed_lateness": -1}, "trigger.allowed_lateness", "cannot be -1"),
]


@pytest.mark.parametrize(("change", "place", "said"), WRONG)
def test_a_mistake_has_its_field_and_its_reason(change, place, said):
    _, found = read(RIGHT["count"] | change)
    assert any(one.place == place and said in str(one) for one in found), found


MORE_WRONG = [
    ("sequence", {"sequence": "a"}, "trigger.sequence", 'not "a"'),
    ("sequence", {"sequence": []}, "trigger.sequence", "0 of them"),
    ("all", {"all": ["a", {"absnt": "b"}]}, "trigger.all[1]", "did you mean `absent`?"),
    ("all", {"all": ["a", {"cron": "@daily"}]}, "trigger.all[1]", "a trigger that remembers"),
    ("all", {"all": ["a", {"count": "b"}]}, "trigger.all[1]", "`within` is missing"),
    ("all", {"all": ["a", {"event": "b", "per": "id"}]}, "trigger.all", "[0, 1] in `per`"),
    ("any", {"at_least": 3}, "trigger.at_least", "must be at most 2, not 3"),
    ("any", {"within": None}, "trigger", "`within` is missing"),
    ("absent", {"for": "40d"}, "trigger.for", "longer than events are kept"),
    ("absent", {"per": None}, "trigger.expected", "there is no `per`"),
    ("absent", {"expected": ["x", None]}, "trigger.expected[1]", "a scalar, not null"),
    ("absent", {"expected": []}, "trigger.expected", "1 to 10,000"),
    ("absent", {"after": "b"}, "trigger.expected", "does not go with `after`"),
    ("aggregate", {"function": "mean"}, "trigger.function", "no function `mean`"),
    ("aggregate", {"function": None}, "trigger", "`function` is missing"),
    ("aggregate", {"value": None}, "trigger", "`value` is missing"),
    ("aggregate", {"value": "'x'"}, "trigger.value", "is not a number"),
    ("aggregate", {"value": "event.data.x +"}, "trigger.value", "ends too early"),
    ("aggregate", {"above": True}, "trigger.above", "must be a number"),
    ("aggregate", {"below": 3}, "trigger", "not both"),
    ("aggregate", {"above": None}, "trigger", "a bound"),
    ("aggregate", {"function": "ratio", "above": 95}, "trigger.above", "between 0 and 1"),
    ("aggregate", {"over": "40d"}, "trigger.over", "longer than events are kept"),
]


@pytest.mark.parametrize(("kind", "change", "place", "said"), MORE_WRONG)
def test_each_kind_has_mistakes_of_its_own(kind, change, place, said):
    _, found = read(RIGHT[kind] | change)
    assert any(one.place == place and said in str(one) for one in found), found


def test_all_mistakes_are_told_at_once():
    _, found = read({"count": "a", "at_least": 0, "within": -5, "pre": "subject"})
    assert [one.place for one in found] == ["trigger.pre", "trigger.at_least", "trigger.within"]


def test_triggers_nest_so_deep_and_no_deeper():
    form = {"all": ["a", "b"], "within": "1h"}
    for _ in range(3):
        form = {"all": ["a", form], "within": "1h"}
    assert not read(form)[1]
    _, found = read({"all": ["a", form], "within": "1h"})
    assert "4 levels" in str(found[0])


def normal(**form):
    return json.dumps(node_of(**form).normalised(), sort_keys=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"count": ["a"], "within": "60m"}, {"count": "a", "within": "1h"}),
        ({"count": "a", "per": ["subject"]}, {"count": "a", "per": "subject"}),
        ({"count": "a", "allowed_lateness": "1m"}, {"count": "a"}),
        ({"count": "a", "match": {"data.x": 1}}, {"count": "a", "match": {"data": {"x": [1.0]}}}),
    ],
)
def test_what_means_the_same_has_the_same_normal_form(one, other):
    rest = {"at_least": 2, "within": "1h"}
    assert normal(**(rest | one)) == normal(**(rest | other))


def test_all_is_any_of_as_many_and_a_glob_is_a_selector():
    members = ["a", "b"]
    selectors = [{"event": "a"}, {"event": ["b"]}]
    every = normal(all=members, within="1h")
    assert every == normal(any=selectors, at_least=2, within="1h")
    assert normal(any=members) == normal(any=members, at_least=1, within="1h")
    assert every != normal(all=["b", "a"], within="1h")


def test_the_order_of_expected_keys_means_nothing_and_one_is_one_point_zero():
    one = normal(absent="a", **{"for": "1m"}, per="subject", expected=["x", 1, 1.0])
    assert one == normal(absent="a", **{"for": "1m"}, per="subject", expected=[1, "x"])
    whole = {"value": "event.data.x", "function": "sum", "over": "1h"}
    assert normal(aggregate="a", **whole, above=1) == normal(aggregate="a", **whole, above=1.0)


def test_members_inherit_the_key_and_the_lateness_unless_they_have_their_own():
    nested = {"count": "b", "at_least": 2, "within": "1m"}
    own = {**nested, "per": "data.host", "allowed_lateness": "5s"}
    node = node_of(all=["a", nested, own], within="1h", per="subject", allowed_lateness="2m")
    plain, inheriting, with_its_own = node.members
    assert plain.per == node.per == inheriting.per == inheriting.members[0].per
    assert inheriting.lateness == node.lateness == parse_duration("2m")
    assert with_its_own.per.paths == ("data.host",)
    assert with_its_own.lateness == parse_duration("5s")


def test_members_may_name_their_keys_where_the_trigger_names_none():
    node = node_of(all=[{"event": "a", "per": "id"}, {"event": "b", "per": "data.a"}], within="1h")
    assert [member.per.paths for member in node.members] == [("id",), ("data.a",)]


def test_the_value_of_an_aggregate_is_measured_on_the_event():
    node = node_of(**RIGHT["aggregate"])
    event = Event(id="1", source="/s", type="a", time=0, received=0, data={"x": 2.5})
    assert node.members[0].measure(event) == 2.5
    bare = Event(id="2", source="/s", type="a", time=0, received=0, data={})
    missing = node.members[0].measure(bare)
    assert isinstance(missing, Failure)
    assert missing.code == "field_missing"


def test_a_form_of_another_kind_is_none_of_these():
    assert kind_of({"event": "a"}) is None
    assert kind_of("a") is None
