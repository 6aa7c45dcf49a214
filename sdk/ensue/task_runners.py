"""Where submitted tasks run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ensue.futures import Future, wait

DEFAULT_MAX_WORKERS = 32
_FLOW_ENDED = "its flow ended before it could begin"


class ThreadPoolTaskRunner:
    """Runs a flow's submitted tasks in threads, at most `max_workers` at a time.

        @flow(task_runner=ThreadPoolTaskRunner(max_workers=4))

    A task that waits for others holds no thread until they are over. Tasks submitted by a
    task have threads of their own, `max_workers` for each level of nesting, so that a task
    that waits for those it submitted cannot take the thread they need. An async task has
    an event loop of its own in its thread.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and (isinstance(max_workers, bool) or max_workers < 1):
            raise ValueError(f"max_workers must be at least 1, not {max_workers!r}")
        self.max_workers = max_workers or DEFAULT_MAX_WORKERS

    def __repr__(self) -> str:
        return f"ThreadPoolTaskRunner(max_workers={self.max_workers})"


class TaskPool:
    """The threads of one attempt of a flow run. The first is started by the first submit."""

    def __init__(self, runner: ThreadPoolTaskRunner) -> None:
        self._max_workers = runner.max_workers
        self._executors: dict[int, ThreadPoolExecutor] = {}
        self._unfinished: set[Future[Any]] = set()
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closed = False

    def number(self, task: str) -> int:
        """0 for the first run of this task in the flow run, and so on."""
        with self._lock:
            number = self._numbers[task] = self._numbers.get(task, -1) + 1
            return number

    def submit(
        self,
        future: Future[Any],
        call: Callable[[], Any],
        *,
        after: Sequence[Future[Any]],
        depth: int,
    ) -> None:
        """Settles the future by `call`, in a thread, once all of `after` are over."""
        with self._lock:
            self._unfinished.add(future)
            closed = self._closed
        future.add_done_callback(self._forget)
        if closed:
            future._call_off(_FLOW_ENDED)  # noqa: SLF001 - the pool settles futures
            return
        waiting = _Countdown(len(after), lambda: self._start(future, call, depth))
        for other in after:
            other.add_done_callback(lambda _: waiting.step())

    def unfinished(self) -> list[Future[Any]]:
        with self._lock:
            return list(self._unfinished)

    def finish(self) -> None:
        """Waits until everything submitted, by whomever, is over."""
        while unfinished := self.unfinished():
            wait(unfinished)

    async def finish_async(self) -> None:
        import asyncio

        while unfinished := self.unfinished():
            results = (future.result_async() for future in unfinished)
            await asyncio.gather(*results, return_exceptions=True)

    def close(self) -> None:
        """What has not begun never will.

        A thread that runs cannot be stopped: wait for it with `finish`, or leave it.
        """
        with self._lock:
            self._closed = True
            executors = list(self._executors.values())
        for executor in executors:
            executor.shutdown(wait=False, cancel_futures=True)
        for future in self.unfinished():
            future._call_off(_FLOW_ENDED)  # noqa: SLF001 - the pool settles futures

    def _start(self, future: Future[Any], call: Callable[[], Any], depth: int) -> None:
        with self._lock:
            if self._closed:
                return  # `close` has called it off, or is about to
            if depth not in self._executors:
                self._executors[depth] = ThreadPoolExecutor(
                    self._max_workers, thread_name_prefix=f"ensue-tasks-{depth}"
                )
            self._executors[depth].submit(future._settle, call)  # noqa: SLF001 - the pool settles futures

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._unfinished.discard(future)


class _Countdown:
    """Calls back once, after `steps` steps; at once for none."""

    def __init__(self, steps: int, then: Callable[[], None]) -> None:
        self._left = steps
        self._then = then
        self._lock = threading.Lock()
        if not steps:
            then()

    def step(self) -> None:
        with self._lock:
            self._left -= 1
            due = self._left == 0
        if due:
            self._then()
