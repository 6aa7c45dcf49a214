"""Every webhook that GitHub was recorded to send is taken and meets the rule for its kind."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import subprocess
import tarfile
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

PACKAGE = "@octokit/webhooks-examples"
VERSION = "7.6.1"
SECRET = "It's a Secret to Everybody"
HOOK = """
webhooks:
  github:
    verify: {scheme: github, secret: {env: GITHUB_WEBHOOK_SECRET}}
"""


@dataclass(frozen=True)
class Recorded:
    """A delivery: GitHub's name for what happened, and the body."""

    name: str
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def type(self) -> str:
        """The type of the event that it becomes."""
        action = self.content.get("action")
        return f"github.{self.name}.{action}" if action else f"github.{self.name}"

    @property
    def about(self) -> str | None:
        """The repository, where it is about one."""
        name: str | None = self.content.get("repository", {}).get("full_name")
        return name


@pytest.fixture(scope="module")
def recorded(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> list[Recorded]:
    """All recorded payloads, in their order. Kept in pytest's cache once they were fetched."""
    cache = pytestconfig.cache
    assert cache
    file = cache.mkdir(f"octokit-webhooks-examples-{VERSION}") / "index.json"
    if not file.exists():
        fetched = _fetched(tmp_path_factory.mktemp("npm"))
        partly = file.with_name(f"{uuid.uuid4()}.json")
        partly.write_bytes(fetched)
        partly.rename(file)  # whole or not at all
    return [
        Recorded(kind["name"], json.dumps(example).encode())
        for kind in json.loads(file.read_bytes())
        for example in kind["examples"]
    ]


def _fetched(folder: Path) -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is missing, and the recorded payloads come from its registry")
    pack = [
        npm,
        "pack",
        f"{PACKAGE}@{VERSION}",
        "--loglevel=error",
        "--pack-destination",
        str(folder),
    ]
    try:
        made = subprocess.run(pack, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer, and the recorded payloads come from there")
    if made.returncode:
        pytest.skip(f"npm cannot fetch {PACKAGE}@{VERSION}: {made.stderr.strip()[:300]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        member = archive.extractfile("package/api.github.com/index.json")
        assert member
        return member.read()


@pytest.fixture
def project(tmp_path: Path, recorded: list[Recorded]) -> Path:
    """One rule for each kind of event: every other one acts, the rest are in shadow."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "automations").mkdir()
    (tmp_path / "sources" / "github.yaml").write_text(HOOK)
    rules = [
        {
            "name": f"saw-{name}",
            "trigger": {"event": [f"github.{name}", f"github.{name}.*"]},
            "actions": [{"emit": f"seen.{name}", "subject": "${event.id}"}],
            "shadow": number % 2 == 1,
        }
        for number, name in enumerate(names(recorded))
    ]
    (tmp_path / "automations" / "all.yaml").write_text(json.dumps(rules))
    return tmp_path


def names(recorded: list[Recorded]) -> list[str]:
    return list(dict.fromkeys(one.name for one in recorded))


def delivered(url: str, recorded: list[Recorded]) -> list[tuple[int, str]]:
    """Deliver as GitHub does, one after the other; status and id of each answer."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    answers = []
    for one in recorded:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/044aadd",
            "X-GitHub-Event": one.name,
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-Hub-Signature-256": "sha256="
            + hmac.new(SECRET.encode(), one.body, hashlib.sha256).hexdigest(),
        }
        connection.request("POST", "/hooks/github", one.body, headers)
        answer = connection.getresponse()
        answers.append((answer.status, json.load(answer).get("id", "")))
    connection.close()
    return answers


def test_every_recorded_delivery_is_stored_once_and_meets_its_rule(
    recorded: list[Recorded], project: Path, serving: Callable[..., AbstractContextManager[Any]]
) -> None:
    """The same kind and body within the replay window is the same delivery, whatever its id."""
    assert len(recorded) > 300
    first: dict[Recorded, str] = {}
    with serving(project, "--log-level", "warning", GITHUB_WEBHOOK_SECRET=SECRET) as served:
        answers = delivered(served.url, recorded)
        for one, (status, id_) in zip(recorded, answers, strict=True):
            assert (status, id_) == ((200, first[one]) if one in first else (202, id_)), one.name
            first.setdefault(one, id_)
        assert len(set(first.values())) == len(first) < len(recorded)

        stored = {event["id"]: event for event in served.events(type="github.*")}
        assert stored.keys() == set(first.values())
        for one, id_ in first.items():
            event = stored[id_]
            assert event["type"] == one.type
            assert event["data"] == one.content
            assert event["source"] == "/hooks/github"
            assert event["depth"] == 0
            if one.about:
                assert event["subject"] == one.about

        kinds = names(recorded)
        acting = set(kinds[::2])
        expected = Counter(f"seen.{one.name}" for one in first if one.name in acting)
        seen = served.events(type="seen.*")
        assert Counter(event["type"] for event in seen) == expected
        for event in seen:
            cause = stored[event["subject"]]
            assert event["causationid"] == event["correlationid"] == cause["id"]
            assert cause["type"].split(".")[1] == event["type"].removeprefix("seen.")
        expected_firings = {
            (f"saw-{one}", "acted" if one in acting else "shadow"): count
            for one, count in Counter(one.name for one in first).items()
        }
        assert firings(served.text("/metrics")) == expected_firings


def firings(metrics: str) -> dict[tuple[str, str], int]:
    """How often each rule fired, by rule and outcome, as the service counts it."""
    line = re.compile(r'ensue_firings_total{automation="(.+)",outcome="(.+)"} (\S+)')
    return {(m[1], m[2]): int(float(m[3])) for m in map(line.fullmatch, metrics.split("\n")) if m}


def test_a_delivery_about_no_repository_still_has_a_subject(
    recorded: list[Recorded], project: Path, serving: Callable[..., AbstractContextManager[Any]]
) -> None:
    """Its organization, the account of its installation, or whoever sent it."""
    without = [one for one in recorded if one.about is None]
    assert len(without) >= 40
    with serving(project, "--log-level", "warning", GITHUB_WEBHOOK_SECRET=SECRET) as served:
        answers = delivered(served.url, without)
        subjects = {event["id"]: event.get("subject") for event in served.events(type="github.*")}
    for one, (_, id_) in zip(without, answers, strict=True):
        content = one.content
        near = {
            content.get("organization", {}).get("login"),
            content.get("installation", {}).get("account", {}).get("login"),
            content.get("sender", {}).get("login"),
            content.get("enterprise", {}).get("slug"),
        }
        assert subjects[id_], one.name
        assert subjects[id_] in near | {"github"}, one.name
