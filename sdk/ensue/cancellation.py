"""Interrupting a flow that is to stop: by SIGTERM, or by the worker's `cancel`."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from ensue.channel import Channel
from ensue.errors import Cancelled
from ensue.timeouts import in_main_thread

_KNOCK_SECONDS = 0.02


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
        self._knocker: threading.Thread | None = None
        self._in_main_thread = in_main_thread()

    def __enter__(self) -> Self:
        if self._in_main_thread:
            self._previous = signal.signal(signal.SIGTERM, self._on_signal)
        self._channel.on_cancel(self._from_another_thread)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._noticed = True
        if self._knocker is not None:
            self._knocker.join()  # its next signal would end the process
        if self._in_main_thread:
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)

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

    def _from_another_thread(self) -> None:
        self._requested = True
        if self._in_main_thread and not self._noticed:
            self._knocker = threading.Thread(target=self._knock, name="ensue-cancel", daemon=True)
            self._knocker.start()

    def _knock(self) -> None:
        """Signals the main thread, as nothing else reaches one that waits or computes.

        Until it has noticed: a signal that comes just before a system call, when Python
        has looked for signals for the last time, does not interrupt the call.
        """
        main = threading.main_thread().ident
        assert main is not None
        while not self._noticed:
            signal.pthread_kill(main, signal.SIGTERM)
            time.sleep(_KNOCK_SECONDS)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
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
