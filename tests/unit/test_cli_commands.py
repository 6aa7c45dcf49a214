"""The client commands against recorded answers, over a real connection on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ensue.cli.program import run_program

Answer = tuple[int, Any]

RUN = {
    "id": "r1",
    "flow": "review-order",
    "state": "completed",
    "parameters": {"order": "a1"},
    "tags": ["shop"],
    "attempt": 1,
    "automation": "review",
    "started": "2030-01-01T00:00:00Z",
    "ended": "2030-01-01T00:00:02Z",
    "duration": 2.0,
    "message": None,
    "result": {"score": 3},
}
EVENT = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/shop",
    "type": "shop.order.created",
    "subject": "a1",
    "time": "2030-01-01T00:00:00Z",
    "data": {"total": 1500, "note": "[bold]not markup[/bold]"},
    "correlationid": "e1",
    "depth": 0,
}
LINE = {"seq": 1, "attempt": 1, "at": "2030-01-01T00:00:01Z", "level": "info", "message": "hello"}


@dataclass
class Api:
    """A server that gives the recorded answers, and remembers what it was asked."""

    url: str = ""
    answers: dict[str, Answer | Callable[[dict[str, Any]], Answer]] = field(default_factory=dict)
    stream: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: dict[str, Any]) -> Answer:
        self.asked.append(request)
        made = self.answers.get(f"{request['method']} {request['path']}")
        if made is None:
            return 404, problem(404, "not_found", "there is nothing here")
        return made(request) if callable(made) else made


def problem(status: int, code: str, detail: str, **more: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": "No",
        "status": status,
        "code": code,
        "detail": detail,
    } | more


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/api/stream":
                self.send_response(200)
                self.end_headers()
                self.wfile.write("".join(api.stream).encode())
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = {
                "method": self.command,
                "path": parts.path,
                "query": {name: values[-1] for name, values in parse_qs(parts.query).items()},
                "type": self.headers.get("Content-Type"),
                "authorization": self.headers.get("Authorization"),
                "body": json.loads(body) if body else None,
            }
            status, content = api.answer(request)
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            if status in {301, 302}:
                self.send_header("Location", api.url + "/elsewhere")
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("ENSUE_API_URL", api.url)
    monkeypatch.delenv("ENSUE_API_KEY", raising=False)
    yield api
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*args: str) -> tuple[int, str, str]:
        code = run_program(args)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


Run = Callable[..., tuple[int, str, str]]


def page(*items: object, following: str | None = None) -> Answer:
    return 200, {"items": list(items), "next": following}


def test_emit_sends_a_cloudevent_and_says_that_it_was_accepted(api: Api, run: Run) -> None:
    api.answers["POST /api/events"] = 202, {"accepted": 1, "duplicates": 0, "ids": ["e1"]}
    code, out, _ = run(
        "emit", "shop.order", "-d", '{"total": 1}', "--subject", "a1", "-a", "team=web"
    )
    assert (code, out) == (0, "accepted e1\n")
    asked = api.asked[0]
    assert asked["type"] == "application/cloudevents+json"
    sent = asked["body"]
    assert sent["id"]
    assert sent["time"].endswith("Z")
    wanted = {"specversion": "1.0", "type": "shop.order", "source": "/cli", "subject": "a1",
              "data": {"total": 1}, "team": "web"}  # fmt: skip
    assert {name: sent[name] for name in wanted} == wanted


def test_emit_says_that_an_event_is_a_duplicate(api: Api, run: Run) -> None:
    api.answers["POST /api/events"] = 202, {"accepted": 0, "duplicates": 1, "ids": ["x"]}
    code, out, err = run("emit", "shop.order", "--id", "x")
    assert (code, out) == (0, "duplicate x\n")
    assert "nothing changed" in err


def test_data_may_come_from_a_file(api: Api, run: Run, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"a": [1, 2]}')
    api.answers["POST /api/events"] = 202, {"accepted": 1, "duplicates": 0, "ids": ["e1"]}
    assert run("emit", "x", "-d", f"@{tmp_path}/data.json")[0] == 0
    assert api.asked[0]["body"]["data"] == {"a": [1, 2]}


def test_events_are_listed_with_the_filters_that_were_given(api: Api, run: Run) -> None:
    api.answers["GET /api/events"] = page(EVENT, following="c2")
    code, out, err = run(
        "events", "ls", "--type", "shop.*", "--since", "2029-01-01T00:00:00Z", "--limit", "1"
    )
    assert code == 0
    assert out.splitlines()[0].split() == ["ID", "WHEN", "TYPE", "SUBJECT", "SOURCE"]
    assert out.splitlines()[1].split()[0] == "e1"
    assert "--cursor c2" in err
    assert api.asked[0]["query"] == {
        "type": "shop.*",
        "since": "2029-01-01T00:00:00Z",
        "limit": "1",
    }


@pytest.mark.parametrize(
    ("args", "path"),
    [
        (["events", "ls"], "/api/events"),
        (["automations", "ls"], "/api/automations"),
        (["flows", "ls"], "/api/flows"),
        (["runs", "ls"], "/api/runs"),
        (["webhooks", "ls"], "/api/webhooks"),
        (["webhooks", "deliveries", "github"], "/api/webhooks/github/deliveries"),
        (["dead", "ls"], "/api/dead"),
    ],
)
def test_every_list_says_what_to_do_when_it_is_empty_and_prints_json(
    api: Api, run: Run, args: list[str], path: str
) -> None:
    api.answers[f"GET {path}"] = page()
    code, out, err = run(*args)
    assert (code, out) == (0, "")
    assert len(err) > 20
    code, out, err = run(*args, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("args", "path", "answer"),
    [
        (["events", "show", "e1"], "/api/events/e1", EVENT),
        (["automations", "show", "a"], "/api/automations/a", {"name": "a", "status": "active"}),
        (["flows", "show", "f"], "/api/flows/f", {"name": "f", "parameters": {"properties": {}}}),
        (["lineage", "e1"], "/api/events/e1/lineage", {"items": [EVENT]}),
    ],
)
def test_every_read_of_one_thing_prints_json(
    api: Api, run: Run, args: list[str], path: str, answer: dict[str, Any]
) -> None:
    api.answers[f"GET {path}"] = 200, answer
    code, out, _ = run("--json", *args)
    assert code == 0
    assert json.loads(out) == answer
    assert run(*args)[0] == 0


def test_text_from_outside_is_neither_markup_nor_obeyed(api: Api, run: Run) -> None:
    wild = EVENT | {"subject": "\x1b]0;owned\x07", "type": "[red]x[/red]"}
    api.answers["GET /api/events"] = page(wild)
    api.answers["GET /api/events/e1"] = 200, EVENT
    _, out, _ = run("events", "ls")
    assert "[red]x[/red]" in out
    assert "\x1b" not in out
    assert "[bold]not markup[/bold]" in run("events", "show", "e1")[1]


def test_tail_prints_events_as_they_come(api: Api, run: Run) -> None:
    data = json.dumps(EVENT)
    api.stream = [": hello\n\n", f"id: 1\nevent: event\ndata: {data}\n\n"] * 2
    code, out, _ = run("events", "tail", "-n", "2")
    assert code == 0
    assert out.count("shop.order.created") == 2
    code, out, _ = run("events", "tail", "-n", "1", "--json")
    assert json.loads(out) == EVENT


def test_automations_show_what_is_wrong_with_them(api: Api, run: Run) -> None:
    broken = {
        "name": "review",
        "status": "invalid",
        "file": "automations/review.yaml",
        "line": 3,
        "firings": 7,
        "errors": 1,
        "last_fired": "2030-01-01T00:00:00Z",
        "problem": {"message": "unknown field `tigger`", "place": "automations/review.yaml:4:1"},
    }
    api.answers["GET /api/automations"] = page(broken)
    _, out, _ = run("automations", "ls")
    assert "automations/review.yaml:4:1: unknown field `tigger`" in out
    assert "at work" not in out


def test_a_table_of_automations_says_which_fail_and_which_are_not_what_their_file_says(
    api: Api, run: Run
) -> None:
    fails = {"name": "fails", "status": "active", "errors": 40, "errors_in_a_row": 37}
    fails["last_error"] = "event.data has no field `total`"
    erred = {**fails, "name": "erred", "errors_in_a_row": 1}
    problem = {"message": "unknown field `tigger`", "place": "automations/old.yaml:4:1"}
    old = {"name": "old", "status": "active", "revision": 3, "errors": 2, "problem": problem}
    both = {**old, "name": "both", "status": "paused", "errors_in_a_row": 3}
    api.answers["GET /api/automations"] = page(fails, erred, old, both)
    lines = run("automations", "ls")[1].splitlines()
    assert [line.partition("  ")[2].strip().partition("  ")[0] for line in lines[1:5]] == [
        "active, failing",
        "active",
        "active, older version",
        "paused, failing, older version",
    ]
    assert lines[5:8] == [
        "failing fails: an error on each of its last 37 events: event.data has no field `total`",
        "failing erred: an error on its last event: event.data has no field `total`",
        "invalid automations/old.yaml:4:1: unknown field `tigger`; revision 3 is at work",
    ]


@pytest.mark.parametrize("noun", ["automations", "flows"])
@pytest.mark.parametrize(("verb", "now"), [("pause", "paused"), ("resume", "active")])
def test_pausing_and_resuming(api: Api, run: Run, noun: str, verb: str, now: str) -> None:
    api.answers[f"POST /api/{noun}/my%20rule/{verb}"] = 200, {"name": "my rule"}
    assert run(noun, verb, "my rule")[:2] == (0, f"my rule {now}\n")


def test_firing_hands_the_event_on_and_names_the_runs(api: Api, run: Run) -> None:
    answer = {"firing": "f1", "runs": ["r1"], "actions": []}
    api.answers["POST /api/automations/review/fire"] = 202, answer
    code, out, _ = run("automations", "fire", "review", "--data", '{"total": 1}')
    assert (code, out) == (0, "fired f1\nrun r1\n")
    assert api.asked[0]["body"] == {"event": {"data": {"total": 1}}}
    assert run("automations", "fire", "review", "--event", "e1")[0] == 0
    assert api.asked[1]["body"] == {"event": "e1"}
    assert run("automations", "fire", "review", "--event", "e1", "--data", "1")[0] == 2
    assert len(api.asked) == 2


def test_a_firing_with_an_action_that_failed_says_so(api: Api, run: Run) -> None:
    action = {"kind": "run", "status": "failed", "error": "event.data.id is missing"}
    answer = {"firing": "f1", "runs": [], "actions": [action]}
    api.answers["POST /api/automations/review/fire"] = 202, answer
    code, out, err = run("automations", "fire", "review")
    assert (code, out) == (1, "fired f1\n")
    assert "its action run failed: event.data.id is missing" in err


def test_replaying_an_event(api: Api, run: Run) -> None:
    api.answers["POST /api/events/e1/replay"] = 202, {"id": "e2", "firings": 1}
    code, out, _ = run("replay", "e1", "--automation", "review")
    assert (code, out) == (0, "replayed as e2\n1 firing\n")
    assert api.asked[0]["body"] == {"automation": "review"}


def test_who_replays_an_event_is_told_which_rules_did_not_hear_of_it(api: Api, run: Run) -> None:
    answer = {"id": "e2", "firings": 0, "untold": ["three-failures"]}
    api.answers["POST /api/events/e1/replay"] = 202, answer
    code, out, err = run("replay", "e1")
    assert (code, "0 firings" in out) == (0, True)
    assert "three-failures" in err
    assert "--event e1" in err


def test_running_a_flow_reads_parameters_as_json_or_text(api: Api, run: Run) -> None:
    api.answers["POST /api/flows/review-order/runs"] = 201, RUN | {"state": "scheduled"}
    code, out, err = run(
        "run", "review-order", "-p", "order=a1", "-p", "total=1500", "-p", "tags=[1]",
        "--params", '{"x": null, "order": "b"}', "--tag", "t", "--delay", "10m",
    )  # fmt: skip
    assert (code, out) == (0, "r1 scheduled\n")
    assert "ensue runs logs -f r1" in err
    assert api.asked[0]["body"] == {
        "parameters": {"x": None, "order": "a1", "total": 1500, "tags": [1]},
        "tags": ["t"],
        "delay": "10m",
    }


@pytest.mark.parametrize(("state", "wanted"), [("completed", 0), ("failed", 1), ("cancelled", 1)])
def test_watching_a_run_follows_states_and_lines_to_the_end(
    api: Api, run: Run, state: str, wanted: int
) -> None:
    looks = iter(["scheduled", "running"])
    api.answers["POST /api/flows/review-order/runs"] = 201, RUN | {"state": "scheduled"}
    api.answers["GET /api/runs/r1"] = lambda _: (200, RUN | {"state": next(looks, state)})
    api.answers["GET /api/runs/r1/logs"] = lambda asked: page(
        *([LINE] if asked["query"]["after"] == "0" else [])
    )
    api.stream = [
        f'id: {n}\ndata: {{"type": "ensue.run.{name}", "subject": "r1"}}\n\n'
        for n, name in enumerate(["pending", "running", state])
    ]
    code, out, _ = run("run", "review-order", "--watch")
    assert code == wanted
    assert out.count("hello") == 1
    assert "review-order scheduled\n" in out
    assert f"review-order {state} in 2.0s" in out


def test_watching_goes_on_without_a_stream(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensue.cli.following._LINES_EVERY", 0.01)
    monkeypatch.setattr("ensue.cli.following._STATE_EVERY", 0.02)
    looks = iter(["scheduled", "running"])
    api.answers["GET /api/runs/r1"] = lambda _: (200, RUN | {"state": next(looks, "completed")})
    api.answers["GET /api/runs/r1/logs"] = page()
    assert run("runs", "logs", "-f", "r1")[0] == 0


def test_the_lines_of_a_run_are_read_page_by_page(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensue.cli.following._PAGE", 2)
    lines = [LINE | {"seq": n, "message": f"line {n}"} for n in (1, 2, 3)]
    api.answers["GET /api/runs/r1"] = 200, RUN
    api.answers["GET /api/runs/r1/logs"] = lambda asked: page(
        *[line for line in lines if line["seq"] > int(asked["query"]["after"])][:2]
    )
    code, out, _ = run("runs", "logs", "r1")
    assert code == 0
    assert [line[-6:] for line in out.splitlines()] == ["line 1", "line 2", "line 3"]


def test_a_run_is_shown_with_its_tasks(api: Api, run: Run) -> None:
    api.answers["GET /api/runs/r1"] = 200, RUN
    api.answers["GET /api/runs/r1/tasks"] = page(
        {"name": "score", "state": "completed", "duration": 0.5}
    )
    _, out, _ = run("runs", "show", "r1")
    assert "review-order" in out
    assert "score" in out
    assert json.loads(run("runs", "show", "r1", "--json")[1])["tasks"][0]["name"] == "score"


@pytest.mark.parametrize(("verb", "state"), [("cancel", "cancelling"), ("retry", "scheduled")])
def test_cancelling_and_retrying_say_the_new_state(
    api: Api, run: Run, verb: str, state: str
) -> None:
    api.answers[f"POST /api/runs/r1/{verb}"] = 202, RUN | {"state": state}
    assert run("runs", verb, "r1")[:2] == (0, f"r1 {state}\n")


def test_deliveries_tell_why_they_were_refused(api: Api, run: Run) -> None:
    api.answers["GET /api/webhooks/github/deliveries"] = page(
        {"id": "d1", "at": "2030-01-01T00:00:00Z", "status": "rejected", "size": 2_048,
         "code": "signature_mismatch", "message": "the signature does not fit", "remote": "10.0.0.1"}
    )  # fmt: skip
    _, out, _ = run("webhooks", "deliveries", "github")
    assert "signature_mismatch: the signature does not fit" in out
    assert "2.0 KiB" in out


def test_dead_actions_are_replayed_one_by_one(api: Api, run: Run) -> None:
    api.answers["POST /api/dead/d1/replay"] = 202, {"id": "d1"}
    code, out, err = run("dead", "replay", "d1", "d2")
    assert (code, out) == (1, "d1 pending\n")
    assert "d2: there is nothing here" in err
    assert "1 of 2" in err


def test_a_problem_is_told_with_its_place_and_hint(api: Api, run: Run) -> None:
    api.answers["POST /api/events"] = (
        400,
        problem(400, "invalid", "`time` is not a time", place="$.time", hint="use RFC 3339"),
    )
    code, out, err = run("emit", "x")
    assert (code, out) == (1, "")
    assert err == "Error: $.time: `time` is not a time\n  hint: use RFC 3339\n"


@pytest.mark.parametrize("status", [401, 403])
def test_not_being_allowed_ends_with_4(api: Api, run: Run, status: int) -> None:
    api.answers["GET /api/runs"] = status, problem(status, "forbidden", "not for you")
    code, _, err = run("runs", "ls")
    assert code == 4
    assert "not for you" in err


def test_a_key_from_the_environment_is_sent(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSUE_API_KEY", "k")
    api.answers["GET /api/runs"] = page()
    assert run("runs", "ls")[0] == 0
    assert api.asked[0]["authorization"] == "Bearer k"


@pytest.mark.parametrize(
    "answer", [(200, b"<html>hello"), (500, b"oops"), (302, b""), (404, b"no such page")]
)
def test_what_is_not_ensue_is_named_as_that_and_ends_with_3(
    api: Api, run: Run, answer: Answer
) -> None:
    api.answers["GET /api/runs"] = answer
    code, _, err = run("runs", "ls")
    assert code == 3
    assert api.url in err
    assert err.count("\n") == 1
    assert [asked["path"] for asked in api.asked] == ["/api/runs"]


def test_what_is_missing_is_said_and_ends_with_1(api: Api, run: Run) -> None:
    code, _, err = run("events", "show", "none")
    assert (code, err) == (1, "Error: there is nothing here\n")


def test_the_lineage_of_a_run_is_that_of_its_events(api: Api, run: Run) -> None:
    of_run = EVENT | {"id": "e2", "subject": "r1", "causationid": "e1"}
    api.answers["GET /api/events"] = page(of_run)
    api.answers["GET /api/events/e2/lineage"] = page(EVENT, of_run)
    code, out, _ = run("lineage", "r1")
    assert code == 0
    assert out.splitlines()[1].startswith("└── shop.order.created r1")


def test_what_is_few_is_listed_over_all_its_pages(api: Api, run: Run) -> None:
    def answer(asked: dict[str, Any]) -> Answer:
        if "cursor" in asked["query"]:
            return page({"name": "second", "status": "active"})
        return page({"name": "first", "status": "active"}, following="c")

    api.answers["GET /api/automations"] = answer
    assert [line.split()[0] for line in run("automations", "ls")[1].splitlines()[1:]] == [
        "first",
        "second",
    ]
    assert len(json.loads(run("automations", "ls", "--json")[1])["items"]) == 2


def test_webhooks_tell_what_is_wrong_with_their_files(api: Api, run: Run) -> None:
    wrong = {"file": "sources/shop.yaml", "line": 3, "column": 5, "message": "unknown scheme"}
    hook = {"name": "github", "url": "http://x/hooks/github", "scheme": "github", "accepted": 3}
    api.answers["GET /api/webhooks"] = 200, {"items": [hook], "next": None, "problems": [wrong]}
    _, out, err = run("webhooks", "ls")
    assert "http://x/hooks/github" in out
    assert "invalid sources/shop.yaml:3:5: unknown scheme" in err
