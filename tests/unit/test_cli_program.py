from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from ensue.cli import program as frame
from ensue.cli.client import CommandError
from ensue.cli.program import run_program


def raising(error: BaseException) -> click.Command:
    def body() -> None:
        raise error

    return click.Command("broken", callback=body)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Puts a command `broken` into the program that raises what it is given."""

    def put(error: BaseException) -> None:
        own = {**frame._CLIENT, "broken": (lambda: raising(error), "Breaks.")}
        monkeypatch.setattr(frame, "_CLIENT", own)

    return put


def test_help_and_version_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["--help"]) == 0
    listed = capsys.readouterr().out
    assert run_program(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ensue ")
    for name in ("serve", "init", "emit", "runs", "dead"):
        assert f"\n  {name} " in listed


def test_help_loads_neither_a_command_nor_the_server() -> None:
    code = (
        "import sys; from ensue.cli.program import run_program; run_program(['--help']);"
        "print([m for m in ('rich','pydantic','server','base','ensue.cli.events') if m in sys.modules])"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["evnts"], "did you mean `ensue events`?"),
        (["events", "lss"], "ls"),
        (["xyzzy"], "ensue --help"),
        (["emit"], "TYPE"),
        (["emit", "x", "-d", "{'a': 1}"], "line 1, column 2"),
        (["emit", "x", "-d", "text"], "quotes"),
        (["emit", "x", "-d", "NaN"], "NaN is not JSON"),
        (["emit", "x", "-d", "[" * 100_000], "-d"),
        (["emit", "x", "-d", "@/nowhere.json"], "/nowhere.json cannot be read"),
        (["run", "f", "-p", "novalue"], "NAME=VALUE"),
        (["run", "f", "--params", "[1]"], "object"),
        (["events", "ls", "--since", "yesterday"], "2h"),
        (["events", "ls", "--limit", "0"], "--limit"),
        (["events", "ls", "--api-url", "somewhere"], "http://127.0.0.1:3678"),
        (["events", "ls", "--api-url", "ftp://somewhere"], "is not the URL"),
        (["events", "ls", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_is_explained_and_ends_with_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(args) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("args", "variable"),
    [
        (["--token", "s3cret", "events", "ls"], "ENSUE_API_KEY"),
        (["events", "ls", "--api-key=s3cret"], "ENSUE_API_KEY"),
        (["events", "ls", "--api-url", "http://me:s3cret@host"], "ENSUE_API_KEY"),
        (["serve", ".", "--database=postgresql://me:s3cret@host/db"], "ENSUE_DATABASE"),
    ],
)
def test_a_secret_on_the_command_line_is_refused_with_the_other_way_named(
    args: list[str], variable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(args) == 2
    said = capsys.readouterr().err
    assert variable in said
    assert "s3cret" not in said


def test_a_server_that_is_not_there_is_one_line_with_its_url_and_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_program(["events", "ls", "--api-url", "http://127.0.0.1:1"]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "http://127.0.0.1:1" in said
    assert "--api-url" in said


def test_a_name_that_does_not_resolve_is_3_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["--api-url", "http://nowhere.invalid", "runs", "ls"]) == 3
    assert "http://nowhere.invalid" in capsys.readouterr().err


def test_the_unexpected_is_one_line_without_a_traceback(
    broken: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken(ZeroDivisionError("of\nall things"))
    assert run_program(["broken"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ZeroDivisionError: of all things" in said
    assert run_program(["--debug", "broken"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_quiet(
    broken: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken(KeyboardInterrupt())
    assert run_program(["broken"]) == 130
    captured = capsys.readouterr()
    assert (captured.out + captured.err).strip() == ""


def test_an_explained_error_names_its_place_and_the_way_out(
    broken: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    broken(CommandError("a \x1b[31mbad thing", place="rules/a.yaml:3", hint="mend it"))
    assert run_program(["broken"]) == 1
    assert capsys.readouterr().err == (
        "Error: rules/a.yaml:3: a \\x1b[31mbad thing\n  hint: mend it\n"
    )


def test_a_command_of_the_server_without_the_server_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(frame, "entry_points", lambda **_: [])
    assert run_program(["serve", "."]) == 2
    assert "pip install ensue-server" in capsys.readouterr().err
    assert run_program(["--help"]) == 0
    assert "Server:" not in capsys.readouterr().out


def test_without_the_extra_a_sentence_says_how_to_get_it() -> None:
    code = "import sys; sys.modules['click'] = None; from ensue.cli import main; sys.exit(main())"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert made.returncode == 1
    assert "pip install 'ensue[cli]'" in made.stderr
    assert made.stderr.count("\n") == 1
