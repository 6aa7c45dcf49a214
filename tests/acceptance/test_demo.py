"""`make demo`: what a newcomer sees first is the whole story, in its order."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "github" / "demo.py"

STORY = [
    r"delivery\s+GitHub sends issues, signed → 202 stored",
    r"event\s+github\.issues\.opened of Codertocat/Hello-World",
    r"rule\s+triage-new-issues fired",
    r"run\s+triage-issue is scheduled",
    r"run\s+triage-issue is running",
    r"run\s+triage-issue is completed",
    r"│ looking at Codertocat/Hello-World#1: Spelling error in the README file",
    r"rule\s+announce-triage fired",
    r"run\s+announce is running",
    r"run\s+announce is completed",
    r"│ #1 is high: Spelling error in the README file",
    r"✓ from the webhook to the end of the second run: \d+\.\d+ s",
    r"the same delivery once more → 200 a duplicate",
    r"a forged one → 401 signature_mismatch",
]
"""Each in a line of its own behind the one before; other lines may stand between them."""


def a_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_the_demo_tells_the_whole_story_and_ends_well() -> None:
    command = [sys.executable, str(DEMO), "--once", "--port", str(a_free_port())]
    made = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert made.returncode == 0, made.stderr
    lines = iter(made.stdout.splitlines())
    for wanted in STORY:
        assert any(re.search(wanted, line) for line in lines), (
            f"{wanted} did not come in its place:\n{made.stdout}"
        )
