from __future__ import annotations

from io import StringIO

from rich.console import Console

from ensue.cli.lineage import trees


def event(id_: str, type_: str, cause: str | None, second: int) -> dict[str, str]:
    made = {"id": id_, "type": type_, "time": f"2030-01-01T00:00:{second:02}Z"}
    return made | ({"causationid": cause} if cause else {})


def drawn(*events: dict[str, str]) -> str:
    console = Console(file=StringIO(), width=100)
    for tree in trees(events, "a"):
        console.print(tree)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_each_event_stands_under_its_cause() -> None:
    text = drawn(
        event("a", "github.push", None, 0),
        event("b", "ensue.run.scheduled", "a", 1),
        event("c", "ensue.run.completed", "b", 3),
        event("d", "told", "a", 2),
    )
    assert [line.rstrip() for line in text.splitlines()] == [
        "github.push  +0ms a",
        "├── ensue.run.scheduled  +1.0s b",
        "│   └── ensue.run.completed  +3.0s c",
        "└── told  +2.0s d",
    ]


def test_an_event_whose_cause_is_gone_stands_at_the_root() -> None:
    text = drawn(event("b", "later", "gone", 0), event("c", "latest", "c", 1))
    assert [line.split()[0] for line in text.splitlines()] == ["later", "latest"]


def test_nothing_is_drawn_of_nothing() -> None:
    assert trees([], "a") == []
