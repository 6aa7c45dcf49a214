from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SDK = str(Path(__file__).parents[2] / "sdk")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "flows").mkdir()

    def write(**files):
        for name, text in files.items():
            (tmp_path / "flows" / f"{name}.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "ensue.describe", str(tmp_path)],
            env={**os.environ, "PYTHONPATH": SDK},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        write.stderr = done.stderr
        return json.loads(done.stdout)

    return write


def test_every_flow_is_described(project):
    found = project(
        shop='''
from ensue import flow

@flow(retries=2, retry_delay_seconds=[1, 5], timeout_seconds=30, log_prints=True,
      tags=["shop"], version="3")
def review_order(order: str, total: float = 0):
    """Looks at an order."""

nightly = review_order.with_options(name="nightly-review")
'''
    )
    assert found["errors"] == []
    first, second = found["flows"]
    assert first == {
        "name": "review-order",
        "function": "review_order",
        "file": "flows/shop.py",
        "line": 4,
        "description": "Looks at an order.",
        "parameters": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "order": {"type": "string"},
                "total": {"type": "number", "default": 0},
            },
            "required": ["order"],
            "additionalProperties": False,
        },
        "retries": 2,
        "retry_delay_seconds": [1, 5],
        "timeout_seconds": 30,
        "log_prints": True,
        "tags": ["shop"],
        "version": "3",
    }
    assert (second["name"], second["function"]) == ("nightly-review", "nightly")


FINE = "from ensue import flow\n@flow\ndef fine(): ...\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = 1\ndef broken(:\n", 2, "SyntaxError"),
        ("import os\n\nimport no_such_module\n", 3, "No module named 'no_such_module'"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("from ensue import flow\n@flow(retrys=1)\ndef f(): ...\n", 2, "did you mean retries"),
    ],
)
def test_a_broken_file_is_an_error_with_its_line_and_hides_no_other(project, text, line, message):
    found = project(a_broken=text, fine=FINE)
    assert [flow["name"] for flow in found["flows"]] == ["fine"]
    (error,) = found["errors"]
    assert (error["file"], error["line"]) == ("flows/a_broken.py", line)
    assert message in error["message"]


def test_parameters_that_cannot_be_described_are_an_error_of_that_flow_alone(project):
    found = project(
        shop=FINE
        + "from typing import Annotated\nfrom pydantic import Field\n"
        + "@flow\ndef bad(n: Annotated[int | str, Field(discriminator='x')]): ...\n"
    )
    assert [flow["name"] for flow in found["flows"]] == ["fine"]
    (error,) = found["errors"]
    assert error["line"] == 6
    assert "'bad' cannot be described" in error["message"]


def test_two_flows_of_one_name_are_an_error_that_names_both(project):
    spelled = "from ensue import flow\n@flow(name='fi_ne')\ndef other(): ...\n"
    again = "from ensue import flow\n@flow(name='fi-ne')\ndef another(): ...\n"
    found = project(a=spelled, b=again, fine=FINE)
    assert [flow["name"] for flow in found["flows"]] == ["fine"]
    assert {error["file"] for error in found["errors"]} == {"flows/a.py", "flows/b.py"}
    for error in found["errors"]:
        assert "flows/a.py:2 and flows/b.py:2" in error["message"]


def test_what_the_files_print_does_not_reach_the_document(project):
    found = project(
        noisy="import os, subprocess\nprint('hello')\nos.write(1, b'raw')\n"
        "subprocess.run(['echo', 'child'])\n" + FINE
    )
    assert [flow["name"] for flow in found["flows"]] == ["fine"]
    for word in ("hello", "raw", "child"):
        assert word in project.stderr


def test_files_import_each_other_and_keep_their_own_flows(project):
    found = project(
        events="from ensue import flow\n@flow\ndef mine(): ...\n",
        uses="import events\nfrom events import mine\nfrom _shared import flow\n"
        "@flow\ndef other(): return mine()\n",
        _shared="from ensue import flow\n",
    )
    assert found["errors"] == []
    assert {(f["name"], f["file"]) for f in found["flows"]} == {
        ("mine", "flows/events.py"),
        ("other", "flows/uses.py"),
    }


def test_a_file_may_have_the_name_of_a_module_of_the_library(project):
    assert [flow["name"] for flow in project(json=FINE)["flows"]] == ["fine"]


def test_a_thread_that_a_file_leaves_running_holds_nothing_up(project):
    found = project(
        threads="import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + FINE
    )
    assert [flow["name"] for flow in found["flows"]] == ["fine"]


def test_what_a_file_does_as_a_script_is_not_done(project):
    found = project(shop=FINE + "if __name__ == '__main__':\n    raise SystemExit(fine())\n")
    assert found["errors"] == []


def test_a_folder_without_flows_has_none(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ensue.describe", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": SDK},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert json.loads(done.stdout) == {"flows": [], "errors": []}


def test_what_is_no_folder_is_a_usage_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ensue.describe", str(tmp_path / "nowhere")],
        env={**os.environ, "PYTHONPATH": SDK},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "usage" in done.stderr
