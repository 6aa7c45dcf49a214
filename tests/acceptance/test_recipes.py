"""The recipes work: the real commands lint and test them, and each stands on the page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from base import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "examples" / "rules"
FILES = sorted(RULES.glob("*.yaml"))
PAGE = ROOT / "docs" / "how-to" / "recipes.md"
ENSUE = Path(sys.executable).with_name("ensue")


@cache
def told(command: str, *options: str) -> Any:
    """What a command says of the folder, in JSON; it must find nothing wrong."""
    made = subprocess.run(
        [str(ENSUE), command, str(RULES), *options, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return json.loads(made.stdout)


@cache
def sections() -> dict[str, str]:
    """The recipes of the page, by the anchor of their heading."""
    found = {}
    for part in re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        found[re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")] = text
    return found


def test_nothing_is_wrong_with_the_recipes():
    found = told("lint", "--strict")
    assert (found["findings"], found["rules"]) == ([], len(FILES))


def test_the_tests_of_the_recipes_pass():
    found = told("test")
    assert (found["failed"], found["problems"]) == (0, [])
    tested = {Path(test["file"]).name for test in found["tests"]}
    assert tested == {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recipe_is_tested_where_it_acts_and_where_it_does_not(file: Path):
    [document] = yaml.read(file.read_bytes(), file.name)
    acts = {bool(test["expect"]) for test in document.value["tests"]}
    assert acts == {True, False}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recipe_and_its_section_lead_to_each_other(file: Path):
    first = file.read_text().partition("\n")[0]
    page, _, anchor = first.removeprefix("# ").partition("#")
    assert ROOT / page == PAGE
    assert f"(../../examples/rules/{file.name})" in sections()[anchor]
    assert f"]({file.name})" in (RULES / "README.md").read_text()


def test_every_section_is_about_one_recipe():
    linked = [re.findall(r"examples/rules/([\w-]+\.yaml)", text) for text in sections().values()]
    assert sorted(name for names in linked for name in names) == [file.name for file in FILES]
    assert all(len(names) == 1 for names in linked)
