"""Tasks: steps of a flow with retries, a timeout, and results that are awaited later."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from ensue.context import TaskRun
from ensue.futures import Future, FutureList, resolved
from ensue.hooks import Hook, hooks_in
from ensue.options import check_function, description_of, given, name_of, tags_of
from ensue.retries import Delays, RetryPolicy, exponential_backoff
from ensue.states import State
from ensue.task_runs import TaskCall
from ensue.timeouts import check_timeout

__all__ = ["Task", "TaskOptions", "exponential_backoff", "task", "unmapped"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class TaskOptions(TypedDict, total=False):
    """The options of `@task`; see there."""

    name: str | None
    description: str | None
    version: str | None
    tags: Iterable[str] | None
    task_run_name: str | Callable[[], str] | None
    retries: int | None
    retry_delay_seconds: Delays | None
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[[Task[Any, Any], TaskRun, State], bool] | None
    timeout_seconds: float | None
    log_prints: bool | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    persist_result: object
    result_storage: object
    result_serializer: object
    result_storage_key: object
    cache_result_in_memory: object
    viz_return_value: object


class Task(Generic[P, R_co]):
    """A function with `@task` on it. Calling it runs it here; `submit` in a thread."""

    def __init__(self, fn: Callable[P, R_co], **options: Unpack[TaskOptions]) -> None:
        check_function("task", fn)
        self.fn = fn
        self._options: dict[str, Any] = given("task", options, TaskOptions.__annotations__)
        get = self._options.get
        self.name = name_of(fn, get("name"))
        self.description = description_of(fn, get("description"))
        self.version: str | None = get("version")
        self.tags = tags_of(get("tags", ()))
        self.task_run_name = get("task_run_name")
        self.retry_policy = RetryPolicy.of(
            get("retries", 0), get("retry_delay_seconds"), get("retry_jitter_factor")
        )
        self.retries = self.retry_policy.retries
        self.retry_condition_fn = get("retry_condition_fn")
        self.timeout_seconds = check_timeout(get("timeout_seconds"))
        self.log_prints: bool | None = get("log_prints")
        self.hooks = hooks_in(self._options)
        self.isasync = inspect.iscoroutinefunction(fn)
        self.signature = inspect.signature(fn)
        update_wrapper(self, fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs the task here and now; of an async task, returns the coroutine.

        Futures among the arguments are waited for. `wait_for=[…]` waits for futures whose
        results are not needed.
        """
        named: dict[str, Any] = dict(kwargs)
        call = TaskCall(self, args, named, self._take_wait_for(named))
        outcome: Any = call.run_async() if self.isasync else call.run()
        return outcome  # type: ignore[no-any-return]  # the function's own type, by way of Any

    @overload
    def submit(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        wait_for: Iterable[Future[Any]] | None = None,
        **kwargs: Any,
    ) -> Future[T]: ...

    @overload
    def submit(
        self: Task[..., T],
        *args: Any,
        wait_for: Iterable[Future[Any]] | None = None,
        **kwargs: Any,
    ) -> Future[T]: ...

    def submit(self, *args: Any, wait_for: Any = None, **kwargs: Any) -> Future[Any]:
        """Starts the task in a thread of the flow and returns its future at once.

        It begins when all futures among its arguments, also within lists, tuples, sets and
        dicts, and those in `wait_for` are over. If one of them failed it never begins: its
        own result is then a TaskNotRunError. Must be called within a flow.
        """
        self._check_arguments(args, kwargs)
        return TaskCall(self, args, kwargs, wait_for).submit()

    @overload
    def map(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        wait_for: Iterable[Future[Any]] | None = None,
        **kwargs: Any,
    ) -> FutureList[T]: ...

    @overload
    def map(
        self: Task[..., T],
        *args: Any,
        wait_for: Iterable[Future[Any]] | None = None,
        **kwargs: Any,
    ) -> FutureList[T]: ...

    def map(self, *args: Any, wait_for: Any = None, **kwargs: Any) -> FutureList[Any]:
        """Submits one run for each element of the iterable arguments, taken in step.

        Texts, bytes, mappings and whatever is in `unmapped(…)` are given to every run as
        they are. A future is waited for, and mapped over if its result is
        iterable. Raises ValueError when the lengths differ or nothing is iterable.
        """
        self._check_arguments(args, kwargs)
        by_place: dict[int | str, Any] = dict(enumerate(args))
        by_place.update(kwargs)
        columns = {place: _column(value) for place, value in by_place.items()}
        lengths = {place: len(c) for place, c in columns.items() if isinstance(c, list)}
        if not lengths:
            raise ValueError(f"{self.name}.map() needs an argument to map over: a list, say")
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{place!r} has {n}" for place, n in lengths.items())
            raise ValueError(f"{self.name}.map() needs arguments of one length: {told}")
        runs: FutureList[Any] = FutureList()
        for index in range(next(iter(lengths.values()))):
            row = {p: c[index] if isinstance(c, list) else c.value for p, c in columns.items()}
            positional = tuple(row[n] for n in range(len(args)))
            named = {name: row[name] for name in kwargs}
            runs.append(TaskCall(self, positional, named, wait_for).submit())
        return runs

    def with_options(self, **options: Unpack[TaskOptions]) -> Task[P, R_co]:
        """The same task with other options; this one stays as it is."""
        merged: Any = {**self._options, **options}
        return Task(self.fn, **merged)

    def __get__(self, instance: Any, owner: type | None = None) -> Task[..., R_co]:
        """On a class, the task of a method."""
        if instance is None:
            return self
        options: Any = {"name": self.name, **self._options}
        return Task(self.fn.__get__(instance, owner), **options)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    def _take_wait_for(self, kwargs: dict[str, Any]) -> Any:
        """`wait_for` is ours, unless the function has a parameter of that name."""
        return None if "wait_for" in self.signature.parameters else kwargs.pop("wait_for", None)

    def _check_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A call that does not fit fails where it is written, not in a thread."""
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"The task {self.name!r}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Same:
    """An argument that every mapped run is given as it is."""

    value: Any


def unmapped(value: Any) -> Any:
    """For `task.map`: the value goes to every run as it is, though it can be iterated."""
    return _Same(value)


def _column(value: Any) -> list[Any] | _Same:
    """An argument's values, run by run."""
    if isinstance(value, _Same):
        return value
    if isinstance(value, Future):
        value = resolved(value)
    if isinstance(value, str | bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        return _Same(value)
    return list(value)


@overload
def task(fn: Callable[P, R_co], /) -> Task[P, R_co]: ...


@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R_co]], Task[P, R_co]]: ...


