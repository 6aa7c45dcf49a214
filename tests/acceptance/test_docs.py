"""What the documentation shows is so: its files load, its links lead somewhere, its commands exist."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from automations.reader import gather
from automations.rehearsal import rehearse
from base import yaml
from base.settings import load
from ensue.cli.program import program
from events.webhooks.hook import Surroundings
from events.webhooks.source import load_sources
from triggers.pattern import Pattern

ROOT = Path(__file__).parents[2]
FLOORS = ("base", "events", "triggers", "automations", "engine", "server")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""Fits every scheme; it is the one in the text of Standard Webhooks."""


def pages() -> list[Path]:
    own = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    found = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted([*own, *found, *(ROOT / "compose").rglob("*.md"), ROOT / "sdk" / "README.md"])


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(*languages: str) -> list[Any]:
    found = []
    for page in pages():
        text = page.read_text()
        for match in FENCE.finditer(text):
            if match[1] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(pytest.param(match[2], id=f"{named(page)}:{line}"))
    return found


class AnySecret(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, name: str, default: Any = None) -> Any:
        return SECRET


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_block_of_yaml_is_a_source_a_pattern_or_a_rule_that_passes_its_tests(
    block: str, tmp_path: Path
) -> None:
    [document, *_] = yaml.read(block.encode(), "block")
    value = document.value
    if isinstance(value, dict) and "webhooks" in value:
        (tmp_path / "block.yaml").write_text(block)
        around = Surroundings(directory=tmp_path, environ=AnySecret())
        problems = load_sources(tmp_path, around=around).problems
        # A secret in a file is where the hook is served, and not here.
        assert [str(one) for one in problems if one.code != "secret_missing"] == []
    elif isinstance(value, dict) and value.keys() == {"match"}:
        Pattern.parse(value["match"])
    else:
        loaded = gather([("block", block.encode())])
        assert [str(problem) for problem in loaded.problems] == []
        assert loaded.rules
        for file in loaded.rules:
            for result in rehearse(file.rule, {"greeting": "Hello", "limit": 100}):
                assert result.passed, result


@pytest.mark.parametrize("block", blocks("toml"))
def test_a_block_of_toml_is_settings(block: str, tmp_path: Path) -> None:
    tomllib.loads(block)
    (tmp_path / "ensue.toml").write_text(block)
    load(tmp_path, environ={})


@pytest.mark.parametrize("block", blocks("python"))
def test_a_block_of_python_is_python(block: str) -> None:
    exec(compile(block, "block", "exec"), {"__name__": "block"})


@pytest.mark.parametrize("page", pages(), ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target}: there is no {place}"
        if anchor:
            assert anchor in anchors(place), f"{target}: {named(place)} has no such heading"


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_in(text: str) -> Iterator[str]:
    """`ensue …` in blocks of shell, and in the running text."""
    for language, block in FENCE.findall(text):
        if language == "sh":
            yield from re.findall(r"^\s*(?:\w+='?[^ ]*'? )*(ensue .+)$", block, re.MULTILINE)
    yield from re.findall(r"`(ensue [^`]+)`", FENCE.sub("", text))


@cache
def root() -> click.Group:
    return program()


@pytest.mark.parametrize("page", pages(), ids=named)
def test_commands_exist_with_these_options(page: Path) -> None:
    for line in commands_in(page.read_text()):
        words = shlex.split(line.replace("…", ""), comments=True)[1:]
        command: click.Command = root()
        context = click.Context(command, info_name="ensue")
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(context, words[0])
            assert found, f"`{line}`: there is no such command"
            context = click.Context(found, info_name=words.pop(0), parent=context)
            command = found
        known = {name for option in command.get_params(context) for name in option.opts}
        for word in words:
            name = word.partition("=")[0]
            if re.fullmatch(r"--?[a-z][a-z-]*", name):
                assert name in known, f"`{line}`: {context.command_path} has no {name}"


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    for path in leaves(root(), "ensue"):
        assert f"### `{path}`" in text


def leaves(command: click.Command, path: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found
        yield from leaves(found, f"{path} {name}")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings", "command-line", "http-api", "metrics"])
def test_a_reference_from_the_code_is_up_to_date(generator: ModuleType, name: str) -> None:
    """`make docs` renews it."""
    text = (ROOT / "docs" / "reference" / f"{name}.md").read_text()
    assert "<!-- from the code: " in text
    assert generator.renew(text) == text


def codes() -> set[str]:
    """The codes of errors that stand in the code as they are."""
    found: set[str] = set()
    for floor in FLOORS:
        for file in (ROOT / floor).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                match node:
                    case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
                        found.add(code)
                    case ast.Assign(
                        targets=[ast.Name(id="default_code")],
                        value=ast.Constant(value=str(code)),
                    ):
                        found.add(code)
                    case ast.Call(
                        func=ast.Name(id="ActionFailure" | "Refusal" | "Unsent"),
                        args=[ast.Constant(value=str(code)), *_],
                    ):
                        found.add(code)
    return found


def test_every_code_of_an_error_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "errors.md").read_text()
    assert sorted(code for code in codes() if f"`{code}`" not in text) == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text()
    records = sorted(path.name for path in folder.glob("0*.md"))
    assert [name for name in records if f"]({name})" not in listed] == []
    assert len({name[:4] for name in records}) == len(records)


def test_every_page_can_be_found_from_the_first() -> None:
    listed = (ROOT / "docs" / "README.md").read_text()
    written = {
        str(page.relative_to(ROOT / "docs"))
        for page in (ROOT / "docs").rglob("*.md")
        if page.parent.name != "decisions" and page != ROOT / "docs" / "README.md"
    }
    assert {page for page in written if f"({page})" not in listed} == set()
