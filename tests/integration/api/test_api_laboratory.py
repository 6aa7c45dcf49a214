"""The rule laboratory over the API, against what the service itself did."""

from __future__ import annotations

import json
from io import BytesIO

import pytest

SHOP = """
name: greet
trigger: {event: order.created, match: {data: {country: [DE, FR]}}}
actions:
  - emit: order.greeted
    data: {total: "${event.data.total}"}
---
name: large
trigger:
  - {event: order.created, where: event.data.total >= 1000}
  - {event: order.greeted}
actions:
  - emit: order.reviewed
    if: event.type == "order.created"
    data: {id: "${event.data.id}"}
---
name: echo
max_depth: 3
trigger: {event: [order.echo, order.created]}
actions: [{emit: order.echo}]
---
name: seldom
breaker: 3
trigger: {event: order.created}
actions: [{emit: order.seldom}]
---
name: runs
trigger: {event: ensue.automation.fired, match: {data: {automation: [greet]}}}
actions: [{emit: order.told}]
"""
RULES = ("greet", "large", "echo", "seldom", "runs")
FILES = {"automations/shop.yaml": SHOP}


@pytest.fixture
async def client(served):
    async with served(FILES) as client:
        await client.until("/api/automations", lambda page: len(page["items"]) == len(RULES))
        yield client


async def send(client, number, **data):
    event = {
        "specversion": "1.0",
        "id": f"o{number}",
        "source": "/shop",
        "type": "order.created",
        "data": {"id": f"a{number}", **data},
    }
    await client.post("/api/events", event, 202)


async def orders(client):
    """Some that match, some that do not, one that a condition has no answer for."""
    for number in range(6):
        await send(client, number, total=500 * number, country=("DE", "US", "FR")[number % 3])
    await send(client, 6, country="DE")


async def ask(client, path, body, status=200, **more):
    """The lines of the answer."""
    sent = BytesIO(json.dumps(body).encode())
    headers = {"Content-Type": "application/json", **more}
    async with client.session.post(client.app.url + path, data=sent, headers=headers) as response:
        text = await response.text()
        assert response.status == status, text
        return [json.loads(line) for line in text.splitlines()]


async def backtested(client, files=None, **options):
    lines = await ask(client, "/api/backtest", {"files": files or FILES, **options})
    *others, summary = lines
    assert summary["kind"] == "summary", summary
    return [line for line in others if line["kind"] == "firing"], summary


async def live_firings(client, names=RULES):
    """What the service did, in the order in which it did it."""
    found = []
    for name in names:
        found += (await client.get(f"/api/automations/{name}/firings?limit=1000"))["items"]
    return found


def essence(firing):
    return (
        firing["automation"],
        firing["trigger"],
        firing["key"],
        firing["count"],
        tuple(firing["events"]),
        firing["outcome"],
        firing["reason"],
    )


async def test_a_backtest_of_the_rules_in_force_is_what_the_service_did(client):
    await orders(client)
    told, summary = await backtested(client)
    live = await live_firings(client)
    assert {one["id"]: essence(one) for one in told} == {one["id"]: essence(one) for one in live}
    assert len(told) == len(live) > 20
    assert {one["outcome"] for one in live} == {"acted", "looped", "suppressed"}
    by_name = {one["automation"]: one for one in summary["rules"]}
    figures = (await client.get("/api/automations"))["items"]
    assert {one["name"]: one["firings"] for one in figures} == {
        name: tally["fired"] for name, tally in by_name.items()
    }
    # An action of `greet` has failed, which no backtest tries.
    assert {one["name"]: one["errors"] for one in figures} == {
        name: tally["errors"] + (name == "greet") for name, tally in by_name.items()
    }
    assert by_name["large"]["errors"] == 1
    assert "total" in by_name["large"]["last_error"]
    assert by_name["seldom"]["stopped"] is not None
    assert (by_name["seldom"]["fired"], by_name["seldom"]["missed"]) == (3, 3)
    assert summary["firings"] == sum(one["fired"] for one in by_name.values())


async def test_what_actions_would_have_done_is_told_and_nothing_is_done(client):
    await orders(client)
    before = await client.get("/api/events?limit=1000")
    draft = """
name: draft
enabled: false
trigger: {event: order.created}
actions:
  - {run: review, with: {order: "${event.data.id}", total: "${event.data.total}"}}
  - {call: "https://example.com/orders", body: {id: "${event.data.id}"}}
"""
    told, _ = await backtested(client, {"draft.yaml": draft})
    assert [one["event"]["id"] for one in told] == [f"o{number}" for number in range(7)]
    run, call = told[1]["actions"]
    assert (run["kind"], run["target"]) == ("run", "review")
    assert run["fields"] == {"with": {"order": "a1", "total": 500}}
    assert call["target"] == "https://example.com/orders"
    assert call["fields"]["body"] == {"id": "a1"}
    failed, other = told[6]["actions"]
    assert (failed["code"], other["code"]) == ("field_missing", None)
    assert await client.get("/api/events?limit=1000") == before


