"""`ensue import`, as people use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automations.reader import gather, read_rules

ENSUE = Path(sys.executable).with_name("ensue")
DATA = Path(__file__).parents[1] / "data" / "importing"
PREFECT, DESCRIBED, TEMPLATE = (
    DATA / name
    for name in (
        "prefect-warehouse.yaml",
        "eventbridge-described.json",
        "eventbridge-template.yaml",
    )
)


def ensue(*args: str | Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENSUE_")}
    return subprocess.run(
        [ENSUE, "import", *args],
        capture_output=True,
        text=True,
        check=False,
        env=kept,
    )


@pytest.mark.parametrize(("system", "file"), [("prefect", PREFECT), ("eventbridge", TEMPLATE)])
def test_rules_are_printed_and_the_notes_beside_them(system: str, file: Path) -> None:
    made = ensue(system, file)
    assert made.returncode == 0, made.stderr
    loaded = gather([("stdout.yaml", made.stdout.encode())])
    assert loaded.rules
    assert {problem.code for problem in loaded.problems} <= {"not_supported"}
    assert "# - missing: " in made.stdout
    assert "missing" in made.stderr
    assert "in shadow" in made.stderr.splitlines()[-1]


def test_each_rule_gets_a_file_and_none_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "automations"
    made = ensue("eventbridge", TEMPLATE, "-o", folder)
    assert made.returncode == 0, made.stderr
    names = ["LastFriday", "Sweeper-Hourly", "Sweeper-Returned", "large-orders-prod"]
    assert sorted(path.stem for path in folder.iterdir()) == names
    assert "large-orders-prod" in {found.rule.name for found in read_rules(folder).rules}

    own = folder / "large-orders-prod.yaml"
    own.write_text("mine")
    (folder / "LastFriday.yaml").unlink()
    again = ensue("eventbridge", TEMPLATE, "-o", folder)
    assert again.returncode == 1
    assert "are there already" in again.stderr
    assert own.read_text() == "mine"
    assert not (folder / "LastFriday.yaml").exists()

    assert ensue("eventbridge", TEMPLATE, "-o", folder, "--force").returncode == 0
    assert "name: large-orders-prod" in own.read_text()


def test_programs_get_json() -> None:
    made = ensue("prefect", PREFECT, "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert made.stderr == ""
    first = told["rules"][0]
    assert (first["name"], first["origin"]) == ("tell-of-broken-loads", "Tell of broken loads")
    assert first["rule"]["trigger"]["match"]["data"]["tags"] == ["prod"]
    assert first["yaml"].startswith("# Imported from Tell of broken loads")
    [block, *_] = first["notes"]
    assert block["path"] == "automations[0].actions[0].block_document_id"
    assert {*block} == {"file", "path", "kind", "what", "why", "advice"}


def test_a_name_is_put_where_an_id_stood() -> None:
    id_ = "5b1f3c52-8a5a-4e79-8f0f-8d4a5e0d6b21"
    made = ensue("prefect", PREFECT, "--name", f"{id_}=weigh-parcels")
    assert made.stdout.count("run: weigh-parcels") == 2


def test_no_secret_of_the_document_is_shown() -> None:
    for file, secret in ((DESCRIBED, "not-to-be-seen"), (TEMPLATE, "never-written-down")):
        assert secret in file.read_text()
        made = ensue("eventbridge", file, "--json")
        assert made.returncode == 0
        assert '"yaml"' in made.stdout
        assert secret not in made.stdout + made.stderr


@pytest.mark.parametrize(
    ("content", "said", "code"),
    [
        ("a: [1", "broken.yaml:", 1),
        ("{}", "there is no rule", 1),
        (None, "cannot be read", 1),
    ],
)
def test_a_document_that_cannot_be_read_is_told_in_a_sentence(
    tmp_path: Path, content: str | None, said: str, code: int
) -> None:
    file = tmp_path / "broken.yaml"
    if content is not None:
        file.write_text(content)
    made = ensue("eventbridge", file)
    assert (made.returncode, made.stdout) == (code, "")
    assert said in made.stderr
    assert "Traceback" not in made.stderr


def test_a_name_without_an_id_is_used_wrongly() -> None:
    made = ensue("prefect", PREFECT, "--name", "weigh-parcels")
    assert made.returncode == 2
    assert "ID=NAME" in made.stderr
