"""Processes that wait for a run, and the way a run takes to one of them.

fork server ── the launch ──▶ spare         the run is `Handed`: any other could have it
fork server ◀──── begun ───── spare         from here on it is this one's, whatever happens
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

from ensue.launch_wire import Intake, close_all
from ensue.rehearsal import rehearse

_BEGUN = b"!"


@dataclass(frozen=True)
class Spare:
    """A process that waits for its run at the other end of `line`."""

    pid: int
    line: socket.socket


@dataclass(frozen=True)
class Handed:
    """A run on its way to a process that waited, and all it takes to give it to another."""

    request: dict[str, Any]
    fds: list[int]
    line: socket.socket

    def begun(self) -> bool:
        """Whether the process has said so, also if it has died since."""
        try:
            return self.line.recv(1, socket.MSG_DONTWAIT) == _BEGUN
        except OSError:
            return False

    def close(self) -> None:
        self.line.close()
        close_all(self.fds)


def await_run(line: socket.socket) -> tuple[dict[str, str], list[int]]:
    """Rehearse, then wait for a run; the process ends where the fork server does."""
    rehearse()
    intake = Intake()
    while intake.receive(line):
        for request, fds in intake.requests():
            line.send(_BEGUN)
            line.close()
            return request["environment"], fds
    os._exit(0)
