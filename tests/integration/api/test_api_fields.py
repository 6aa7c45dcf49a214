"""What events have been like, asked of a server."""

from __future__ import annotations

import pytest


async def send(client, *datas, type_="order.created"):
    for number, data in enumerate(datas):
        event = {
            "specversion": "1.0",
            "id": f"{type_}-{number}",
            "source": "/shop",
            "type": type_,
            "data": data,
        }
        await client.post("/api/events", event, 202)


@pytest.fixture
async def client(served):
    async with served() as client:
        await send(client, {"a": 1}, {"b": [{"c": 1}]}, {"d": {"e": {}}})
        await send(client, {"x": 1}, type_="robot.moved")
        yield client


async def fields(client, **body):
    answer = await client.post("/api/fields", body)
    return {one["type"]: (one["events"], one["root"]["fields"]) for one in answer["types"]}


async def test_the_fields_of_all_events_of_a_type_are_told(client):
    (count, found) = (await fields(client, types=["order.*"]))["order.created"]
    assert count == 3
    assert found["data"] == {
        "fields": {
            "a": {},
            "b": {"items": {"fields": {"c": {}}}},
            "d": {"fields": {"e": {}}},
        }
    }
    assert {"id", "source", "type", "time", "specversion", "correlationid", "depth"} < set(found)


async def test_the_newest_are_looked_at_and_no_more(client):
    (count, found) = (await fields(client, types=["order.created"], most=1))["order.created"]
    assert (count, list(found["data"]["fields"])) == (1, ["d"])


async def test_types_are_chosen_as_rules_choose_them(client):
    assert set(await fields(client)) == {"order.created", "robot.moved"}
    assert set(await fields(client, types=["*.moved", "nobody"])) == {"robot.moved"}
    own = await fields(client, types=["ensue.worker.*"])
    assert set(own) <= {"ensue.worker.online"}


async def test_of_many_types_not_all_are_looked_at_and_that_is_said(client, monkeypatch):
    monkeypatch.setattr("automations.observed.MOST_TYPES", 1)
    answer = await client.post("/api/fields", {"types": ["*.created", "robot.moved"]})
    assert [one["type"] for one in answer["types"]] == ["robot.moved"]
    assert (answer["left_out"], answer["whole"]) == (["order.created"], True)
    monkeypatch.setattr("events.sample.MOST_TYPES", 1)
    answer = await client.post("/api/fields", {"types": ["*.created", "robot.moved"]})
    assert [one["type"] for one in answer["types"]] == ["robot.moved"]
    assert answer["whole"] is False


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"types": [""]}, "$.types[0]"),
        ({"most": 0}, "$.most"),
        ({"types": ["a"] * 501}, "$.types"),
    ],
)
async def test_what_is_asked_for_has_bounds(client, body, place):
    problem = await client.post("/api/fields", body, 422)
    assert problem["place"] == place
