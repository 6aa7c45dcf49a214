"""Keys: what `per` tells apart, and which events have none."""

import pytest

from base.errors import ConfigurationError
from events.event import Event
from triggers.key import LONGEST, NO_KEY, Key, Missing, canonical, key_value


def root(**fields):
    return Event(id="1", source="/s", type="t", time=0, received=0, **fields).root()


def key(per, **fields):
    return Key.parse(per).of(root(**fields))


def test_one_is_one_point_zero_and_is_not_the_text():
    ones = [key("data.x", data={"x": x}) for x in (1, 1.0, "1", True)]
    assert ones == ["1", "1", '"1"', "true"]
    assert key("data.x", data={"x": -0.0}) == key("data.x", data={"x": 0})
    assert key("data.x", data={"x": 0.5}) == "0.5"


def test_several_paths_make_a_list_in_their_order():
    text = key(["data.b", "subject"], data={"b": 2.0}, subject="é")
    assert text == '[2,"é"]'
    assert key_value(text) == [2, "é"]
    assert canonical([2.0, "é"]) == text


def test_without_per_there_is_one_key():
    assert Key().of(root()) == NO_KEY
    assert key_value(NO_KEY) is None


@pytest.mark.parametrize(
    "data", [{}, {"x": None}, {"x": []}, {"x": {"y": 1}}, [{"x": 1}], "x", None]
)
def test_null_lists_maps_and_what_is_not_there_are_missing(data):
    missing = key("data.x", data=data)
    assert isinstance(missing, Missing)
    assert missing.code == "key_missing"
    assert "data.x" in missing.message


def test_a_path_does_not_look_into_lists():
    assert isinstance(key("data.items.sku", data={"items": [{"sku": 1}]}), Missing)


def test_a_key_is_no_longer_than_an_index_can_hold():
    assert key("subject", subject="x" * (LONGEST - 2)) == f'"{"x" * (LONGEST - 2)}"'
    missing = key("subject", subject="é" * (LONGEST // 2))
    assert isinstance(missing, Missing)
    assert missing.code == "key_too_long"


@pytest.mark.parametrize(
    ("per", "place", "said"),
    [
        ("tpye", "per", "did you mean `type`?"),
        ("data..x", "per", "a path such as"),
        (5, "per", "not 5"),
        (["subject", "subject"], "per[1]", "twice"),
        ([], "per", "not 0"),
        ("subject.x", "per", "no map"),
        ("a-b", "per", "no event has"),
    ],
)
def test_a_path_that_no_event_can_have_is_refused(per, place, said):
    with pytest.raises(ConfigurationError) as refused:
        Key.parse(per)
    assert refused.value.place == place
    assert said in str(refused.value)


def test_the_name_of_an_extension_is_a_path():
    assert key("tenant", attributes={"tenant": "a"}) == '"a"'
