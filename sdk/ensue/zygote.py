"""The fork server: a warm process that is copied for each run.

Importing Python, pydantic and this package takes a third of a second; a fork of a process that
has them takes a few milliseconds. The worker starts one of these for each interpreter and
speaks to it over a socket inherited as `--fd`:

    worker → zygote   a 4-byte length and JSON
      {"op": "launch", "id", "environment"}          with three file descriptors:
                                                     the run's channel, its stdout, its stderr
      {"op": "signal", "id", "signal"}               to the run's whole process group
      {"op": "renew"}                                the worker's leases hold
    zygote → worker   one JSON object per line
      {"op": "ready", "pid", "python"}
      {"op": "launched", "id", "pid"}  or  {"op": "refused", "id", "message"}
      {"op": "ended", "id", "exit": code or null, "signal": number or null}

Guarantees. A run is a process group of its own; what is left of the group when its first
process ends is killed with it. A run never outlives its worker: when the socket closes, or when
no `renew` came for `--patience` seconds, all groups are killed; when this process itself is
killed, the kernel kills the runs (PR_SET_PDEATHSIG). One thread, so that a fork copies all of it.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ensue import child

_LENGTH = struct.Struct("!I")
_FDS_PER_LAUNCH = 3
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass
class _Intake:
    """Bytes and file descriptors from the worker, cut into requests."""

    data: bytearray = field(default_factory=bytearray)
    fds: list[int] = field(default_factory=list)

    def receive(self, connection: socket.socket) -> bool:
        """Take what is there; False once the worker has closed."""
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
        found = []
        while len(self.data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self.data)
            end = _LENGTH.size + length
            if len(self.data) < end:
                break
            request = json.loads(self.data[_LENGTH.size : end])
            del self.data[:end]
            count = _FDS_PER_LAUNCH if request["op"] == "launch" else 0
            found.append((request, self.fds[:count]))
            del self.fds[:count]
        return found


class Zygote:
    """Serves one worker until the socket closes."""

    def __init__(self, connection: socket.socket, patience: float | None) -> None:
        self._connection = connection
        self._patience = patience
        self._renewed = time.monotonic()
        self._intake = _Intake()
        self._unsent = bytearray()
        self._pid = os.getpid()
        self._runs: dict[int, str] = {}
        self._pids: dict[str, int] = {}
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        self._connection.setblocking(False)
        self._say(op="ready", pid=self._pid, python=sys.version.split()[0])
        try:
            while self._turn():
                pass
        finally:
            self._kill_all()

    def _turn(self) -> bool:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        wanted = select.POLLIN | (select.POLLOUT if self._unsent else 0)
        poll.register(self._connection, wanted)
        for fd, events in poll.poll(self._wait()):
            if fd == self._woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            elif not self._talk(events):
                return False
        self._reap()
        self._check_patience()
        return True

    def _wait(self) -> float | None:
        if self._patience is None or not self._runs:
            return None
        return max(self._renewed + self._patience - time.monotonic(), 0.01) * 1_000

    def _talk(self, events: int) -> bool:
        if events & select.POLLOUT:
            self._flush()
        if not events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return True
        try:
            if not self._intake.receive(self._connection):
                return False
        except BlockingIOError:
            return True
        except OSError:
            return False
        for request, fds in self._intake.requests():
            self._answer(request, fds)
        return True

    def _answer(self, request: dict[str, Any], fds: list[int]) -> None:
        match request["op"]:
            case "launch":
                self._launch(request, fds)
            case "signal":
                if pid := self._pids.get(request["id"]):
                    _signal_group(pid, request["signal"])
            case "renew":
                self._renewed = time.monotonic()

    def _launch(self, request: dict[str, Any], fds: list[int]) -> None:
        if not self._runs:
            self._renewed = time.monotonic()
        try:
            pid = os.fork()
        except OSError as error:
            self._say(op="refused", id=request["id"], message=f"no process for it: {error}")
        else:
            if pid == 0:
                self._become_child(request, fds)
            self._runs[pid] = request["id"]
            self._pids[request["id"]] = pid
            self._say(op="launched", id=request["id"], pid=pid)
        finally:
            for fd in fds:
                os.close(fd)

    def _become_child(self, request: dict[str, Any], fds: list[int]) -> NoReturn:
        """Everything of the fork server is given up; only the run is left."""
        code = 1
        try:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self._pid:
                os._exit(1)
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._connection.close()
            os.close(self._woken)
            os.close(self._waker)
            channel, stdout, stderr = fds
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.close(stdout)
            os.close(stderr)
            code = child.main(socket.socket(fileno=channel), request["environment"])
        except BaseException:  # noqa: BLE001 - the last frame of the process: it goes to its stderr
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(BaseException):
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        while self._runs:
            # WNOWAIT keeps the zombie, and with it the number of its group, until the group is dead.
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            pid = ended.si_pid
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if run := self._runs.pop(pid, None):
                self._pids.pop(run, None)
                code = ended.si_status
                exited = ended.si_code == os.CLD_EXITED
                self._say(
                    op="ended",
                    id=run,
                    exit=code if exited else None,
                    signal=None if exited else code,
                )

    def _check_patience(self) -> None:
        if self._patience is None or not self._runs:
            return
        if time.monotonic() - self._renewed >= self._patience:
            self._kill_all()

    def _kill_all(self) -> None:
        for pid in self._runs:
            _signal_group(pid, signal.SIGKILL)

    def _say(self, **message: Any) -> None:
        self._unsent += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()  # the worker is gone: the next turn sees it


def _signal_group(pid: int, number: int) -> None:
    """To the group, or to the process where it has not made its group yet."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    except PermissionError:
        with contextlib.suppress(PermissionError):
            os.kill(pid, number)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ensue.zygote")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--patience", type=float, default=None)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child.preload()
    if threading.active_count() != 1:
        sys.exit("the fork server has threads: something that was preloaded started them")
    connection = socket.socket(fileno=options.fd)
    connection.set_inheritable(False)
    gc.collect()
    gc.freeze()
    Zygote(connection, options.patience).serve()


if __name__ == "__main__":
    main()
