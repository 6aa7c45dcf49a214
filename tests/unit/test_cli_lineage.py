from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from ensue.cli.lineage import trees


def event(id_: str, type_: str, cause: str | None, second: int, **more: Any) -> dict[str, Any]:
    made = {"id": id_, "type": type_, "source": "/t", "time": f"2030-01-01T00:00:{second:02}Z"}
    return made | ({"causationid": cause} if cause else {}) | more


def of_run(id_: str, state: str, cause: str, second: int, run: str = "r1") -> dict[str, Any]:
    more = {"source": "/flows/triage", "subject": run}
    return event(id_, f"ensue.run.{state}", cause, second, **more)


def drawn(*events: dict[str, Any], marked: str = "a", folded: bool = True) -> list[str]:
    console = Console(file=StringIO(), width=200)
    for tree in trees(events, marked, folded=folded):
        console.print(tree)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


CHAIN = (
    event("a", "github.push", None, 0),
    of_run("b", "scheduled", "a", 1),
    of_run("c", "running", "b", 2),
    event("n", "note.made", "c", 2),
    of_run("d", "completed", "c", 3),
    event("e", "told", "a", 2),
    of_run("f", "scheduled", "d", 4, run="r2"),
)


def test_the_states_of_a_run_are_one_line_with_what_came_of_them_below() -> None:
    assert drawn(*CHAIN) == [
        "github.push +0ms a",
        "├── run triage scheduled +1.0s → running +2.0s → completed +3.0s r1",
        "│   ├── note.made +2.0s n",
        "│   └── run triage scheduled +4.0s r2",
        "└── told +2.0s e",
    ]


def test_each_event_stands_under_its_cause_where_all_are_asked_for() -> None:
    assert drawn(*CHAIN[:5], folded=False) == [
        "github.push +0ms a",
        "└── ensue.run.scheduled r1 +1.0s b",
        "    └── ensue.run.running r1 +2.0s c",
        "        ├── note.made +2.0s n",
        "        └── ensue.run.completed r1 +3.0s d",
    ]


def test_the_tasks_of_a_run_are_one_line_each() -> None:
    def of_task(id_: str, state: str, second: int) -> dict[str, Any]:
        data = {"flow": "triage", "run": "r1", "task": "t1", "name": "score"}
        return event(id_, f"ensue.task.{state}", "c", second, subject="r1", data=data)

    events = (*CHAIN[:3], of_task("t", "running", 2), of_task("u", "failed", 3), CHAIN[4])
    assert drawn(*events) == [
        "github.push +0ms a",
        "└── run triage scheduled +1.0s → running +2.0s → completed +3.0s r1",
        "    └── task score running +2.0s → failed +3.0s t1",
    ]


def test_a_run_is_named_by_its_flow() -> None:
    (line,) = drawn(event("b", "ensue.run.failed", None, 0, subject="r1", data={"flow": "review"}))
    assert line == "run review failed +0ms r1"


def test_of_very_many_states_the_first_and_the_last_are_shown() -> None:
    states = [of_run(f"s{n}", "retrying" if n else "scheduled", "x", n) for n in range(40)]
    (line,) = drawn(*states, of_run("z", "completed", "s39", 40))
    assert line.startswith("run triage scheduled +0ms → retrying +1.0s → ")
    assert "→ (31 more) →" in line
    assert line.endswith("→ completed +40.0s r1")


def test_what_was_asked_for_is_marked_also_where_it_is_folded() -> None:
    for marked in ("r1", "c"):
        (root,) = trees(CHAIN, marked)
        label = root.children[0].label
        assert any("reverse" in str(span.style) for span in label.spans)  # type: ignore[union-attr]  # it is a Text
    (root,) = trees(CHAIN, "e")
    assert not any("reverse" in str(span.style) for span in root.children[0].label.spans)  # type: ignore[union-attr]  # likewise


def test_an_event_whose_cause_is_gone_stands_at_the_root() -> None:
    lines = drawn(event("b", "later", "gone", 0), event("c", "latest", "c", 1))
    assert [line.split()[0] for line in lines] == ["later", "latest"]


def test_a_run_whose_first_event_is_gone_stands_at_the_root() -> None:
    assert drawn(of_run("c", "running", "b", 0), of_run("d", "failed", "c", 1)) == [
        "run triage running +0ms → failed +1.0s r1"
    ]


def test_nothing_is_drawn_of_nothing() -> None:
    assert trees([], "a") == []
