import pytest

from automations.rule import Rule
from base.fields import FormError

SMALL = {"name": "a", "trigger": {"event": "x.y"}, "actions": [{"run": "f"}]}


def rule(**change):
    return Rule.parse(SMALL | change)


def refused(**change):
    """The complaints, as `place: message (hint)`."""
    with pytest.raises(FormError) as caught:
        rule(**change)
    return [str(complaint) for complaint in caught.value.complaints]


def test_a_small_rule_has_sensible_defaults():
    small = rule()
    assert small.enabled
    assert not small.shadow
    assert (small.max_depth, small.breaker) == (16, 1000)
    assert small.triggers[0].selector.reaches("x.y")
    assert small.actions[0].deed.flow == "f"


def test_a_rule_is_made_again_of_its_definition():
    full = rule(tags="t", tests=[{"given": [], "expect": []}], max_depth=3, description="d")
    again = Rule.parse(dict(full.definition))
    assert again == full
    assert again.digest == full.digest
    assert again.definition == full.definition


def test_saying_what_is_so_anyway_changes_nothing():
    said = rule(enabled=True, shadow=False, description="", tags=[])
    assert said.digest == rule().digest
    assert rule(trigger=[{"event": "x.y"}]).digest == rule().digest
    assert rule(description=None).digest == rule().digest


def test_the_order_of_keys_changes_nothing():
    assert Rule.parse(dict(reversed(SMALL.items()))).digest == rule().digest


@pytest.mark.parametrize(
    "change",
    [{"description": "d"}, {"actions": [{"run": "g"}]}, {"max_depth": 2}, {"enabled": False}],
    ids=str,
)
def test_an_edit_beside_the_trigger_keeps_what_the_trigger_remembers(change):
    edited = rule(**change)
    assert edited.digest != rule().digest
    assert edited.trigger_digest == rule().trigger_digest


@pytest.mark.parametrize(
    "trigger",
    [
        {"event": "x.z"},
        {"event": "x.y", "where": "event.data.a == 1"},
        {"event": "x.y", "match": {"data": {"a": [1]}}},
        [{"event": "x.y"}, {"event": "z"}],
    ],
    ids=str,
)
def test_another_trigger_is_another_trigger(trigger):
    assert rule(trigger=trigger).trigger_digest != rule().trigger_digest


def test_the_same_trigger_spelled_otherwise_is_the_same():
    one = rule(trigger={"event": "x", "match": {"data": {"a": 1, "b": [2, 1]}}})
    other = rule(trigger=[{"match": {"data": {"b": [1, 2.0], "a": [1]}}, "event": ["x"]}])
    assert one.trigger_digest == other.trigger_digest


@pytest.mark.parametrize("name", ["a", "A.b-c_1", "review-large-orders", "x" * 100])
def test_names_are_letters_digits_and_a_few_marks_between(name):
    assert rule(name=name).name == name


@pytest.mark.parametrize("name", ["a b", "-a", "a-", "ä", "a/b", "", "x" * 101, 5, "a\n", "${x}"])
def test_other_names_are_refused(name):
    assert refused(name=name)[0].startswith("name: ")


def test_expressions_see_the_automation_as_a_map():
    assert rule(description="d", tags=["t"]).context() == {
        "name": "a",
        "description": "d",
        "tags": ["t"],
    }


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"trigegr": {}}, "trigegr: there is no field `trigegr` here (did you mean `trigger`?)"),
        ({"zzz": 1}, "zzz: there is no field `zzz` here (there are actions,"),
        ({"enabled": "yes"}, 'enabled: must be true or false, not "yes"'),
        ({"shadow": 1}, "shadow: must be true or false, not 1"),
        ({"max_depth": 0}, "max_depth: must be at least 1, not 0"),
        ({"max_depth": 5000}, "max_depth: must be at most 1,000, not 5000"),
        ({"max_depth": True}, "max_depth: must be a whole number, not true"),
        ({"breaker": 1.5}, "breaker: must be a whole number, not 1.5"),
        ({"tags": [1]}, 'tags[0]: must be text, not 1 (quote it: "1")'),
        ({"tags": {}}, "tags: must be a list of texts, not a map"),
        ({"description": []}, "description: must be text, not a list"),
        ({"throttle": {}}, "throttle.every: is missing (every: 1m)"),
        (
            {"on_resolve": [{"run": "x"}]},
            "on_resolve: none of the triggers is a condition, which could clear",
        ),
        ({"tests": {}}, "tests: must be a list of tests, not a map"),
        ({"tests": [1]}, "tests[0]: a test is a map, not 1"),
        ({"trigger": None}, "`trigger` is missing"),
        ({"name": None}, "`name` is missing"),
    ],
    ids=str,
)
def test_a_mistake_names_the_field_and_the_reason(change, complaint):
    assert refused(**change)[0].startswith(complaint)


