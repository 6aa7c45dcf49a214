"""The examples work: each is linted and tested by the real commands, and the shop is served."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ALL = sorted(folder.parent for folder in EXAMPLES.glob("*/automations"))
SECRETS = {"GITHUB_WEBHOOK_SECRET": "one", "SHOP_WEBHOOK_SECRET": "another"}
ENSUE = Path(sys.executable).with_name("ensue")


def ensue(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ENSUE), *args], env=SECRETS, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("example", ALL, ids=lambda folder: folder.name)
def test_nothing_is_wrong_with_an_example(example: Path) -> None:
    made = ensue("lint", str(example), "--strict", "--json")
    told = json.loads(made.stdout)
    assert (made.returncode, told["findings"]) == (0, [])
    assert told["rules"] >= 2


@pytest.mark.parametrize("example", ALL, ids=lambda folder: folder.name)
def test_every_rule_of_an_example_has_tests_and_they_pass(example: Path) -> None:
    made = ensue("test", str(example), "--json")
    told = json.loads(made.stdout)
    assert (made.returncode, told["problems"]) == (0, [])
    assert all(test["passed"] for test in told["tests"])
    tested = {test["automation"] for test in told["tests"]}
    assert len(tested) == json.loads(ensue("lint", str(example), "--json").stdout)["rules"]


@dataclass(frozen=True)
class Receiver:
    """`receive.py` of the shop at work."""

    url: str
    process: subprocess.Popen[str]

    def next(self) -> tuple[str, dict[str, Any]]:
        """The idempotency key and the body of the next alert; waits for it."""
        assert self.process.stdout
        key, _, body = self.process.stdout.readline().partition(" ")
        return key, json.loads(body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    command = [sys.executable, str(EXAMPLES / "shop" / "receive.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Receiver(process.stdout.readline().split()[-1], process)
        finally:
            process.kill()


@pytest.fixture
def shop(tmp_path: Path, receiver: Receiver) -> Path:
    """The shop, its alerts going to the receiver of this test."""
    place = tmp_path / "shop"
    shutil.copytree(EXAMPLES / "shop", place, ignore=shutil.ignore_patterns(".ensue"))
    settings = (place / "ensue.toml").read_text()
    assert "http://127.0.0.1:9009/alerts" in settings
    settings = settings.replace("http://127.0.0.1:9009/alerts", receiver.url)
    (place / "ensue.toml").write_text(settings)
    return place


def send(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "shop" / "send.py"), "--url", f"{url}/hooks/shop"]
    return subprocess.run(command, env=SECRETS, capture_output=True, text=True, check=False)


def once_all_were_seen(*wanted: tuple[str, str]) -> Callable[[dict[str, Any]], bool]:
    """True from the event on by which every type, for what it is about, has been seen."""
    missing = set(wanted)

    def last(event: dict[str, Any]) -> bool:
        about = (event.get("data") or {}).get("flow") or event.get("subject", "")
        missing.discard((event["type"], about))
        missing.discard((event["type"], "*"))
        return not missing

    return last


def test_the_shop_reviews_ships_packs_and_reports(
    shop: Path, receiver: Receiver, serving: Callable[..., AbstractContextManager[Any]]
) -> None:
    with serving(shop, "--log-level", "warning", **SECRETS) as served:
        sent = send(served.url)
        assert (sent.returncode, sent.stdout.count("→ 202")) == (0, 4), sent.stdout + sent.stderr
        served.events_until(
            once_all_were_seen(
                ("shop.order.approved", "a1"),
                ("ensue.run.completed", "pack-order"),
                ("ensue.action.succeeded", "*"),
            )
        )
        assert chain(served, "a1") == [
            "shop.order.created",
            "ensue.automation.fired review-large-orders",
            "ensue.run.scheduled review-order",
            "ensue.run.pending review-order",
            "ensue.run.running review-order",
            "ensue.run.completed review-order",
            "ensue.automation.fired tell-the-outcome-of-reviews",
            "shop.order.approved",
        ]
        assert chain(served, "a2", "shop.order.created") == ["shop.order.created"]
        assert chain(served, "a2", "shop.order.paid") == PACKED
        assert chain(served, "a3") == [
            *PACKED[:-1],
            "ensue.run.failed pack-order",
            "ensue.automation.fired report-failed-runs",
            "ensue.action.succeeded report-failed-runs",
        ]
        retried = served.events(type="ensue.task.retrying")
        assert {event["data"]["name"] for event in retried} == {"fetch-A-2", "fetch-Z-9"}
        [failed] = served.events(type="ensue.run.failed")
        [called] = served.events(type="ensue.action.succeeded")
        key, alert = receiver.next()
        assert key == called["subject"]
        assert alert["run"] == failed["subject"]
        assert alert["parameters"]["order"] == "a3"
        assert "1 of Z-9 are not in stock" in alert["text"]


PACKED = [
    "shop.order.paid",
    "ensue.automation.fired ship-paid-orders",
    "shop.shipping.requested",
    "ensue.automation.fired pack-orders",
    "ensue.run.scheduled pack-order",
    "ensue.run.pending pack-order",
    "ensue.run.running pack-order",
    "ensue.run.completed pack-order",
]


def chain(served: Any, order: str, type_: str = "shop.order.*") -> list[str]:
    """All that ensued from what the shop said of an order, in the order of the log; no tasks."""
    first = next(
        event
        for event in served.events(type=type_, source="/shop")
        if event.get("subject") == order
    )
    told = []
    for event in served.events(correlationid=first["id"]):
        if event["type"].startswith("ensue.task."):
            continue
        data = event.get("data") or {}
        who = data.get("flow") or data.get("automation") or ""
        told.append(f"{event['type']} {who if event['type'].startswith('ensue.') else ''}".strip())
    return told


def test_orders_that_are_sent_again_change_nothing(
    shop: Path, serving: Callable[..., AbstractContextManager[Any]]
) -> None:
    """The hook takes the id of a delivery from its body, so the shop may repeat itself."""
    with serving(shop, "--log-level", "warning", **SECRETS) as served:
        send(served.url)
        served.events_until(
            once_all_were_seen(
                ("shop.order.approved", "a1"),
                ("ensue.run.completed", "pack-order"),
                ("ensue.action.succeeded", "*"),
            )
        )
        before = len(served.events())
        again = send(served.url)
        assert (again.returncode, again.stdout.count("→ 200")) == (0, 4)
        assert len(served.events()) == before
