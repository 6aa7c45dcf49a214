"""The worker's end of a run's process: a socket for messages, a pipe each for stdout and stderr.

Both sides speak one JSON object per line; `sdk/ensue/channel.py` has the protocol. Before it
begins, the worker says `run` (what to do, with which parameters) and then `go` (the start is on
disk: user code may run).

What a process wrote before it ended is never lost: the pipes and the socket hold it for us. What
it printed before a message is read before that message.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any, Protocol

import orjson

from engine.zygote_client import LaunchError

MAX_MESSAGE = 16 << 20
"""Bytes of one message; a child that sends more is broken and is ended."""
_CHUNK = 65_536
_BUDGET = 8
"""How many chunks one turn of the loop reads from a run, so that a chatty one cannot hold it."""


class ChannelReader(Protocol):
    """Who listens to a run's process: the execution, and in tests a recorder of calls."""

    def received(self, message: dict[str, Any]) -> None: ...

    def printed(self, stream: str, data: bytes) -> None: ...

    def broken(self, reason: str) -> None: ...


class RunChannel:
    """Three descriptors on either side. `child_ends` are handed to the process and then released.

    Raises LaunchError where this process has no descriptors left.
    """

    def __init__(self, reader: ChannelReader) -> None:
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._socket, child, pipes = _descriptors()
        self.child_ends = [child.detach(), pipes[1], pipes[3]]
        self._pipes = {"stdout": pipes[0], "stderr": pipes[2]}
        self._fd = self._socket.fileno()
        self._socket.setblocking(False)
        for fd in self._pipes.values():
            os.set_blocking(fd, False)
        self._received = bytearray()
        self._unsent = bytearray()
        self._writing = False
        self._reading = False
        self._closed = False

    def open(self) -> None:
        """Start to listen."""
        self.release_child_ends()
        self.resume()

    def release_child_ends(self) -> None:
        """Our copies; the process has its own, and only its own may keep the pipes open."""
        for fd in self.child_ends:
            os.close(fd)
        self.child_ends = []

    def pause(self) -> bool:
        """Stop reading: the process will wait once its pipes are full. False if it has already."""
        if not self._reading:
            return False
        self._reading = False
        self._loop.remove_reader(self._fd)
        for fd in self._pipes.values():
            self._loop.remove_reader(fd)
        return True

    def resume(self) -> None:
        if self._reading or self._closed:
            return
        self._reading = True
        self._loop.add_reader(self._fd, self._on_socket)
        for name, fd in self._pipes.items():
            self._loop.add_reader(fd, self._on_pipe, name)

    def send(self, message: dict[str, Any]) -> None:
        """Never waits; to a process that has ended it goes nowhere."""
        if self._closed:
            return
        self._unsent += orjson.dumps(message) + b"\n"
        if not self._writing:
            self._flush()

    def drain(self) -> None:
        """Read all that is there, whatever it takes: the process has ended."""
        while self._read_pipes() | self._read_socket():
            pass

    def close(self) -> None:
        if self._closed:
            return
        self.pause()
        self._closed = True
        if self._writing:
            self._loop.remove_writer(self._fd)
        self._socket.close()
        for fd in self._pipes.values():
            os.close(fd)
        self._pipes.clear()
        self.release_child_ends()

    def _on_pipe(self, name: str) -> None:
        for _ in range(_BUDGET):
            if name not in self._pipes or not self._read_pipe(name):
                return

    def _on_socket(self) -> None:
        for _ in range(_BUDGET):
            if self._closed or not self._read_socket():
                return

    def _read_pipes(self) -> bool:
        return True in [self._read_pipe(name) for name in tuple(self._pipes)]

    def _read_pipe(self, name: str) -> bool:
        fd = self._pipes[name]
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._reader.printed(name, data)
            return True
        if self._reading:
            self._loop.remove_reader(fd)
        os.close(self._pipes.pop(name))
        return False

    def _read_socket(self) -> bool:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            if self._reading:
                self._loop.remove_reader(self._fd)
            return False
        # What was printed before this message is in the pipes already.
        self._read_pipes()
        self._received += data
        if b"\n" in data:
            *lines, self._received[:] = self._received.split(b"\n")
            for line in lines:
                self._deliver(line)
        if len(self._received) > MAX_MESSAGE:
            self._received.clear()
            self._reader.broken(f"it sent a message of more than {MAX_MESSAGE >> 20} MiB")
        return True

    def _deliver(self, line: bytes | bytearray) -> None:
        try:
            message = orjson.loads(line)
        except ValueError:
            self._reader.broken("it sent a message that is not JSON")
            return
        if isinstance(message, dict):
            self._reader.received(message)
        else:
            self._reader.broken("it sent a message that is not an object")

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._fd, self._flush)
            return
        except OSError:
            self._unsent.clear()
        if self._writing:
            self._writing = False
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_writer(self._fd)


def _descriptors() -> tuple[socket.socket, socket.socket, list[int]]:
    """A pair of sockets and two pipes, or none of them."""
    fds: list[int] = []
    try:
        fds += os.pipe()
        fds += os.pipe()
        return (*socket.socketpair(), fds)
    except OSError as error:
        for fd in fds:
            os.close(fd)
        raise LaunchError(f"no way to talk to a process: {error.strerror}") from None