@pytest.mark.parametrize(
    ("trigger", "complaint"),
    [
        ("x", 'trigger: a trigger is a map such as `event: order.created`, not "x"'),
        ([], "trigger: a rule needs at least one trigger"),
        ({}, "trigger: a trigger says what it waits for: `event` is missing"),
        ({"evnt": "x"}, "trigger: a trigger says what it waits for: `event` is missing (did you"),
        ([{"event": "a"}, 5], "trigger[1]: a trigger is a map"),
        ({"event": 5}, "trigger.event: "),
        ({"event": []}, "trigger.event: "),
        ({"event": ["a", 5]}, "trigger.event[1]: "),
        ({"event": "x", "source": 5}, "trigger.source: "),
        ({"event": "x", "wher": "y"}, "trigger.wher: there is no field `wher` here (did you mean"),
        ({"event": "x", "within": -5}, "trigger.within: `within` does not go with `event`"),
        ({"event": "x", "at_least": 0}, "trigger.at_least: `at_least` does not go with `event`"),
        ({"event": "x", "where": "event.tpye == 'a'"}, "trigger.where: no event has an attribute"),
        ({"event": "x", "where": "event.data.size()"}, "trigger.where: a condition must be true"),
        ({"event": "x", "where": 5}, "trigger.where: "),
        ({"event": "x", "match": {"data": {"a": [{"numeric": [">"]}]}}}, "trigger.match.data.a"),
        ({"count": "x", "within": -5}, "trigger: `at_least` is missing"),
        ({"cron": "61 * * * *"}, "trigger.cron: minute: 61 is not within 0 to 59"),
        ({"absent": "x"}, "trigger: `for` is missing"),
    ],
    ids=str,
)
def test_a_mistake_in_a_trigger_names_its_place(trigger, complaint):
    assert refused(trigger=trigger)[0].startswith(complaint)


