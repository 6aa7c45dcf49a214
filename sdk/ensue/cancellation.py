"""Interrupting a flow that is to stop: by SIGTERM, or by the worker's `cancel`.

Python runs signal handlers in the main thread, between two of its instructions. A signal
that comes when Python has just looked for signals for the last time before a system call
does not interrupt the call, and the handler waits until `time.sleep(3600)` has returned.
So a thread is told of each SIGTERM at once, by the pipe that the C half of the handler
writes to, and knocks again until the main thread has noticed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, Self

from ensue.channel import Channel
from ensue.errors import Cancelled
from ensue.forks import undone_in_forks
from ensue.helper_thread import HelperThread
from ensue.logs import amid_a_line
from ensue.timeouts import in_main_thread

_KNOCK_SECONDS = 0.02
_STOP = b"\0"  # the number of no signal


class Cancellation:
    """Asked for once or more, it interrupts once, and only where that is `allowed`.

    Plain code is interrupted by `Cancelled` wherever it is, an async flow by the
    cancellation of its task at the next `await`. What was asked for before the flow's code
    began is made up for when it begins; what comes after it has ended is without effect.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._requested = self._noticed = self._allowed = self._interrupted = False
        self._task: asyncio.Task[Any] | None = None
        self._forks = ExitStack()
        self._knocker = _Knocker(self) if in_main_thread() else None

    def __enter__(self) -> Self:
        if self._knocker is not None:
            self._previous = signal.signal(signal.SIGTERM, self._on_signal)
            self._knocker.start()
        self._forks.enter_context(undone_in_forks(self._forget))
        self._channel.on_cancel(self._request)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._noticed = True
        self._forks.close()
        if self._knocker is not None:
            self._knocker.stop()  # first: its next signal would end the process
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)

    def _forget(self) -> None:
        self._noticed = True
        if self._knocker is not None:
            self._knocker.forget()
            self._knocker = None
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)

    @property
    def noticed(self) -> bool:
        """The main thread knows; no signal is needed any more."""
        return self._noticed

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Code that may be interrupted."""
        self._allowed = True
        try:
            self._interrupt()
            yield
        finally:
            self._allowed = False

    async def of_task(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Awaits the work in such a way that cancelling reaches it."""
        self._task = asyncio.current_task()
        try:
            return await work
        except asyncio.CancelledError:
            if self._interrupted:
                raise Cancelled("The run was cancelled.") from None
            raise
        finally:
            self._task = None

    def _request(self) -> None:
        self._requested = True
        if self._knocker is not None:
            self._knocker.wake()

    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        if amid_a_line(frame):
            return  # it comes again
        self._requested = self._noticed = True
        if self._allowed:
            self._interrupt()

    def _interrupt(self) -> None:
        if not self._requested or self._interrupted:
            return
        self._interrupted = True
        if self._task is None:
            raise Cancelled("The run was cancelled.")
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)


class _Knocker:
    """The thread that signals the main thread until it has noticed."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._thread = HelperThread(self._watch)

    def start(self) -> None:
        self._told, self._teller = os.pipe()
        os.set_blocking(self._teller, False)
        self._previous = signal.set_wakeup_fd(self._teller, warn_on_full_buffer=False)
        self._thread.start()

    def wake(self) -> None:
        """As if a SIGTERM had come. Any thread may call it, also after `stop`."""
        with self._lock:
            if not self._cancellation.noticed:
                os.write(self._teller, bytes([signal.SIGTERM]))

    def stop(self) -> None:
        signal.set_wakeup_fd(self._previous)
        os.write(self._teller, _STOP)
        self._thread.join()
        self._close()

    def forget(self) -> None:
        """In a forked process, which shares the pipe and does not have the thread."""
        signal.set_wakeup_fd(-1)
        self._close()

    def _close(self) -> None:
        with self._lock:
            os.close(self._teller)
            os.close(self._told)

    def _watch(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGALRM})
        numbers = b""
        while _STOP not in numbers:
            numbers = os.read(self._told, 4096)
            if signal.SIGTERM in numbers:
                self._knock()

    def _knock(self) -> None:
        main = threading.main_thread().ident
        assert main is not None
        time.sleep(_KNOCK_SECONDS / 20)  # a signal that was heard needs no second one
        while not self._cancellation.noticed:
            signal.pthread_kill(main, signal.SIGTERM)
            time.sleep(_KNOCK_SECONDS)