async def test_no_more_firings_are_told_than_asked_for_and_all_are_counted(client):
    await orders(client)
    told, summary = await backtested(client, limit=2)
    everything, whole = await backtested(client)
    assert told == everything[:2]
    assert summary["firings"] == whole["firings"]
    assert summary["left_out"] == len(everything) - 2


async def test_a_backtest_begins_and_ends_where_it_is_told(client):
    await send(client, 1, total=1, country="DE")
    first = await client.get("/api/events/o1")
    _, nothing = await backtested(client, until=first["time"])
    _, later = await backtested(client, since="2100-01-01T00:00:00Z")
    assert (nothing["events"], later["events"]) == (
        len(await everything_before(client, "o1")),
        0,
    )
    _, whole = await backtested(client, since="1h")
    assert whole["events"] == len((await client.get("/api/events?limit=1000"))["items"])


async def everything_before(client, id_):
    items = (await client.get("/api/events?order=asc&limit=1000"))["items"]
    ids = [one["id"] for one in items]
    return items[: ids.index(id_)]


async def test_a_file_that_is_broken_is_told_of_and_the_others_are_tried(client):
    await orders(client)
    files = {**FILES, "broken.yaml": "name: broken\ntrigger: {evnt: x}\nactions: [{emit: y}]\n"}
    lines = await ask(client, "/api/backtest", {"files": files})
    problem, summary = lines[0], lines[-1]
    assert (problem["kind"], problem["file"], problem["line"]) == ("problem", "broken.yaml", 2)
    assert (summary["problems"], len(summary["rules"])) == (1, len(RULES))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "field_missing"),
        ({"files": {}, "since": "yesterday"}, 422, "field_invalid"),
        ({"files": {}, "limit": -1}, 422, "field_invalid"),
        ({"files": {}, "sinc": "1d"}, 400, "field_unknown"),
        ({"files": {f"{number}.yaml": "" for number in range(2_001)}}, 413, "too_large"),
        ({"files": {"a.yaml": "#" * (9 << 20)}}, 413, "body_too_large"),
    ],
)
async def test_a_backtest_that_cannot_be_is_refused(client, body, status, code):
    (problem,) = await ask(client, "/api/backtest", body, status)
    assert problem["code"] == code


async def test_an_event_is_explained_by_what_each_rule_says_and_did(client):
    await orders(client)
    told = await client.get("/api/events/o2/explain")
    assert told["event"]["id"] == "o2"
    matched = {one["automation"]: one for one in told["matched"]}
    assert matched.keys() == {"greet", "large", "echo", "seldom"}
    assert all(one["firing"]["events"] == ["o2"] for one in told["matched"])
    (action,) = matched["greet"]["firing"]["actions"]
    assert (action["kind"], action["status"]) == ("emit", "done")
    assert (told["missed"], told["more_missed"], told["other_types"]) == ([], 0, 1)
    assert told["other_firings"] == []

    told = await client.get("/api/events/o1/explain")
    missed = {one["automation"]: one["conditions"] for one in told["missed"]}
    assert missed == {
        "greet": [{"path": "data.country", "wanted": ["DE", "FR"], "actual": "US"}],
        "large": [
            {"path": "where", "wanted": "event.data.total >= 1000", "actual": {"data.total": 500}}
        ],
    }


async def test_of_one_rule_everything_is_explained_however_far_it_is_from_matching(client):
    await orders(client)
    told = await client.get("/api/events/o1/explain?automation=runs")
    (missed,) = told["missed"]
    assert missed["conditions"][0]["path"] == "type"
    assert (told["rules"], told["other_types"]) == (1, 0)
    problem = await client.get("/api/events/o1/explain?automation=gret", 404)
    assert (problem["code"], problem["hint"]) == ("automation_unknown", "did you mean `greet`?")
    assert (await client.get("/api/events/none/explain", 404))["code"] == "event_unknown"


