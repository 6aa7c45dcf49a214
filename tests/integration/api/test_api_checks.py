"""Draft rules are checked and tested over the API as on the command line."""

from __future__ import annotations

RULE = """
name: big-orders
trigger: {event: order.created, match: {data: {totl: [{numeric: [">", 100]}]}}}
actions:
  - run: FLOW
tests:
  - name: a big one
    given: [{type: order.created, data: {totl: 500}}]
    expect: [{run: FLOW}]
  - name: one that is not there
    given: [{type: order.created, data: {totl: 5}}]
    expect: [{run: FLOW}]
"""
FLOW = {"flows/greet.py": "from ensue import flow\n\n\n@flow\ndef greet():\n    pass\n"}


def rule(flow: str) -> dict[str, str]:
    return {"rules.yaml": RULE.replace("FLOW", flow)}


async def test_lint_holds_drafts_against_the_flows_and_events_of_the_server(served):
    async with served(FLOW) as client:
        await client.flows_found()
        event = {"type": "order.created", "data": {"total": 500}}
        await client.post("/api/events", event, 202)
        found = await client.post("/api/lint", {"files": rule("gret")})
        codes = {one["code"]: one for one in found["findings"]}
        assert codes["flow_unknown"]["severity"] == "error"
        assert codes["field_never_seen"]["line"] == 3
        assert "total" in codes["field_never_seen"]["hint"]
        without = await client.post("/api/lint", {"files": rule("greet"), "events": 0})
        assert (without["findings"], without["rules"]) == ([], 1)


async def test_lint_tells_of_files_that_cannot_be_read(client):
    found = await client.post("/api/lint", {"files": {"a.yaml": "name: [", "b.yaml": "name: x"}})
    assert {one["file"] for one in found["findings"]} == {"a.yaml", "b.yaml"}
    assert found["rules"] == 0


async def test_tests_beside_drafts_are_run(client):
    told = await client.post("/api/test", {"files": rule("greet")})
    assert [(one["test"], one["passed"]) for one in told["tests"]] == [
        ("a big one", True),
        ("one that is not there", False),
    ]
    assert (told["failed"], told["problems"]) == (1, [])
    assert told["tests"][1]["rows"][0]["differences"] == ["run greet: did not happen"]


async def test_rules_that_cannot_be_read_are_told_beside_the_tests_of_the_others(client):
    files = rule("greet") | {"broken.yaml": "name: x\ntrigger: {evnt: a}\nactions: []\n"}
    told = await client.post("/api/test", {"files": files})
    assert len(told["tests"]) == 2
    assert told["problems"][0].startswith("broken.yaml:2:")


async def test_drafts_without_files_are_refused(client):
    for path in ("/api/lint", "/api/test"):
        problem = await client.post(path, {}, 400)
        assert problem["code"] == "field_missing"