def task(fn: Callable[..., Any] | None = None, /, **options: Unpack[TaskOptions]) -> Any:
    """Makes a task of a function: `@task`, or `@task(retries=3, …)`.

    * `name` (the function's, with hyphens), `description` (its docstring), `version`, `tags`
    * `task_run_name`: a name for each run, `"score-{order}"` with the arguments put in, or
      a function without parameters
    * `retries`: how often a failed run is tried again. `retry_delay_seconds`: how long
      after, a number, a list (its last number goes on) or `exponential_backoff(2)`.
      `retry_jitter_factor=0.5` spreads each delay by up to half of it.
      `retry_condition_fn(task, task_run, state)` says whether to try again at all.
    * `timeout_seconds`: the longest one attempt may take, else it fails with a
      RunTimeoutError. Async tasks are cancelled; a plain task called in the main thread is
      interrupted; a plain task in a thread cannot be, so it goes on unseen, and what it
      returns is dropped.
    * `log_prints`: whether what it prints is logged; by default as its flow does
    * `on_completion`, `on_failure`: lists of `hook(task, task_run, state)`

    `persist_result`, the `result_…` options, `cache_result_in_memory` and
    `viz_return_value` are accepted for Prefect's sake and change nothing.
    """
    if fn is not None:
        return Task(fn, **options)
    return lambda function: Task(function, **options)
