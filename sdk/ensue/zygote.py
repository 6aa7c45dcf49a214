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

`--spares` processes are forked ahead, when nothing else is to be done, and wait for a run having
gone through a rehearsal of one; beyond them a run is forked on demand. Where such a process is
killed before it has its run, another gets it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from ensue import child
from ensue.launch_wire import Intake, close_all, send_launch
from ensue.spares import Handed, Spare, await_run

_PR_SET_PDEATHSIG = 1
_QUIET = 0.02
"""Seconds without a launch after which a spare process is forked: never while runs start."""
_QUIET_AMID_RUNS = 0.25
"""The same while runs are under way: one that ends often sets off another, which comes first."""
_REST = 60.0
"""Seconds without a run after which one spare process is enough: each holds 14 MB."""
_LIBC = ctypes.CDLL(None)


class Zygote:
    """Serves one worker until the socket closes."""

    def __init__(self, connection: socket.socket, patience: float | None, spares: int) -> None:
        self._connection = connection
        self._patience = patience
        self._most_spares = spares
        self._spares: list[Spare] = []
        self._handed: dict[int, Handed] = {}
        self._launched = 0.0
        self._busy_until = 0.0
        self._renewed = time.monotonic()
        self._intake = Intake()
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
        self._launched = time.monotonic()
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
        for handed in self._handed.values():
            poll.register(handed.line, select.POLLIN)
        happened = poll.poll(self._wait())
        for fd, events in happened:
            if fd == self._woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            elif fd == self._connection.fileno() and not self._talk(events):
                return False
        self._hear_of_begun()
        self._reap()
        self._check_patience()
        if not happened:
            self._fork_spare()
            self._retire_spare()
        return True

    def _wait(self) -> float | None:
        """Milliseconds until something is to be done of itself."""
        now, until = time.monotonic(), []
        wanted = self._spares_wanted()
        if len(self._spares) < wanted:
            until.append(self._launched + self._quiet() - now)
        elif wanted > 1:
            until.append(self._busy_until - now)
        if self._patience is not None and self._runs:
            until.append(self._renewed + self._patience - now)
        return max(min(until), 0) * 1_000 + 1 if until else None

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
                    self._begun(pid)  # what is signalled now is not for another process
                    _signal_group(pid, request["signal"])
            case "renew":
                self._renewed = time.monotonic()

    def _launch(self, request: dict[str, Any], fds: list[int]) -> None:
        if not self._runs:
            self._renewed = time.monotonic()
        try:
            self._start(request, fds)
        except OSError as error:
            self._say(op="refused", id=request["id"], message=f"no process for it: {error}")

    def _start(self, request: dict[str, Any], fds: list[int]) -> None:
        """Find a process for the run. The descriptors are closed when it has them, or there is none."""
        try:
            pid = self._hand_over(request, fds)
            if pid is None:
                pid = self._fork_for(request, fds)
                close_all(fds)
        except OSError:
            close_all(fds)
            raise
        self._launched = time.monotonic()
        self._busy_until = self._launched + _REST
        self._runs[pid] = request["id"]
        self._pids[request["id"]] = pid
        self._say(op="launched", id=request["id"], pid=pid)

    def _hand_over(self, request: dict[str, Any], fds: list[int]) -> int | None:
        """Give the run to a process that waits; None if there is none."""
        self._reap()
        while self._spares:
            spare = self._spares.pop()
            try:
                send_launch(spare.line, request, fds)
            except OSError:
                spare.line.close()
                continue
            self._handed[spare.pid] = Handed(request, fds, spare.line)
            return spare.pid
        return None

    def _hear_of_begun(self) -> None:
        for pid, handed in list(self._handed.items()):
            if handed.begun():
                self._begun(pid)

    def _begun(self, pid: int) -> None:
        if handed := self._handed.pop(pid, None):
            handed.close()

    def _fork_for(self, request: dict[str, Any], fds: list[int]) -> int:
        pid = os.fork()
        if pid == 0:
            self._become_child(lambda: (request["environment"], fds))
        return pid

    def _spares_wanted(self) -> int:
        """All of them while runs come, so that one can set off the next; at rest just one."""
        return (
            self._most_spares if time.monotonic() < self._busy_until else min(1, self._most_spares)
        )

    def _quiet(self) -> float:
        return _QUIET_AMID_RUNS if self._runs else _QUIET

    def _retire_spare(self) -> None:
        if len(self._spares) > self._spares_wanted():
            self._spares.pop().line.close()  # it sees the end of its line, and leaves

    def _fork_spare(self) -> None:
        if len(self._spares) >= self._spares_wanted():
            return
        if time.monotonic() - self._launched < self._quiet():
            return
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            self._launched = time.monotonic() + 1  # the machine is full: no more of it for a while
        else:
            if pid == 0:
                ours.close()
                self._become_child(lambda: await_run(theirs))
            self._spares.append(Spare(pid, ours))
        finally:
            theirs.close()

    def _become_child(self, orders: Callable[[], tuple[dict[str, str], list[int]]]) -> NoReturn:
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
            for spare in self._spares:
                spare.line.close()
            for handed in self._handed.values():
                handed.close()
            os.close(self._woken)
            os.close(self._waker)
            environment, (channel, stdout, stderr) = orders()
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.close(stdout)
            os.close(stderr)
            code = child.main(socket.socket(fileno=channel), environment)
        except BaseException:  # noqa: BLE001 - the last frame of the process: it goes to its stderr
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(BaseException):
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        while self._runs or self._spares:
            # WNOWAIT keeps the zombie, and with it the number of its group, until the group is dead.
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            pid = ended.si_pid
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._forget_spare(pid)
            run = self._runs.pop(pid, None)
            if run and not self._taken_over(pid):
                self._pids.pop(run, None)
                code = ended.si_status
                exited = ended.si_code == os.CLD_EXITED
                self._say(
                    op="ended",
                    id=run,
                    exit=code if exited else None,
                    signal=None if exited else code,
                )

    def _taken_over(self, pid: int) -> bool:
        """Whether another process took the run of one that died before it had it."""
        handed = self._handed.pop(pid, None)
        if handed is None:
            return False
        if handed.begun():
            handed.close()
            return False
        handed.line.close()
        try:
            self._start(handed.request, handed.fds)
        except OSError:
            return False
        return True

    def _forget_spare(self, pid: int) -> None:
        for spare in self._spares:
            if spare.pid == pid:
                spare.line.close()
                self._spares.remove(spare)
                self._launched = time.monotonic() + 1  # it died of something: not at once again
                return

    def _check_patience(self) -> None:
        if self._patience is None or not self._runs:
            return
        if time.monotonic() - self._renewed >= self._patience:
            self._kill_all()

    def _kill_all(self) -> None:
        for pid in (*self._runs, *(spare.pid for spare in self._spares)):
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
    parser.add_argument("--spares", type=int, default=2)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child.preload()
    if threading.active_count() != 1:
        sys.exit("the fork server has threads: something that was preloaded started them")
    connection = socket.socket(fileno=options.fd)
    connection.set_inheritable(False)
    gc.collect()
    gc.freeze()
    Zygote(connection, options.patience, options.spares).serve()


if __name__ == "__main__":
    main()
