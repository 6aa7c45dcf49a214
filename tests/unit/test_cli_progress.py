"""A bar for as long as the server reads events."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from ensue.cli.client import CommandError
from ensue.cli.output import Output
from ensue.cli.progress import followed

PROGRESS = {"kind": "progress", "done": 50, "total": 200, "at": "2030-01-01T00:00:00Z"}
PLAN = {"kind": "plan", "events": 200}


def output(*, terminal: bool, as_json: bool = False) -> Output:
    made = Output(as_json=as_json, color=False)
    made.err = Console(file=StringIO(), force_terminal=terminal, width=80)
    return made


def written(made: Output) -> str:
    return made.err.file.getvalue()


def test_progress_is_shown_on_a_terminal_and_the_rest_is_handed_on():
    made = output(terminal=True)
    assert list(followed(made, iter([PROGRESS, PLAN]))) == [PLAN]
    assert "50/200" in written(made)


@pytest.mark.parametrize(("terminal", "as_json"), [(False, False), (True, True)])
def test_for_programs_there_is_no_bar(terminal, as_json):
    made = output(terminal=terminal, as_json=as_json)
    assert list(followed(made, iter([PROGRESS, PLAN]))) == [PLAN]
    assert written(made).strip() == ""


def test_an_answer_that_broke_off_says_why():
    error = {"kind": "error", "detail": "the database is down", "code": "unavailable"}
    with pytest.raises(CommandError, match="the database is down") as caught:
        list(followed(output(terminal=False), iter([PROGRESS, error])))
    assert caught.value.code == "unavailable"
