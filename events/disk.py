"""Waiting for the disk, without the event loop or the interpreter waiting with us.

A thread that has waited for the disk has to wait once more, for the interpreter, which the event
loop does not give up while it has work: under load that takes longer than the disk does. So where
one wait follows another, a process of its own waits, whose answer is one byte on a socket:

    a thread waits ── many in a second ──▶ a process waits ── few for a while ──▶ a thread waits
                                                └── it dies: the thread does it again
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from base.logs import logger
from events.disk_thread import DiskThread

BUSY: Final = 200
"""Waits within `SPAN` seconds from which on a process does it."""
SPAN: Final = 1.0
CALM: Final = 30.0
"""Seconds without that many after which the process ends."""
_PROGRAM: Final = Path(__file__).with_name("disk_waiter.py")
_sync: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)

log = logger("disk")


class DiskLostError(OSError):
    """What was written did not get onto the disk.

    Nobody knows what is on it then, whatever it says afterwards.
    """


class Disk:
    """One open file, and how what was written to it gets onto the disk."""

    def __init__(self, descriptor: int) -> None:
        """The descriptor stays the caller's; it is closed after `close`."""
        self._descriptor = descriptor
        self._thread = DiskThread()
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._since = self._busy = monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._starting = False
        self._closed = False
        self._not_before = 0.0
        self._waiting: asyncio.Future[None] | None = None
        self._calm: asyncio.TimerHandle | None = None

    def sync(self) -> asyncio.Future[None]:
        """Resolved when all that was written before this call is on disk. One at a time.

        Fails with DiskLostError.
        """
        assert self._waiting is None, "one at a time"
        self._waiting = waiting = self._loop.create_future()
        self._note()
        if self._socket is None:
            self._by_thread()
        else:
            try:
                self._socket.send(b"?")
            except OSError:
                self._lose()
        return waiting

    def run(self, work: Callable[[], object]) -> asyncio.Future[None]:
        """Anything else that waits for the disk, in the thread."""
        return self._thread.run(work)

    def close(self) -> None:
        """The process ends, and the thread when it has done what it was given."""
        self._closed = True
        self._end()
        self._thread.stop()

    def _by_thread(self) -> None:
        done = self.run(self._sync)
        done.add_done_callback(lambda done: self._ended(done.exception()))

    def _sync(self) -> None:
        try:
            _sync(self._descriptor)
        except OSError as error:
            raise _lost(error.errno or errno.EIO) from error

    def _ended(self, error: BaseException | None) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)

    def _note(self) -> None:
        self._count += 1
        if self._count < BUSY:
            return
        at = monotonic()
        self._count, since, self._since = 0, self._since, at
        if at - since > SPAN:
            return
        self._busy = at
        if self._socket is None and not self._starting and at > self._not_before:
            self._starting = True
            ours, theirs = socket.socketpair()
            started = self.run(lambda: self._start(theirs))
            started.add_done_callback(lambda done: self._started(done, ours))

    def _start(self, theirs: socket.socket) -> None:
        with theirs:
            fds = theirs.fileno(), self._descriptor
            command = [sys.executable, "-I", "-S", str(_PROGRAM), *map(str, fds)]
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command, pass_fds=fds, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )

    def _started(self, done: asyncio.Future[None], ours: socket.socket) -> None:
        self._starting = False
        error = done.exception()
        if self._closed or error is not None:
            if error is not None:
                log.warning("disk_waiter_not_started", error=str(error))
                self._not_before = monotonic() + CALM
            ours.close()
            self._end()
            return
        ours.setblocking(False)
        self._socket = ours
        self._loop.add_reader(ours.fileno(), self._answered)
        self._calm = self._loop.call_later(CALM, self._look)

    def _answered(self) -> None:
        assert self._socket is not None
        try:
            answer = self._socket.recv(1)
        except BlockingIOError:
            return
        except OSError:
            answer = b""
        if not answer:
            self._lose()
        elif answer[0]:
            self._ended(_lost(answer[0]))
        else:
            self._ended(None)

    def _lose(self) -> None:
        """The process is gone: what it waited for, if anything, the thread waits for again."""
        log.warning("disk_waiter_lost")
        self._not_before = monotonic() + CALM
        self._end()
        if self._waiting is not None:
            self._by_thread()

    def _look(self) -> None:
        """Whether the process is still worth its memory."""
        if monotonic() - self._busy > CALM and self._waiting is None:
            self._end()
        else:
            self._calm = self._loop.call_later(CALM, self._look)

    def _end(self) -> None:
        if self._calm is not None:
            self._calm.cancel()
            self._calm = None
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(RuntimeError):  # nobody waits for it any more
                self.run(process.wait)


def _lost(number: int) -> DiskLostError:
    return DiskLostError(number, os.strerror(number))
