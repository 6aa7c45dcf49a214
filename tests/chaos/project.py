"""The project directory that is served while it is killed: its rules, flows and hook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HOOK = "chaos"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the published example of the scheme
_BREAKER = 1_000_000

_SETTINGS = """\
[calls]
allow_private_targets = ["127.0.0.1"]

[runs]
concurrency = 4
lease = "6s"
heartbeat = "2s"
"""

_FLOWS = '''\
"""Two flows that leave a line behind, so that it can be counted how often they ran."""

import os
import time

from ensue import flow, runtime

LINES = {lines!r}


def _append(event: str) -> None:
    line = f"{{runtime.flow_run.id}} {{runtime.flow_run.attempt}} {{event}}\\n"
    fd = os.open(LINES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


@flow
def append_line(event: str, milliseconds: int) -> None:
    _append(event)
    time.sleep(milliseconds / 1000)


@flow(retries=4, retry_delay_seconds=0.1)
def append_again(event: str, milliseconds: int) -> None:
    _append(event)
    time.sleep(milliseconds / 1000)
'''


def write(directory: Path, *, lines: Path, receiver: str) -> None:
    """Everything under `directory`; flows append to `lines`, calls go to `receiver`."""
    for name in ("automations", "flows", "sources"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "ensue.toml").write_text(_SETTINGS)
    (directory / "flows" / "lines.py").write_text(_FLOWS.format(lines=str(lines)))
    rules = "\n---\n".join(json.dumps(rule) for rule in _rules(receiver))
    (directory / "automations" / "chaos.yaml").write_text(rules)
    (directory / "sources" / "hooks.yaml").write_text(json.dumps(_sources()))


def _rules(receiver: str) -> list[dict[str, Any]]:
    n = "${event.data.n}"
    return [
        _rule("chain", "chaos.chain", _emit("chaos.derived", n=n, of="${event.id}")),
        _rule("second", "chaos.derived", _emit("chaos.second", n=n)),
        _rule(
            "tell",
            "chaos.call",
            {"call": f"{receiver}/told", "body": {"event": "${event.id}", "n": n}},
            _emit("chaos.told", n=n),
        ),
        _launch("append-line", "chaos.run"),
        _launch("append-again", "chaos.rerun"),
        _rule(
            "judge",
            {"event": "chaos.judged", "where": "event.data.total / event.data.parts >= 2"},
            _emit("chaos.weighty", n=n),
        ),
        _rule(
            "pair",
            [_where("chaos.pair", left=True), _where("chaos.pair", right=True)],
            _emit("chaos.paired", n=n, trigger="${firing.trigger}"),
        ),
        _rule(
            "ended",
            {"event": ["ensue.run.completed", "ensue.run.crashed"]},
            _emit("chaos.ended", run="${event.subject}"),
        ),
        _rule("nothing", "chaos.never", _emit("chaos.impossible")),
    ]


def _rule(name: str, trigger: Any, *actions: dict[str, Any]) -> dict[str, Any]:
    if isinstance(trigger, str):
        trigger = {"event": trigger}
    return {"name": name, "breaker": _BREAKER, "trigger": trigger, "actions": list(actions)}


def _launch(flow: str, kind: str) -> dict[str, Any]:
    parameters = {"event": "${event.id}", "milliseconds": "${event.data.milliseconds}"}
    return _rule(f"launch-{flow}", kind, {"run": flow, "with": parameters})


def _emit(kind: str, **data: str) -> dict[str, Any]:
    return {"emit": kind, "data": data}


def _where(kind: str, **data: bool) -> dict[str, Any]:
    return {"event": kind, "match": {"data": {name: [value] for name, value in data.items()}}}


def _sources() -> dict[str, Any]:
    return {
        "webhooks": {
            HOOK: {
                "verify": {"scheme": "standard-webhooks", "secret": {"env": "CHAOS_SECRET"}},
                "event": {"type": "${body.type}", "source": "/chaos", "data": "${body.data}"},
            }
        }
    }
