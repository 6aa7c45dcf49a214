from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pytest

from ensue.cli.client import Client, UnreachableError
from ensue.cli.stream import Stream


class Scripted(Client):
    """Answers each connection with the next script; an error in one is raised."""

    def __init__(self, *scripts: list[str | Exception]) -> None:
        super().__init__("http://127.0.0.1:1")
        self.scripts = list(scripts)
        self.asked: list[str | None] = []

    def lines(self, path: str, *, headers: Mapping[str, str], **query: object) -> Iterator[str]:
        self.asked.append(headers.get("Last-Event-ID"))
        for line in self.scripts.pop(0):
            if isinstance(line, Exception):
                raise line
            yield line


def record(position: int) -> list[str | Exception]:
    return [f"id: {position}", "event: event", f'data: {{"id":"e{position}"}}', ""]


def read(client: Client, count: int, **options: Any) -> list[str]:
    stream = Stream(client, {}, wait=lambda _: None, **options)
    return [event["id"] for event in islice(stream, count)]


def test_events_come_as_they_are_sent() -> None:
    client = Scripted([": hello", "", *record(1), ": heartbeat", "", *record(2)])
    assert read(client, 2) == ["e1", "e2"]
    assert client.asked == [None]


def test_a_broken_stream_is_taken_up_after_the_last_event() -> None:
    gone = UnreachableError("gone")
    client = Scripted([*record(1), *record(2), gone], [gone], [*record(3)])
    notices: list[str] = []
    assert read(client, 3, notice=notices.append) == ["e1", "e2", "e3"]
    assert client.asked == [None, "2", "2"]
    assert len(notices) == 1


def test_a_stream_that_just_ends_is_taken_up_too() -> None:
    client = Scripted([*record(1)], [*record(2)])
    assert read(client, 2) == ["e1", "e2"]
    assert client.asked == [None, "1"]


def test_half_a_record_does_not_count() -> None:
    client = Scripted([*record(1), "id: 2", 'data: {"id"', UnreachableError("gone")], [*record(2)])
    assert read(client, 2) == ["e1", "e2"]
    assert client.asked == [None, "1"]


def test_data_on_several_lines_is_one_record() -> None:
    client = Scripted(["id:7", 'data: {"id":', 'data:"e7"}', ""])
    assert read(client, 1) == ["e7"]


def test_it_may_begin_after_a_position() -> None:
    client = Scripted([*record(6)])
    assert read(client, 1, after=5) == ["e6"]
    assert client.asked == ["5"]


def test_a_server_that_was_never_there_is_an_error() -> None:
    with pytest.raises(UnreachableError):
        read(Scripted([UnreachableError("gone")]), 1)