async def test_what_kept_a_rule_from_acting_is_told(client):
    await orders(client)
    assert (await client.get("/api/events/o3/explain?automation=seldom"))["matched"][0]["firing"][
        "reason"
    ] == "breaker"
    (after,) = (await client.get("/api/events/o4/explain?automation=seldom"))["matched"]
    assert (after["guards"], after["firing"]) == (["paused"], None)
    chain = (await client.get("/api/events/o0/lineage"))["items"]
    deepest = max(chain, key=lambda event: event["depth"] * (event["type"] == "order.echo"))
    (cut,) = (await client.get(f"/api/events/{deepest['id']}/explain?automation=echo"))["matched"]
    assert (cut["guards"], cut["firing"]["outcome"]) == (["too_deep"], "looped")


async def test_firings_that_somebody_asked_for_are_told_beside_the_others(client):
    await orders(client)
    replayed = await client.post("/api/events/o2/replay", {"automation": "greet"}, 202)
    told = await client.get("/api/events/o2/explain?automation=greet")
    (again,) = told["other_firings"]
    assert again["id"] == replayed["firing_ids"][0] != told["matched"][0]["firing"]["id"]
    assert again["occasion"] == replayed["id"]


DRAFT = """
name: draft
trigger: {event: order.created, match: {data: {total: [{numeric: [">=", 1000]}]}}}
actions: [{emit: order.drafted}]
"""


async def planned(client, *texts, status=200, path="/api/plan", **options):
    files = {f"{number}.yaml": text for number, text in enumerate(texts)}
    (told,) = await ask(client, path, {"files": files, **options}, status)
    return told


async def applied(client, *texts, status=200, **options):
    return await planned(client, *texts, status=status, path="/api/apply", **options)


async def test_rules_are_planned_applied_changed_and_pruned(client):
    await orders(client)
    made = await planned(client, DRAFT)
    (change,) = made["changes"]
    assert (change["change"], change["before"], change["after"]["fired"]) == ("created", None, 4)
    assert made["events"] == len((await client.get("/api/events?limit=1000"))["items"])
    assert "draft" not in [one["name"] for one in (await client.get("/api/automations"))["items"]]

    outcome = await applied(client, DRAFT, base=made["base"])
    assert outcome == {"created": ["draft"], "updated": [], "deleted": [], "unchanged": []}
    shown = await client.get("/api/automations/draft")
    assert (shown["origin"], shown["file"], shown["status"]) == ("api", "0.yaml", "active")
    await send(client, 7, total=2000)
    assert len(await client.outside("type=order.drafted")) == 1

    wider = DRAFT.replace("1000", "500")
    (change,) = (await planned(client, wider))["changes"]
    assert (change["change"], change["resets"]) == ("updated", False)
    assert [(one["path"], one["old"], one["new"]) for one in change["fields"]] == [
        ("trigger.match.data.total[0].numeric[1]", 1000, 500)
    ]
    assert (change["before"]["fired"], change["after"]["fired"]) == (5, 6)
    assert (await applied(client, wider))["updated"] == ["draft"]
    assert (await applied(client, wider))["unchanged"] == ["draft"]

    other = DRAFT.replace("draft", "other")
    assert (await applied(client, other))["deleted"] == []
    (gone, _) = (await planned(client, other, prune=True))["changes"]
    assert (gone["automation"], gone["change"], gone["before"]["fired"]) == ("draft", "deleted", 6)
    assert (await applied(client, other, prune=True))["deleted"] == ["draft"]
    names = {one["name"] for one in (await client.get("/api/automations"))["items"]}
    assert names == {*RULES, "other"}


async def test_a_plan_says_what_it_looked_at(client):
    await orders(client)
    stored = len((await client.get("/api/events?limit=1000"))["items"])
    whole = await planned(client, DRAFT, since="1h")
    assert whole["events"] >= stored
    assert whole["left_out"] == 0
    assert whole["since"] <= whole["from"] <= whole["until"]
    few = await planned(client, DRAFT, since="1h", events=3)
    assert few["events"] == 3
    assert few["left_out"] >= stored - 3
    assert whole["from"] <= few["from"]
    none = await planned(client, DRAFT, events=0)
    assert (none["events"], none["from"]) == (0, None)
    assert none["left_out"] >= stored
    assert none["changes"][0]["after"]["fired"] == 0
    late = await planned(client, DRAFT, since="2100-01-01T00:00:00Z")
    assert (late["events"], late["left_out"]) == (0, 0)
    problem = await planned(client, DRAFT, status=422, events=-1)
    assert problem["place"] == "$.events"


async def test_a_plan_tells_how_far_it_is_to_who_takes_lines(client):
    await orders(client)
    body = {"files": {"draft.yaml": DRAFT}}
    *others, last = await ask(client, "/api/plan", body, Accept="application/x-ndjson")
    assert others
    assert {line["kind"] for line in others} == {"progress"}
    assert others[-1]["done"] == others[-1]["total"] == last["events"]
    assert last.pop("kind") == "plan"
    assert last["changes"][0]["after"]["fired"] == 4


