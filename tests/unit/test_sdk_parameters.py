from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from ensue.errors import ParametersInvalidError
from ensue.parameters import FlowParameters

if TYPE_CHECKING:
    from nowhere import Unknown


class Item(BaseModel):
    sku: str
    count: int = 1


class Opaque:
    pass


def review(order: str, total: float = 0, *, items: list[Item] | None = None) -> None: ...


def variadic(first: int, *rest: int, **named: float) -> None: ...


def positional(a: int, /, b: int) -> tuple[int, int]:
    return a, b


def unresolvable(a: Unknown, b: int) -> None: ...


def opaque(what: Opaque, mode: Literal["x", "y"] = "x") -> None: ...


def validated(fn, **values):
    parameters = FlowParameters("review", fn)
    return parameters.validate(parameters.from_mapping(values))


def test_values_are_coerced_to_the_annotations():
    assert validated(review, order="a", total="10.5", items=[{"sku": "x", "count": "2"}]) == {
        "order": "a",
        "total": 10.5,
        "items": [Item(sku="x", count=2)],
    }


def test_defaults_are_put_in():
    assert validated(review, order="a") == {"order": "a", "total": 0, "items": None}


def test_every_parameter_that_does_not_fit_is_named():
    with pytest.raises(ParametersInvalidError) as caught:
        validated(review, order=1, total="much", items=[{"sku": "x"}, {}])
    assert [name for name, _ in caught.value.problems] == ["order", "total", "items.1.sku"]
    assert caught.value.code == "parameters_invalid"
    assert "'total' is not valid: Input should be a valid number" in str(caught.value)


def test_missing_and_unknown_parameters_are_named_together():
    with pytest.raises(ParametersInvalidError) as caught:
        validated(review, totl=1)
    assert str(caught.value) == (
        "The parameters do not fit the flow 'review': 'order' is missing; "
        "'totl' is not one of its parameters (did you mean 'total'?)."
    )


def test_a_value_is_never_repeated_in_the_message():
    with pytest.raises(ParametersInvalidError) as caught:
        validated(review, order="a", total="hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_call_is_bound_as_python_binds_it():
    parameters = FlowParameters("review", review)
    assert parameters.bind(("a", 3), {}) == {"order": "a", "total": 3, "items": None}
    with pytest.raises(ParametersInvalidError, match="too many positional arguments"):
        parameters.bind(("a", 3, 4), {})


def test_variadic_parameters_take_and_validate_what_is_left():
    parameters = FlowParameters("v", variadic)
    bound = parameters.validate(parameters.bind(("1", "2", "3"), {"x": "1.5"}))
    assert bound == {"first": 1, "rest": (2, 3), "named": {"x": 1.5}}
    assert parameters.call_arguments(bound) == ((1, 2, 3), {"x": 1.5})
    assert validated(variadic, first=1, y=2) == {"first": 1, "rest": (), "named": {"y": 2.0}}


def test_positional_only_parameters_can_be_given_by_name_from_outside():
    parameters = FlowParameters("p", positional)
    args, kwargs = parameters.call_arguments(parameters.from_mapping({"a": 1, "b": 2}))
    assert positional(*args, **kwargs) == (1, 2)


def test_an_annotation_for_type_checkers_only_takes_anything_and_spares_the_others():
    assert validated(unresolvable, a=object, b="3") == {"a": object, "b": 3}


def test_a_type_of_the_users_own_is_checked_by_instance():
    value = Opaque()
    assert validated(opaque, what=value)["what"] is value
    with pytest.raises(ParametersInvalidError, match="instance of Opaque"):
        validated(opaque, what=3)


def test_the_schema_describes_each_parameter_with_its_default():
    schema = FlowParameters("review", review).json_schema()
    assert schema["required"] == ["order"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["order"] == {"type": "string"}
    assert schema["properties"]["total"] == {"type": "number", "default": 0}
    assert schema["properties"]["items"]["default"] is None
    assert schema["$defs"]["Item"]["required"] == ["sku"]


def test_what_json_schema_has_no_word_for_is_described_as_anything():
    schema = FlowParameters("o", opaque).json_schema()
    assert schema["properties"]["what"] == {}
    assert schema["properties"]["mode"]["enum"] == ["x", "y"]
    assert schema["required"] == ["what"]


def test_an_annotation_carries_its_description_into_the_schema():
    def described(n: Annotated[int, Field(ge=1, description="How many.")]) -> None: ...

    described.__annotations__ = {"n": Annotated[int, Field(ge=1, description="How many.")]}
    schema = FlowParameters("d", described).json_schema()
    assert schema["properties"]["n"] == {
        "type": "integer",
        "minimum": 1,
        "description": "How many.",
    }


def test_extra_values_are_told_in_the_schema_of_a_variadic_flow():
    assert FlowParameters("v", variadic).json_schema()["additionalProperties"] == {"type": "number"}
