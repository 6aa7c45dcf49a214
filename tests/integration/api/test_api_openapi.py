"""The API described by itself: all of it, and as it is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

HOOKS = "webhooks: {lab: {verify: none}}"
RULE = """
name: greet
trigger: {event: order.created}
throttle: {at_most: 9, every: 1h}
actions: [{emit: order.greeted}, {run: work, with: {n: 1}}]
"""
FLOW = """
from ensue import flow, task


@task
def double(n: int) -> int:
    return 2 * n


@flow(log_prints=True)
def work(n: int):
    print("at work")
    return double(n)
"""
FILES = {
    "sources/hooks.yaml": HOOKS,
    "automations/greet.yaml": RULE,
    "automations/broken.yaml": "name: broken\ntrigger: {}\n",
    "flows/work.py": FLOW,
}
JSON = "application/json"


@pytest.fixture
async def client(served):
    async with served(FILES) as client:
        await client.flows_found()
        await client.until("/api/automations", lambda page: len(page["items"]) == 2)
        yield client


async def described(client) -> dict[str, Any]:
    return await client.get("/api/openapi.json")


async def test_every_route_is_in_the_document_and_nothing_else(client):
    document = await described(client)
    told = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert told == {(route.method, route.path) for route in client.app.http._router.routes}
    assert {
        ("GET", "/api/events"), ("GET", "/api/runs/{id}/logs"), ("POST", "/api/dead/{id}/replay"),
    } <= told  # fmt: skip


async def test_every_reference_leads_somewhere_and_every_operation_has_its_own_name(client):
    document = await described(client)
    references = set(re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(document)))
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert "#/components/schemas/Run" in references
    operations = [one for item in document["paths"].values() for one in item.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert all(one["summary"] for one in operations)
    for path, item in document["paths"].items():
        for one in item.values():
            inside = [p["name"] for p in one.get("parameters", ()) if p["in"] == "path"]
            assert inside == re.findall(r"\{(\w+)\}", path), path


async def test_every_answer_is_as_it_is_described(client):
    """Every GET that answers with JSON is asked, with something to show."""
    event = {"specversion": "1.0", "id": "e1", "source": "/t", "type": "order.created"}
    await client.post("/hooks/lab", {"a": 1}, 202)
    await client.post("/api/events", event, 202)
    (run,) = (await client.get("/api/runs"))["items"]
    await client.ended(run["id"])
    document = await described(client)
    values = {
        "/api/events/": "e1",
        "/api/automations/": "greet",
        "/api/flows/": "work",
        "/api/runs/": run["id"],
        "/api/webhooks/": "lab",
    }
    asked = []
    for path, item in document["paths"].items():
        content = item.get("get", {"responses": {"200": {}}})["responses"]["200"].get("content")
        if content is None or "schema" not in content.get(JSON, {}):
            continue
        value = next((value for start, value in values.items() if path.startswith(start)), "")
        answer = await client.get(re.sub(r"\{\w+\}", value, path))
        schema = {**content[JSON]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(answer)
        assert answer.get("items", True) or path == "/api/dead", f"{path} has nothing to show"
        undescribed = _undescribed(answer, content[JSON]["schema"], document)
        assert not undescribed, f"{path} answers with {undescribed} too"
        asked.append(path)
    assert {"/api/runs/{id}/tasks", "/api/flows/{name}", "/api/automations/{name}/firings"} <= set(
        asked
    )


def _undescribed(answer: Any, schema: dict[str, Any], document: dict[str, Any]) -> set[str]:
    """The members that the schema does not name."""
    properties, open_ = _properties(schema, document)
    if not isinstance(answer, dict) or open_ or not properties:
        return set()
    found = set(answer) - set(properties)
    if "items" in properties:
        for item in answer["items"]:
            found |= _undescribed(item, properties["items"]["items"], document)
    return found


def _properties(schema: dict[str, Any], document: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    properties = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        properties |= _properties(part, document)[0]
    return properties, bool(schema.get("additionalProperties"))