@pytest.mark.parametrize(
    ("actions", "complaint"),
    [
        (None, "a rule has a list of at least one action"),
        ([], "actions: a rule has a list of at least one action, not an empty list"),
        ({"run": "x"}, "actions: a rule has a list of at least one action, not a map"),
        (["x"], "actions[0]: an action is a map such as `run: my-flow`"),
        ([{}], "actions[0]: an action is one of run, emit, call"),
        (
            [{"rnu": "x"}],
            "actions[0]: an action is one of run, emit, call, notify, cancel, pause, resume, retry (did you mean `run`?)",
        ),
        ([{"run": "x", "emit": "y"}], "actions[0]: one action does one thing"),
        ([{"publish": "x"}], "actions[0].publish: the action `publish` is not supported"),
        ([{"run": "x", "if": "1 +"}], "actions[0].if: the expression ends too early"),
        ([{"run": "x", "if": "'a'"}], "actions[0].if: a condition must be true or false"),
        (
            [{"run": "x", "wiht": {}}],
            "actions[0].wiht: there is no field `wiht` here (did you mean",
        ),
        ([{"run": 5}], "actions[0].run: must be text, not 5"),
        ([{"run": "${event.id}"}], "actions[0].run: a flow is named literally"),
        ([{"run": "x", "with": []}], "actions[0].with: must be a map of fields, not a list"),
        ([{"run": "x", "with": {"a": ["${evnt}"]}}], "actions[0].with.a[0]: there is no `evnt`"),
        ([{"run": "x", "delay": -5}], "actions[0].delay: a duration cannot be -5"),
        ([{"run": "x", "delay": "soon"}], "actions[0].delay: 'soon' is not a duration"),
        ([{"run": "x", "delay": True}], "actions[0].delay: a duration such as"),
        ([{"run": "x", "delay": []}], "actions[0].delay: must be a duration"),
        ([{"run": "x", "delay": "9999d"}], "actions[0].delay: 9999d is too long"),
        ([{"run": "x", "pool": 5}], "actions[0].pool: must be text"),
        (
            [{"run": "x", "concurrency": {}}],
            "actions[0].concurrency: `concurrency` is not supported",
        ),
        ([{"emit": "ensue.run.completed"}], "actions[0].emit: types that begin with `ensue.`"),
        ([{"emit": "x", "time": "soon"}], "actions[0].time: 'soon' is not an RFC 3339 time"),
        ([{"emit": "x", "data": "${1 +}"}], "actions[0].data: the expression ends too early"),
        ([{"call": "ftp://x/"}], "actions[0].call: a URL begins with https:// or http://"),
        ([{"call": "file:///etc/passwd"}], "actions[0].call: a URL begins with"),
        ([{"call": "https:///x"}], "actions[0].call: the URL names no host"),
        ([{"call": "https://x:99999/"}], "actions[0].call: this is not a URL"),
        ([{"call": "https://a:b@x/"}], "actions[0].call: a URL cannot carry a password"),
        ([{"call": "https://x/ y"}], "actions[0].call: a URL cannot hold spaces"),
        ([{"call": "https://x", "method": "BREW"}], "actions[0].method: must be one of GET"),
        ([{"call": "https://x", "timeout": 0}], "actions[0].timeout: 0 is too short"),
        ([{"call": "https://x", "timeout": "5m"}], "actions[0].timeout: 5m is too long"),
        ([{"call": "https://x", "expect": "ok"}], "actions[0].expect: must be a status"),
        ([{"call": "https://x", "expect": [200, 99]}], "actions[0].expect: must be a status"),
        ([{"call": "https://x", "headers": {"A": "b\r\nC: d"}}], "actions[0].headers.A: a header"),
        ([{"call": "https://x", "headers": {"A": "ü"}}], "actions[0].headers.A: a header holds"),
        ([{"call": "https://x", "headers": {"A b": "c"}}], "actions[0].headers.A b: "),
        ([{"call": "https://x", "headers": {"Host": "c"}}], "actions[0].headers.Host: the header"),
        ([{"call": "https://x", "headers": {"A": "b", "a": "c"}}], "actions[0].headers.a: "),
        ([{"call": "https://x", "headers": {"A": 5}}], "actions[0].headers.A: must be text"),
        (
            [{"call": "https://x", "headers": {"A": {"secret": "s3cr3t"}}}],
            "actions[0].headers.A: a",
        ),
    ],
    ids=str,
)
def test_a_mistake_in_an_action_names_its_place(actions, complaint):
    assert refused(actions=actions)[0].startswith(complaint)


def test_all_mistakes_are_told_at_once():
    complaints = refused(
        name="a b", trigger={"event": "x", "where": "1"}, actions=[{"run": 5}, {"emti": "x"}]
    )
    assert [complaint.split(":")[0] for complaint in complaints] == [
        "name",
        "trigger.where",
        "actions[0].run",
        "actions[1]",
    ]


def test_a_rule_is_a_map():
    with pytest.raises(FormError, match="a rule is a map of fields, not a list"):
        Rule.parse([SMALL])


def test_a_secret_that_was_written_down_is_not_repeated():
    with pytest.raises(FormError) as caught:
        rule(actions=[{"call": "https://x", "headers": {"A": {"secret": "s3cr3t"}}}])
    assert "s3cr3t" not in str(caught.value)
