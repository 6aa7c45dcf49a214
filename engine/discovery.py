"""Finds the flows of a project in a process of their own interpreter; user code stays out of ours."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from base.errors import EnsueError
from base.time import SECOND
from engine.flow import Flow, Signature, flow_name
from engine.launcher import environment

LIMIT: Final = 60.0
"""Seconds the import of all flow files may take."""


class DiscoveryError(EnsueError):
    """The flows could not be looked for; what was found before stays."""

    default_code = "discovery_failed"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a flow file. `line` is 0 where it is not known."""

    file: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a project has, as one import of its files showed."""

    flows: Mapping[str, Flow]
    problems: Sequence[Problem]


async def discover(directory: Path, python: str) -> Discovery:
    """Import the flow files of the project in a child process. Raises DiscoveryError."""
    if not (directory / "flows").is_dir():
        return Discovery({}, ())
    said = await _describe(directory, python)
    try:
        document = orjson.loads(said)
        flows = [_flow(entry, directory) for entry in document["flows"]]
        problems = [
            Problem(entry["file"], entry["line"] or 0, entry["message"])
            for entry in document["errors"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DiscoveryError(f"what {python} said of the flows cannot be read: {error!r}") from None
    return Discovery({flow.name: flow for flow in flows}, problems)


async def _describe(directory: Path, python: str) -> bytes:
    command = [python, "-P", "-m", "ensue.describe", str(directory)]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        raise DiscoveryError(f"{python} cannot be started: {error.strerror}") from None
    try:
        async with asyncio.timeout(LIMIT):
            said, complaint = await process.communicate()
    except TimeoutError:
        raise DiscoveryError(f"importing the flow files took more than {LIMIT:g} s") from None
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        lines = complaint.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise DiscoveryError(f"{python} could not look for flows: {lines[-1]}")
    return said


def _flow(entry: Mapping[str, Any], directory: Path) -> Flow:
    timeout = entry["timeout_seconds"]
    return Flow(
        name=flow_name(entry["name"]),
        file=entry["file"],
        function=entry["function"],
        content_hash=_hash(directory / entry["file"]),
        signature=Signature(entry["parameters"]),
        description=entry["description"],
        tags=tuple(entry["tags"]),
        retries=entry["retries"],
        retry_delays=tuple(round(seconds * SECOND) for seconds in entry["retry_delay_seconds"]),
        timeout=round(timeout * SECOND) if timeout is not None else None,
    )


def _hash(file: Path) -> str:
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
