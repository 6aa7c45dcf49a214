"""The worker's end of a fork server: see `sdk/ensue/zygote.py` for what is said.

Requests carry file descriptors, so they go over a plain socket with `sendmsg`; nothing here
waits for the other side on the event loop.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from base.errors import UnavailableError
from base.logs import logger

START_LIMIT: Final = 30.0
"""Seconds a fork server may take to come up."""
LAUNCH_LIMIT: Final = 30.0
"""Seconds until a launch that was not answered is given up; its process ends without its orders."""
_LENGTH: Final = struct.Struct("!I")
_CHUNK: Final = 65_536
_LAST_WORDS: Final = 2_000

log = logger("zygote")


class LaunchError(UnavailableError):
    """No process could be made; no line of user code ran."""

    default_code = "launch_failed"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended. Neither is known where its fork server died with it."""

    code: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        if self.signal is not None:
            try:
                return f"killed by {signal.Signals(self.signal).name}"
            except ValueError:
                return f"killed by signal {self.signal}"
        if self.code is not None:
            return f"exited with code {self.code}"
        return "killed together with its fork server"


@dataclass(eq=False, slots=True)
class Process:
    """A process of a run. `exited` is set once it, and all of its group, is gone."""

    name: str
    launched: asyncio.Future[None]
    exited: asyncio.Future[Exit]
    pid: int = 0


class ZygoteClient:
    """One fork server, from its start to its death."""

    def __init__(self, process: asyncio.subprocess.Process, connection: socket.socket) -> None:
        self._server = process
        self._socket = connection
        self._fd = connection.fileno()
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._unsent: list[tuple[bytes, Sequence[int]]] = []
        self._processes: dict[str, Process] = {}
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.dead: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._fd, self._on_readable)

    @classmethod
    async def start(
        cls,
        python: str,
        environment: Mapping[str, str],
        folder: Path,
        *,
        patience: float | None,
    ) -> ZygoteClient:
        """Returns when it can launch. Raises LaunchError with what it said when it cannot."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            fd = theirs.fileno()
            command = [python, "-P", "-m", "ensue.zygote", "--fd", str(fd)]
            if patience is not None:
                command += ["--patience", str(patience)]
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    pass_fds=(fd,),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env=dict(environment),
                    cwd=folder,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise LaunchError(f"{python} cannot be started: {error.strerror}") from None
        client = cls(process, ours)
        try:
            async with asyncio.timeout(START_LIMIT):
                await asyncio.wait([client.ready, client.dead], return_when="FIRST_COMPLETED")
        except TimeoutError:
            pass
        if not client.ready.done():
            raise LaunchError(f"the fork server of {python} did not start: {await client.stop()}")
        return client

    @property
    def pid(self) -> int:
        return self._server.pid

    async def launch(
        self,
        name: str,
        fds: Sequence[int],
        environment: Mapping[str, str],
    ) -> Process:
        """A process that holds these three descriptors. The caller closes its copies afterwards.

        Raises LaunchError if there is none; then no user code ran.
        """
        if self.dead.done():
            raise LaunchError("the fork server is gone")
        process = Process(name, self._loop.create_future(), self._loop.create_future())
        self._processes[name] = process
        self._send({"op": "launch", "id": name, "environment": dict(environment)}, fds)
        try:
            async with asyncio.timeout(LAUNCH_LIMIT):
                await asyncio.shield(process.launched)
        except TimeoutError:
            self._processes.pop(name, None)
            raise LaunchError(f"the fork server did not answer in {LAUNCH_LIMIT:g} s") from None
        return process

    def signal(self, name: str, number: int) -> None:
        """To all processes of a run; nothing happens if it has ended."""
        if name in self._processes:
            self._send({"op": "signal", "id": name, "signal": int(number)})

    def renew(self) -> None:
        """The leases hold: the processes may go on."""
        self._send({"op": "renew"})

    async def stop(self) -> str:
        """End it and all it launched; returns the last thing it had to say."""
        self._close()
        with contextlib.suppress(ProcessLookupError):
            self._server.kill()
        assert self._server.stderr is not None
        said = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                said = await self._server.stderr.read(_CHUNK)
                await self._server.wait()
        lines = said.decode(errors="replace")[-_LAST_WORDS:].strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _send(self, request: dict[str, Any], fds: Sequence[int] = ()) -> None:
        if self.dead.done():
            return
        body = orjson.dumps(request)
        # Ours may be closed before the message is on its way.
        held = [os.dup(fd) for fd in fds] if self._unsent else list(fds)
        self._unsent.append((_LENGTH.pack(len(body)) + body, held))
        if len(self._unsent) == 1:
            self._flush(borrowed=True)

    def _flush(self, *, borrowed: bool = False) -> None:
        """Send what is waiting. `borrowed`: the descriptors of the first belong to the caller."""
        while self._unsent:
            data, fds = self._unsent[0]
            try:
                sent = self._sendmsg(data, fds)
            except BlockingIOError:
                if borrowed:
                    self._unsent[0] = (data, [os.dup(fd) for fd in fds])
                self._loop.add_writer(self._fd, self._flush)
                return
            except OSError:
                self._close()
                return
            if not borrowed:
                _close_all(fds)
            if sent < len(data):
                self._unsent[0] = (data[sent:], ())
            else:
                self._unsent.pop(0)
            borrowed = False
        self._loop.remove_writer(self._fd)

    def _sendmsg(self, data: bytes, fds: Sequence[int]) -> int:
        if not fds:
            return self._socket.send(data)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        return self._socket.sendmsg([data], [rights])

    def _on_readable(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close()
            return
        self._received += data
        *lines, self._received[:] = self._received.split(b"\n")
        for line in lines:
            self._hear(orjson.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["op"] == "ready":
            if not self.ready.done():
                self.ready.set_result(None)
            return
        process = self._processes.get(message["id"])
        if process is None:
            return
        match message["op"]:
            case "launched":
                process.pid = message["pid"]
                if not process.launched.done():
                    process.launched.set_result(None)
            case "refused":
                del self._processes[process.name]
                if not process.launched.done():
                    process.launched.set_exception(LaunchError(message["message"]))
            case "ended":
                del self._processes[process.name]
                if not process.exited.done():
                    process.exited.set_result(Exit(message["exit"], message["signal"]))

    def _close(self) -> None:
        """The fork server is gone, and with it, by the kernel, all first processes of its runs."""
        if self.dead.done():
            return
        self.dead.set_result(None)
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._socket.close()
        for _, fds in self._unsent:
            _close_all(fds)
        self._unsent.clear()
        processes, self._processes = self._processes, {}
        for process in processes.values():
            if not process.launched.done():
                process.launched.set_exception(LaunchError("the fork server died"))
            _kill_group(process.pid)
            if not process.exited.done():
                process.exited.set_result(Exit())


def _kill_group(pid: int) -> None:
    """What the run had started itself; its first process the kernel has killed."""
    if pid:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
