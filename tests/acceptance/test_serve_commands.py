"""The commands that need no running server: a project is made, checked, backed up and examined."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ENSUE = Path(sys.executable).with_name("ensue")


def ensue(*args: str | Path, code: int = 0, **environment: str) -> str:
    """What a command prints; it ends with this code, and never with a traceback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENSUE_")}
    ended = subprocess.run(
        [str(ENSUE), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=90,
        env={**kept, **environment},
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == code, said
    assert "Traceback" not in said
    return said


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    ensue("init", folder)
    return folder


def test_a_new_project_is_in_order_and_its_tests_pass(project):
    assert "0 errors, 0 warnings" in ensue("lint", project)
    assert "3 passed, 0 failed" in ensue("test", project)


def test_a_new_project_works_at_once(project, serving):
    with serving(project) as served:
        served.post("/hooks/inbox", b'{"visitor": "Ada"}')
        events = served.events_until(lambda event: event["type"] == "visitor.greeted")
        assert events[-1]["data"] == {"said": "Hello, Ada!"}
        assert served.get("/api/runs")["items"][0]["state"] == "completed"


def test_a_folder_that_is_in_use_is_left_alone(project):
    (project / "ensue.toml").write_text("port = 1\n")
    (project / "flows" / "greet.py").unlink()
    assert "not empty" in ensue("init", project, code=1)
    said = ensue("init", project, "--force")
    assert "kept" in said
    assert (project / "ensue.toml").read_text() == "port = 1\n"
    assert (project / "flows" / "greet.py").exists()


def test_what_is_wrong_is_told_with_its_line(project):
    rules = project / "automations" / "greetings.yaml"
    rules.write_text(rules.read_text().replace("run: greet\n", "run: greeet\n", 1))
    (project / "sources" / "more.yaml").write_text("webhooks:\n  x: {verify: github}\n")
    said = ensue("lint", project, code=1)
    assert "flow_unknown" in said
    assert "did you mean `greet`" in said
    assert "more.yaml:2" in said
    findings = json.loads(ensue("lint", project, "--json", code=1))["findings"]
    assert {one["code"] for one in findings} == {"flow_unknown", "field_missing"}


def test_a_secret_that_is_only_elsewhere_is_a_warning(project):
    (project / "sources" / "more.yaml").write_text(
        "webhooks:\n  x: {verify: {scheme: github, secret: {env: NOT_HERE}}}\n"
    )
    assert "warning" in ensue("lint", project)
    ensue("lint", project, "--strict", code=1)
    assert "0 warnings" in ensue("lint", project, NOT_HERE="s3cret")


def test_a_test_that_fails_shows_what_was_wanted_and_what_was(project):
    rules = project / "automations" / "greetings.yaml"
    rules.write_text(rules.read_text().replace("name: Ada, greeting: Hello", "name: Eve", 1))
    said = ensue("test", project, code=1)
    assert 'wanted "Eve", was "Ada"' in said
    assert "2 passed, 1 failed" in said
    told = json.loads(ensue("test", project, "--json", code=1))
    assert [one["passed"] for one in told["tests"]] == [False, True, True]


def test_a_rule_that_cannot_be_read_fails_the_tests(project):
    (project / "automations" / "odd.yaml").write_text("name: x\ntrigger: {event: [}\n")
    assert "odd.yaml:2" in ensue("test", project, code=1)


def test_nothing_at_a_path_is_told(tmp_path):
    assert "there is nothing at" in ensue("lint", tmp_path / "none.yaml", code=1)


def test_the_schemas_are_printed_for_editors():
    assert json.loads(ensue("schema"))["title"] == "Ensue rules"
    assert json.loads(ensue("schema", "sources"))["title"] == "Ensue sources"


def test_a_database_is_backed_up_while_it_is_served(project, serving, tmp_path):
    backup = tmp_path / "backup.db"
    with serving(project) as served:
        for n in range(50):
            served.post("/api/events", json.dumps({"type": "a.b", "id": f"e{n}"}).encode())
        assert "complete and checked" in ensue("db", "backup", backup, "--dir", project)
    with sqlite3.connect(backup) as copy:
        (count,) = copy.execute("SELECT count(*) FROM event WHERE type = 'a.b'").fetchone()
    copy.close()
    assert count == 50
    assert "there already" in ensue("db", "backup", backup, "--dir", project, code=1)
    assert "ok" in ensue("db", "check", "--dir", project, "--database", backup)
    restored = ensue("db", "upgrade", "--dir", project, "--database", backup)
    assert "nothing to do" in restored


def test_a_database_that_is_damaged_is_found_out(project):
    ensue("db", "upgrade", "--dir", project)
    file = project / ".ensue" / "ensue.db"
    content = bytearray(file.read_bytes())
    content[8_192:12_288] = b"\xff" * 4_096
    file.write_bytes(content)
    ensue("db", "check", "--dir", project, code=1)


def test_postgresql_is_backed_up_by_its_own_tool(project):
    url = "postgresql://me:s3cret@db.example/name"
    said = ensue("db", "backup", "x.dump", "--dir", project, code=1, ENSUE_DATABASE=url)
    assert "pg_dump --format=custom --file=x.dump" in said
    assert "s3cret" not in said


def test_the_doctor_finds_nothing_wrong_with_a_new_project(project):
    findings = json.loads(ensue("doctor", project, "--port", "0", "--json"))
    assert {one["name"] for one in findings} >= {
        "versions",
        "directory",
        "database",
        "disk",
        "port",
        "flows",
        "rules",
        "sources",
    }
    assert all(one["good"] for one in findings)


def test_the_doctor_names_what_is_wrong(project):
    (project / "ensue.toml").write_text("[flows]\npython = '/nowhere/python'\n")
    (project / "sources" / "more.yaml").write_text(
        "webhooks:\n  x: {verify: {scheme: github, secret: {env: NOT_HERE}}}\n"
    )
    ensue("db", "upgrade", "--dir", project)
    with sqlite3.connect(project / ".ensue" / "ensue.db") as database:
        database.execute("INSERT INTO schema_version (version, at) VALUES (999, 0)")
    database.close()
    findings = json.loads(ensue("doctor", project, "--port", "0", "--json", code=1))
    wrong = {one["name"]: one["message"] for one in findings if one["good"] is False}
    assert wrong.keys() == {"database", "flows", "sources"}
    assert "999" in wrong["database"]
    assert "NOT_HERE" in wrong["sources"]


def test_the_doctor_knows_a_server_of_its_own(project, serving):
    with serving(project) as served:
        port = served.url.rpartition(":")[2]
        said = ensue("doctor", project, "--port", port)
        assert "an Ensue server listens" in said
        assert f"in use by process {served.process.pid}" in said
