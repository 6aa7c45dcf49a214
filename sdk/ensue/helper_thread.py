"""Threads that serve a run without holding it up."""

from __future__ import annotations

import _thread
from collections.abc import Callable


class HelperThread:
    """A thread that nobody waits for until its end.

    `threading.Thread.start()` returns once the new thread has run. On a busy machine that is
    some milliseconds each time, and the user's first line would wait for all of them. The
    process may end while it runs, and `threading` does not list it among the user's.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._alive = _thread.allocate_lock()

    def start(self) -> None:
        self._alive.acquire()
        _thread.start_new_thread(self._run, ())

    def join(self, timeout: float = -1) -> None:
        """Until it has ended, or for so many seconds; at once if it was never started."""
        if self._alive.acquire(timeout=timeout):
            self._alive.release()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._alive.release()