WINDOWED = """
name: windowed
trigger: {count: job.failed, at_least: 3, within: 1h}
actions: [{emit: job.alarm}]
"""


async def test_windows_outlast_what_a_plan_does_not_say_resets_them(client):
    async def failed(times):
        for _ in range(times):
            event = {"specversion": "1.0", "source": "/jobs", "type": "job.failed"}
            await client.post("/api/events", event | {"id": str(next(numbers))}, 202)
        return len(await client.outside("type=job.alarm"))

    numbers = iter(range(100))
    await applied(client, WINDOWED)
    assert await failed(2) == 0
    other = WINDOWED.replace("[{emit: job.alarm}]", "[{emit: job.alarm, subject: x}]")
    assert [one["resets"] for one in (await planned(client, other))["changes"]] == [False]
    await applied(client, other)
    assert await failed(1) == 1  # the two from before were still there
    assert await failed(2) == 1
    wider = other.replace("1h", "2h")
    assert [one["resets"] for one in (await planned(client, wider))["changes"]] == [True]
    await applied(client, wider)
    assert await failed(1) == 1  # they are not there any more
    assert await failed(2) == 2


async def test_rules_of_the_directory_are_compared_and_not_applied_over(client):
    changed = SHOP.replace("[DE, FR]", "[DE]")
    made = await planned(client, changed)
    kinds = {one["automation"]: (one["change"], one["conflict"]) for one in made["changes"]}
    assert kinds["greet"] == ("updated", "automations/shop.yaml")
    assert kinds["large"] == ("unchanged", None)
    problem = await applied(client, changed, status=409)
    assert problem["code"] == "rule_of_directory"
    assert "automations/shop.yaml" in problem["hint"]
    mixed = await applied(client, SHOP, DRAFT)
    assert (mixed["created"], mixed["unchanged"]) == (["draft"], sorted(RULES))
    assert (await client.get("/api/automations/greet"))["origin"] == "directory"


async def test_what_is_not_in_order_is_planned_with_its_line_and_applied_not_at_all(client):
    broken = f"{DRAFT}---\nname: broken\ntrigger: {{event: x}}\nactions: [{{rnu: y}}]\n"
    made = await planned(client, broken)
    (problem,) = made["problems"]
    assert (problem["place"], problem["automation"]) == ("0.yaml:8:11", "broken")
    refused = await applied(client, broken, status=422)
    assert (refused["code"], refused["place"]) == ("rules_invalid", "0.yaml:8:11")
    await client.get("/api/automations/draft", 404)


async def test_a_plan_that_is_out_of_date_is_not_applied(client):
    made = await planned(client, DRAFT)
    await applied(client, DRAFT)
    problem = await applied(client, DRAFT, status=409, base=made["base"])
    assert problem["code"] == "plan_outdated"


async def test_a_rule_that_is_disabled_would_not_have_fired(client):
    await applied(client, DRAFT)
    await orders(client)
    (change,) = (await planned(client, f"{DRAFT}enabled: false\n"))["changes"]
    assert (change["before"]["fired"], change["after"]["fired"]) == (4, 0)


REMEMBERING = """
name: thrice
trigger: {count: job.failed, at_least: 3, within: 1h, per: subject}
actions: [{emit: job.alarm, data: "${events.map(e, e.id)}"}]
---
name: ordered
trigger: {sequence: [job.began, job.failed], within: 1h, per: subject}
actions: [{emit: job.broke}]
---
name: both
trigger: {all: [job.began, {event: job.done, where: event.data.ok}], within: 1h}
actions: [{emit: job.both}]
---
name: slow
trigger: {aggregate: job.done, value: event.data.took, function: avg, over: 1h, above: 5}
actions: [{emit: job.slow}]
on_resolve: [{emit: job.quick}]
---
name: seldom
trigger: {event: job.failed}
throttle: {at_most: 1, every: 1h, per: subject}
actions: [{emit: job.seldom}]
---
name: pairs
trigger: {event: job.failed}
batch: {size: 2, within: 1h}
actions: [{emit: job.pair, data: "${events.map(e, e.id)}"}]
---
name: burst
trigger: {event: job.failed}
debounce: {quiet: 300ms, per: subject}
actions: [{emit: job.burst}]
---
name: silent
trigger: {absent: job.done, for: 300ms, per: subject, after: job.began}
actions: [{emit: job.silent}]
"""


BY_TIME = ("silent", "burst")
"""Those that fire when time has passed: the instant is the timer's, and so are their ids."""
JOBS = ("thrice", "ordered", "both", "slow", "seldom", "pairs", *BY_TIME)


