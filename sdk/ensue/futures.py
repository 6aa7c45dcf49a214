"""The result of a submitted task, now or later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures as threads
from typing import Any, Generic, NamedTuple, TypeVar

from ensue.errors import TaskNotRunError
from ensue.states import State, state_of

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Future(Generic[R_co]):
    """Given by `task.submit()`.

    Pass it to other tasks as an argument, also inside lists, tuples, sets and dicts: they
    run when its result is there, with the result in its place.
    """

    def __init__(self, task_run_id: str, name: str) -> None:
        self.task_run_id = task_run_id
        self.name = name
        self._outcome: threads.Future[R_co] = threads.Future()
        self._running = False
        self._claim = threading.Lock()
        """Whoever gets it settles the future: the thread that runs it, or who calls it off."""

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> R_co:
        """What the task returned, waiting for it at most `timeout` seconds (TimeoutError).

        What it raised is raised; with `raise_on_failure=False` it is returned instead.
        """
        self._wait(timeout)
        error = self._outcome.exception()
        if error is None:
            return self._outcome.result()
        if raise_on_failure:
            raise error
        return error  # type: ignore[return-value]  # asked for by the caller

    async def result_async(self) -> R_co:
        """For async code: waits without holding up the event loop."""
        import asyncio

        return await asyncio.shield(asyncio.wrap_future(self._outcome))

    def wait(self, timeout: float | None = None) -> None:
        """Until the task is over, however it went, or `timeout` seconds have passed."""
        threads.wait([self._outcome], timeout)

    @property
    def state(self) -> State:
        if not self._outcome.done():
            return State("running" if self._running else "pending")
        error = self._outcome.exception()
        if error is None:
            return State("completed", value=self._outcome.result())
        return state_of(error)

    def done(self) -> bool:
        return self._outcome.done()

    def add_done_callback(self, callback: Callable[[Future[R_co]], None]) -> None:
        """Called in the thread that ends the task; at once if it is over."""
        self._outcome.add_done_callback(lambda _: callback(self))

    def _wait(self, timeout: float | None) -> None:
        if not threads.wait([self._outcome], timeout).done:
            raise TimeoutError(f"The task run {self.name} is not over after {timeout:g} s.")

    def _settle(self, call: Callable[[], Any]) -> None:
        if not self._claim.acquire(blocking=False):
            return
        self._running = True
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(value)

    def _call_off(self, reason: str) -> None:
        """It will never run, unless it has begun already."""
        if self._claim.acquire(blocking=False):
            self._outcome.set_exception(
                TaskNotRunError(f"The task run {self.name} did not run: {reason}.")
            )

    def __repr__(self) -> str:
        return f"<Future {self.name} {self.state.type}>"


class FutureList(list[Future[R]]):
    """Given by `task.map()`: the futures in the order of what was mapped over."""

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> list[R]:
        """All results, in order; the first failure in that order is raised."""
        from time import monotonic

        deadline = None if timeout is None else monotonic() + timeout
        return [
            future.result(
                None if deadline is None else max(deadline - monotonic(), 0),
                raise_on_failure=raise_on_failure,
            )
            for future in self
        ]

    def wait(self, timeout: float | None = None) -> None:
        wait(self, timeout)


class DoneAndNotDone(NamedTuple):
    done: set[Future[Any]]
    not_done: set[Future[Any]]


def wait(futures: Iterable[Future[Any]], timeout: float | None = None) -> DoneAndNotDone:
    """Until all are over, or `timeout` seconds have passed; raises nothing for failures."""
    by_outcome = {future._outcome: future for future in futures}  # noqa: SLF001 - one module, one concept
    done, not_done = threads.wait(by_outcome, timeout)
    return DoneAndNotDone({by_outcome[o] for o in done}, {by_outcome[o] for o in not_done})


def as_completed(futures: Iterable[Future[R]], timeout: float | None = None) -> Iterator[Future[R]]:
    """Each future as it is over. Raises TimeoutError when some are not after `timeout`."""
    by_outcome = {future._outcome: future for future in futures}  # noqa: SLF001 - one module, one concept
    for outcome in threads.as_completed(by_outcome, timeout):
        yield by_outcome[outcome]


def futures_in(value: Any) -> list[Future[Any]]:
    """Every future in the value, as deep as `resolved` looks."""
    found: list[Future[Any]] = []

    def note(future: Future[Any]) -> Any:
        found.append(future)
        return future

    _replace(value, note, frozenset())
    return found


def resolved(value: Any) -> Any:
    """The value with every future's result in its place, waiting for those not over.

    Raises TaskNotRunError, from the failure, where one of them failed. A container that
    holds no future is the same object afterwards.
    """
    return _replace(value, _needed, frozenset())


def results_of(value: Any) -> Any:
    """As `resolved`, but what a task raised is raised as it is."""
    return _replace(value, Future.result, frozenset())


def _needed(future: Future[Any]) -> Any:
    outcome = future.result(raise_on_failure=False)
    state = future.state
    if state.error is None:
        return outcome
    raise TaskNotRunError(
        f"It did not run, as it needs {future.name}, which {_WENT[state.type]}: {state.message}"
    ) from state.error


def _replace(value: Any, with_: Callable[[Future[Any]], Any], within: frozenset[int]) -> Any:
    if isinstance(value, Future):
        return with_(value)
    kind = list if type(value) is FutureList else type(value)
    if kind not in _CONTAINERS or id(value) in within:
        return value
    within |= {id(value)}
    before = list(value.values()) if kind is dict else list(value)
    after = [_replace(item, with_, within) for item in before]
    if all(old is new for old, new in zip(before, after, strict=True)):
        return value
    return dict(zip(value, after, strict=True)) if kind is dict else kind(after)


_WENT = {
    "failed": "failed",
    "timed_out": "timed out",
    "cancelled": "was cancelled",
    "crashed": "crashed",
}
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
