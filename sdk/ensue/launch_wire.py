"""How a launch is told, by the worker to its fork server and by that to a waiting process.

A length in four bytes, then JSON, and with it the descriptors that the run is to have.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

DESCRIPTORS = 3
"""The run's channel, its stdout, its stderr."""
_LENGTH = struct.Struct("!I")


@dataclass
class Intake:
    """Bytes and descriptors as they come, cut into messages."""

    data: bytearray = field(default_factory=bytearray)
    fds: list[int] = field(default_factory=list)

    def receive(self, connection: socket.socket) -> bool:
        """Take what is there; False once the other side has closed."""
        room = socket.CMSG_SPACE(64 * array.array("i").itemsize)
        data, ancillary, _, _ = connection.recvmsg(65_536, room, socket.MSG_CMSG_CLOEXEC)
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
                self.fds.extend(numbers)
        self.data += data
        return bool(data)

    def requests(self) -> list[tuple[dict[str, Any], list[int]]]:
        """Those that are there as a whole, each with its descriptors if it is a launch."""
        found = []
        while len(self.data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self.data)
            end = _LENGTH.size + length
            if len(self.data) < end:
                break
            request = json.loads(self.data[_LENGTH.size : end])
            del self.data[:end]
            count = DESCRIPTORS if request["op"] == "launch" else 0
            found.append((request, self.fds[:count]))
            del self.fds[:count]
        return found


def send_launch(line: socket.socket, request: dict[str, Any], fds: Sequence[int]) -> None:
    """Raises OSError where nobody is at the other end."""
    data = json.dumps(request).encode()
    socket.send_fds(line, [_LENGTH.pack(len(data)) + data], fds)


def close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