async def work(client):
    """Jobs that begin, fail and are done; one failure has no subject."""
    steps = [
        ("began", "a", {}),
        ("failed", "a", {}),
        ("failed", "b", {}),
        ("failed", "a", {}),
        ("done", "b", {"ok": False, "took": 3}),
        ("done", "b", {"ok": True, "took": 9}),
        ("failed", "a", {}),
        ("failed", "b", {}),
        ("failed", None, {}),
        ("done", "b", {"ok": 1, "took": 1}),
        ("failed", "b", {}),
    ]
    batch = []
    for number, (type_, subject, data) in enumerate(steps):
        event = {"specversion": "1.0", "id": f"j{number}", "source": "/jobs", "data": data}
        named = {"subject": subject} if subject else {}
        batch.append({**event, **named, "type": f"job.{type_}"})
    await client.post("/api/events", batch, 202)


async def test_rules_that_remember_do_in_a_backtest_what_they_did(served):
    async with served({"automations/jobs.yaml": REMEMBERING}) as client:
        await client.until("/api/automations", lambda page: len(page["items"]) == len(JOBS))
        await work(client)
        for name, count in (("silent", 1), ("burst", 3)):
            path = f"/api/automations/{name}/firings"
            await client.until(path, lambda page, n=count: len(page["items"]) == n, seconds=20)
        live = await live_firings(client, JOBS)
        told, summary = await backtested(client, {"jobs.yaml": REMEMBERING})

        def at_once(firings):
            return {essence(one): one["id"] for one in firings if one["automation"] not in BY_TIME}

        def by_time(firings):
            return sorted(str(essence(one)) for one in firings if one["automation"] in BY_TIME)

        assert at_once(told) == at_once(live)
        assert by_time(told) == by_time(live)
        assert {name: sum(one["automation"] == name for one in told) for name in JOBS} == {
            "thrice": 2, "ordered": 1, "both": 1, "slow": 2, "seldom": 7, "pairs": 3,
            "silent": 1, "burst": 3,
        }  # fmt: skip
        figures = (await client.get("/api/automations"))["items"]
        errors = {one["automation"]: one["errors"] for one in summary["rules"]}
        assert {one["name"]: one["errors"] for one in figures} == errors
        assert errors["thrice"] == 1


async def test_an_event_that_was_gathered_is_explained_by_the_firing_it_went_into(served):
    async with served({"automations/jobs.yaml": REMEMBERING}) as client:
        await client.until("/api/automations", lambda page: len(page["items"]) == len(JOBS))
        await work(client)
        (first,) = (await client.get("/api/events/j1/explain?automation=pairs"))["matched"]
        assert first["firing"]["events"] == ["j1", "j2"]
        (held,) = (await client.get("/api/events/j3/explain?automation=seldom"))["matched"]
        assert held["firing"]["outcome"] == "suppressed"


async def test_an_event_that_went_to_a_window_says_how_far_that_is(served):
    rule = "name: thrice\ntrigger: {count: job.failed, at_least: 3, within: 1h, per: subject}\n"
    files = {"automations/jobs.yaml": f"{rule}actions: [{{emit: job.alarm}}]\n"}
    async with served(files) as client:
        await client.until("/api/automations", lambda page: page["items"])

        async def fail(id_, **fields):
            event = {"specversion": "1.0", "id": id_, "source": "/jobs", "type": "job.failed"}
            await client.post("/api/events", event | fields, 202)
            return await client.get(f"/api/events/{id_}/explain")

        await fail("j1", subject="a")
        (waiting,) = (await fail("j2", subject="a"))["matched"]
        assert waiting["firing"] is None
        (window,) = waiting["windows"]
        assert (window["key"], window["have"], window["need"]) == ("a", 2, 3)
        assert (window["remembered"], window["holds"]) == (True, False)
        assert (window["kind"], window["more"]) == ("count", False)
        assert window["until"] > waiting_since(await client.get("/api/events/j1"))

        (last,) = (await fail("j3", subject="a"))["matched"]
        (first,) = (await client.get("/api/events/j1/explain"))["matched"]
        assert first["firing"]["events"] == ["j1", "j2", "j3"]
        assert first["firing"]["id"] == last["firing"]["id"]
        assert (first["windows"][0]["have"], first["windows"][0]["remembered"]) == (0, False)

        (keyless,) = (await fail("j4"))["missed"]
        assert (keyless["no_answer"], keyless["conditions"][0]["path"]) == ("key_missing", "per")


def waiting_since(event):
    return event["time"]
