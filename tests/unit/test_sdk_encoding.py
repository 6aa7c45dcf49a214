from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import BaseModel

from ensue.encoding import encode, to_json


class Colour(Enum):
    RED = "red"


class Order(BaseModel):
    id: str
    at: datetime


@dataclass
class Line:
    sku: str
    price: Decimal


def test_plain_values_are_compact_json():
    assert encode({"a": [1, 2.5, None, True], "ä": "é"}) == '{"a":[1,2.5,null,true],"ä":"é"}'


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (
            Order(id="a", at=datetime(2030, 1, 1, tzinfo=UTC)),
            {"id": "a", "at": "2030-01-01T00:00:00Z"},
        ),
        ([Line("x", Decimal("1.50"))], [{"sku": "x", "price": "1.50"}]),
        ({"c": Colour.RED}, {"c": "red"}),
        (Path("/a/b"), "/a/b"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({1}, [1]),
        ((1, 2), [1, 2]),
    ],
)
def test_what_pydantic_knows_is_encoded(value, json):
    assert to_json(value) == json


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {"a": object()}])
def test_what_has_no_json_form_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        encode(value)


def test_a_value_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match=r"[Cc]ircular|itself"):
        encode(loop)
