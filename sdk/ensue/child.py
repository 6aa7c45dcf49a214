"""The process of one run, from the fork to its last words.

    read `run` ─▶ import the user's file ─▶ wait for `go` ─▶ run_flow ─▶ leave

`run` and `go` are lines of the channel's protocol that come before the SDK's own:

    {"type": "run", "directory", "file", "function", "parameters", "run": {…}}
    {"type": "go"}

`go` says that the start of the run is on disk; before it nothing of the flow has run. The
import comes first because it takes the longest, and because discovery imports the file too:
what a file does when it is imported happens more often than its runs.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from socket import socket
from typing import IO, Any, TextIO

from ensue.channel import SocketChannel
from ensue.rehearsal import rehearse

_PRELOADED = (
    "asyncio",
    "concurrent.futures",
    "inspect",
    "logging",
    "pydantic",
    "pydantic.fields",
    "pydantic.types",
    "signal",
    "traceback",
    "ensue.describe",
    "ensue.emission",
    "ensue.execution",
    "ensue.loading",
    "ensue.runtime",
    "ensue.tasks",
)


def preload() -> None:
    """Everything that a run needs and that is the same for all; starts no thread."""
    for name in _PRELOADED:
        importlib.import_module(name)
    rehearse()


def main(connection: socket, environment: Mapping[str, str]) -> int:
    """Run what the worker says on this connection. Returns the code of the process."""
    if environment:
        os.environ.update(environment)
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    vars(sys).update(__stdout__=sys.stdout, __stderr__=sys.stderr)
    lines = connection.makefile("rb")
    order = json.loads(lines.readline() or b"{}")
    if order.get("type") != "run":
        return 1  # the worker is gone before it could say anything
    flow, failure = _imported(order)
    if not _may_go(lines):
        return 1
    channel = SocketChannel(connection, lines=lines)
    channel.start()
    try:
        finished = _report(channel, order, flow, failure)
    finally:
        channel.close()
    _leave(wait=finished.get("state") == "completed")
    return 0


def _may_go(lines: IO[bytes]) -> bool:
    """Wait for the word. False: the worker is gone, and nobody wants this run any more.

    Read here and not by the channel's thread, which is one wait less for a processor.
    """
    with contextlib.suppress(OSError):
        while line := lines.readline():
            if json.loads(line).get("type") == "go":
                return True
    return False


def _stream(fd: int) -> TextIO:
    """Text over a descriptor that was something else when this process was copied."""
    return os.fdopen(fd, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _imported(order: Mapping[str, Any]) -> tuple[Any, dict[str, Any] | None]:
    """The flow, or the message that says why there is none."""
    from ensue.execution import traceback_of
    from ensue.ids import now_micros
    from ensue.loading import load_flow
    from ensue.states import describe_error

    try:
        return load_flow(Path(order["directory"], order["file"]), order["function"]), None
    except BaseException as error:  # noqa: BLE001 - the user's code, whatever it does
        told = f"{order['file']} cannot be imported: {describe_error(error)}"
        report = {
            "type": type(error).__name__,
            "message": told,
            "traceback": traceback_of(error),
            "code": "import_failed",
        }
        return None, {
            "type": "finished",
            "state": "failed",
            "message": told,
            "result": None,
            "error": report,
            "at": now_micros(),
        }


def _report(
    channel: SocketChannel, order: Mapping[str, Any], flow: Any, failure: dict[str, Any] | None
) -> Mapping[str, Any]:
    from ensue.context import RunContext
    from ensue.execution import run_flow

    if failure:
        _say(channel, failure)
        channel.request(failure, timeout=60)
        return failure
    run = order["run"]
    context = RunContext(
        id=run["id"],
        name=f"{run['flow']}-{run['id'][-6:]}",
        flow_name=run["flow"],
        attempt=run["attempt"],
        tags=tuple(run["tags"]),
        automation=run["automation"],
        flow_version=flow.version,
    )
    return run_flow(flow, order["parameters"], context, channel)


def _say(channel: SocketChannel, failure: Mapping[str, Any]) -> None:
    channel.send(
        {
            "type": "log",
            "at": failure["at"],
            "level": "ERROR",
            "logger": "ensue.flow_runs",
            "message": failure["error"]["traceback"],
        }
    )


def _leave(*, wait: bool) -> None:
    """As an interpreter does at its end, without taking everything apart.

    A flow that was stopped may have left threads that never end: they are not waited for.
    """
    if wait:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - what an exit does
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()  # noqa: SLF001 - what an exit does
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
