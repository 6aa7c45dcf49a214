"""The very first start of a project: nothing that comes in is too early."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
EVENT = b'{"type": "shop.shipping.requested", "data": {"order": "a1", "items": []}}'


def test_an_event_in_the_first_moment_finds_the_flow_that_its_rule_runs(
    tmp_path: Path, serving: Callable[..., AbstractContextManager[Any]]
) -> None:
    shutil.copytree(EXAMPLES / "shop", tmp_path / "shop", ignore=shutil.ignore_patterns(".ensue"))
    with serving(tmp_path / "shop", ready=False, SHOP_WEBHOOK_SECRET="x") as served:
        assert served.post("/api/events", EVENT)[0] == 202
        seen = served.events_until(
            lambda event: event["type"] in {"ensue.run.completed", "ensue.action.failed"}
        )
    assert seen[-1]["type"] == "ensue.run.completed"


FLOW = """
from ensue import flow

@flow
def newcomer():
    pass
"""
RULE = "name: newcomer\ntrigger: {event: shop.opened}\nactions: [{run: newcomer}]\n"


def test_an_event_in_the_first_moment_of_a_restart_finds_a_flow_that_came_meanwhile(
    tmp_path: Path, serving: Callable[..., AbstractContextManager[Any]]
) -> None:
    shop = tmp_path / "shop"
    shutil.copytree(EXAMPLES / "shop", shop, ignore=shutil.ignore_patterns(".ensue"))
    with serving(shop, SHOP_WEBHOOK_SECRET="x"):
        pass
    (shop / "flows" / "newcomer.py").write_text(FLOW)
    (shop / "automations" / "newcomer.yaml").write_text(RULE)
    with serving(shop, ready=False, SHOP_WEBHOOK_SECRET="x") as served:
        assert served.post("/api/events", b'{"type": "shop.opened"}')[0] == 202
        seen = served.events_until(
            lambda event: event["type"] in {"ensue.run.completed", "ensue.action.failed"}
        )
    assert seen[-1]["type"] == "ensue.run.completed"
