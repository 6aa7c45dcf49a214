"""Flows: the functions that Ensue runs, and that run as well without it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NoReturn,
    ParamSpec,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from ensue.flow_runs import FlowCall, new_run
from ensue.futures import resolved
from ensue.hooks import Hook, hooks_in
from ensue.options import check_function, description_of, given, name_of, tags_of
from ensue.parameters import FlowParameters
from ensue.retries import Delays, RetryPolicy
from ensue.task_runners import ThreadPoolTaskRunner
from ensue.timeouts import check_timeout

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class FlowOptions(TypedDict, total=False):
    """The options of `@flow`; see there."""

    name: str | None
    description: str | None
    version: str | None
    tags: Iterable[str] | None
    flow_run_name: str | Callable[[], str] | None
    retries: int | None
    retry_delay_seconds: Delays | None
    timeout_seconds: float | None
    log_prints: bool | None
    validate_parameters: bool | None
    task_runner: ThreadPoolTaskRunner | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_cancellation: Sequence[Hook] | None
    on_crashed: Sequence[Hook] | None
    persist_result: object
    result_storage: object
    result_serializer: object
    cache_result_in_memory: object


class Flow(Generic[P, R_co]):
    """A function with `@flow` on it. Calling it runs it here, with or without a server."""

    def __init__(self, fn: Callable[P, R_co], **options: Unpack[FlowOptions]) -> None:
        check_function("flow", fn)
        self.fn = fn
        self._options: dict[str, Any] = given("flow", options, FlowOptions.__annotations__)
        get = self._options.get
        self.name = name_of(fn, get("name"))
        self.description = description_of(fn, get("description"))
        self.version: str | None = get("version")
        self.tags = tags_of(get("tags", ()))
        self.flow_run_name = get("flow_run_name")
        self.retry_policy = RetryPolicy.of(get("retries", 0), get("retry_delay_seconds"))
        self.retries = self.retry_policy.retries
        self.timeout_seconds = check_timeout(get("timeout_seconds"))
        self.log_prints: bool | None = get("log_prints")
        self.validate_parameters: bool = get("validate_parameters", True)
        self.task_runner = _task_runner(get("task_runner"))
        self.hooks = hooks_in(self._options)
        self.isasync = inspect.iscoroutinefunction(fn)
        self.parameters = FlowParameters(self.name, fn)
        update_wrapper(self, fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs the flow here and now; of an async flow, returns the coroutine.

        The parameters are validated first (ParametersInvalidError). Retries, timeout and
        hooks work as under a server. Raises what the last attempt raised.
        """
        outcome: Any = self._run_async(args, kwargs) if self.isasync else self._run(args, kwargs)
        return outcome  # type: ignore[no-any-return]  # the function's own type, by way of Any

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._prepared(args, kwargs).run()

    async def _run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return await self._prepared(args, kwargs).run_async()

    def _prepared(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> FlowCall:
        named = dict(kwargs)
        if "wait_for" not in self.parameters.signature.parameters:
            resolved(list(named.pop("wait_for", None) or ()))
        arguments = self.parameters.bind(resolved(args), resolved(named))
        if self.validate_parameters:
            arguments = self.parameters.validate(arguments)
        return FlowCall(self, arguments, new_run(self, arguments))

    def with_options(self, **options: Unpack[FlowOptions]) -> Flow[P, R_co]:
        """The same flow with other options; this one stays as it is."""
        merged: Any = {**self._options, **options}
        return Flow(self.fn, **merged)

    def __get__(self, instance: Any, owner: type | None = None) -> Flow[..., R_co]:
        """On a class, the flow of a method."""
        if instance is None:
            return self
        options: Any = {"name": self.name, **self._options}
        return Flow(self.fn.__get__(instance, owner), **options)

    if not TYPE_CHECKING:  # to a type checker the attribute is simply not there

        def __getattr__(self, name: str) -> NoReturn:
            hint = _NOT_HERE.get(name)
            told = f"a flow has no attribute {name!r}"
            raise AttributeError(f"{told}: {hint}" if hint else told)

    def __repr__(self) -> str:
        return f"<Flow {self.name}>"


_SERVED = (
    "put its file into the flows/ folder of a project and run `ensue serve DIR`; "
    "a rule in DIR/automations/ says when it runs"
)
_NOT_HERE = {"serve": _SERVED, "deploy": _SERVED, "from_source": _SERVED}


def _task_runner(given: Any) -> ThreadPoolTaskRunner:
    if given is None:
        return ThreadPoolTaskRunner()
    if not isinstance(given, ThreadPoolTaskRunner):
        raise TypeError(f"task_runner must be a ThreadPoolTaskRunner, not {given!r}")
    return given


@overload
def flow(fn: Callable[P, R_co], /) -> Flow[P, R_co]: ...


@overload
def flow(**options: Unpack[FlowOptions]) -> Callable[[Callable[P, R_co]], Flow[P, R_co]]: ...


def flow(fn: Callable[..., Any] | None = None, /, **options: Unpack[FlowOptions]) -> Any:
    """Makes a flow of a function: `@flow`, or `@flow(retries=2, …)`.

    * `name` (the function's, with hyphens), `description` (its docstring), `version`, `tags`
    * `flow_run_name`: a name for each run that the flow's code starts, `"review-{order}"`
      with the parameters put in, or a function without parameters
    * `retries`: how often a failed run is tried again; `retry_delay_seconds`: how long
      after, a number or a list (its last number goes on). Under a server each attempt is a
      process of its own.
    * `timeout_seconds`: the longest one attempt may take, else it fails with a
      RunTimeoutError. Async flows are cancelled; a plain flow in the main thread is
      interrupted; in another thread it cannot be, so it goes on unseen.
    * `log_prints`: whether what it prints is logged; by default as the flow that calls it
    * `validate_parameters`: False takes arguments as they come
    * `task_runner`: `ThreadPoolTaskRunner(max_workers=…)` for the tasks it submits
    * `on_completion`, `on_failure` (also of a timeout), `on_cancellation`, `on_crashed` (left
      by `sys.exit()` or Ctrl-C; a process that was killed calls nothing): lists of
      `hook(flow, flow_run, state)`, called after the last attempt

    A flow ends when its function has returned and every task it submitted is over. Futures
    it returns, also within lists and dicts, are replaced by their results.

    `persist_result`, `result_storage`, `result_serializer` and `cache_result_in_memory` are
    accepted for Prefect's sake and change nothing.
    """
    if fn is not None:
        return Flow(fn, **options)
    return lambda function: Flow(function, **options)
