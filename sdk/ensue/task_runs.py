"""Running one task: attempts, states, hooks; plain or async, here or in a thread."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ensue.channel import current_channel
from ensue.context import TaskRun, current_flow_run, current_task_run, inside_task
from ensue.errors import TaskNotRunError
from ensue.futures import Future, futures_in, resolved
from ensue.hooks import call_hooks
from ensue.ids import new_id, now_micros
from ensue.logs import clean, get_run_logger
from ensue.options import run_name
from ensue.prints import prints_logged
from ensue.retries import attempt_until, attempt_until_async, spread
from ensue.states import State, describe_error, state_of
from ensue.timeouts import await_within, call_within
from ensue.tracebacks import traceback_of

if TYPE_CHECKING:
    from ensue.tasks import Task

_REPORTED = {"cancelled": "failed", "crashed": "failed"}
"""States of a task that the wire has no word for."""
_MAX_MESSAGE = 4_096


class TaskCall:
    """One call of a task with its arguments: one task run, whatever its attempts."""

    def __init__(
        self,
        task: Task[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wait_for: Iterable[Future[Any]] | None,
    ) -> None:
        self._task = task
        self._args = args
        self._kwargs = dict(kwargs)
        self._wait_for = [] if wait_for is None else list(wait_for)
        self._flow_run = current_flow_run()
        self._run = self._new_run()
        self._began = False

    def _new_run(self) -> TaskRun:
        task, flow_run, outer = self._task, self._flow_run, current_task_run()
        run_id = new_id()
        inherited = False if flow_run is None else flow_run.log_prints
        if outer is not None:
            inherited = outer.log_prints
        return TaskRun(
            id=run_id,
            name=f"{task.name}-{flow_run.pool.number(task.name) if flow_run else run_id[-6:]}",
            task_name=task.name,
            attempt=1,
            log_prints=inherited if task.log_prints is None else task.log_prints,
            tags=task.tags,
            depth=0 if outer is None else outer.depth + 1,
        )

    def submit(self) -> Future[Any]:
        if self._flow_run is None:
            raise RuntimeError(
                f"{self._task.name}.submit() and .map() work within a flow, whose end they "
                "belong to. Outside of one, call the task directly."
            )
        future: Future[Any] = Future(self._run.id, self._run.name)
        here = contextvars.copy_context()
        self._flow_run.pool.submit(
            future,
            lambda: here.run(self._run_in_thread),
            after=futures_in((self._args, self._kwargs, self._wait_for)),
            depth=self._run.depth,
        )
        return future

    def _run_in_thread(self) -> Any:
        if not self._task.isasync:
            return self.run()
        import asyncio

        return asyncio.run(self.run_async())

    def run(self) -> Any:
        with self._conclusion() as conclude:
            call = self._ready()
            conclude(attempt_until(lambda n: self._attempt(n, call), self._failed))
        return self._value

    async def run_async(self) -> Any:
        with self._conclusion() as conclude:
            call = self._ready()
            conclude(
                await attempt_until_async(lambda n: self._attempt_async(n, call), self._failed)
            )
        return self._value

    @contextmanager
    def _conclusion(self) -> Iterator[Callable[[Any], None]]:
        """Whatever way the code within is left, that is the run's final state."""
        with inside_task(self._run):
            try:
                yield self._complete
            except BaseException as error:
                state = state_of(error)
                if isinstance(error, TaskNotRunError) and not self._began:
                    self._report("failed", state.message)
                    raise
                get_run_logger().error("Task run %s: %s", self._run.name, traceback_of(error))
                self._report(state.type, state.message)
                call_hooks(self._task.hooks, self._task, self._run, state)
                raise

    def _complete(self, value: Any) -> None:
        self._value = value
        self._report("completed")
        call_hooks(self._task.hooks, self._task, self._run, State("completed", value=value))

    def _ready(self) -> Callable[[], Any]:
        """The function with its arguments, once all that was waited for is over."""
        resolved(self._wait_for)
        args, kwargs = resolved(self._args), resolved(self._kwargs)
        template = self._task.task_run_name
        if template is not None:
            bound = self._task.signature.bind(*args, **kwargs)
            bound.apply_defaults()
            name = run_name(template, bound.arguments, self._run.name)
            self._run = replace(self._run, name=name)
        return lambda: self._task.fn(*args, **kwargs)

    def _attempt(self, number: int, call: Callable[[], Any]) -> Any:
        with self._during(number):
            return call_within(self._task.timeout_seconds, self._told(), call)

    async def _attempt_async(self, number: int, call: Callable[[], Any]) -> Any:
        with self._during(number):
            return await await_within(self._task.timeout_seconds, self._told(), call)

    @contextmanager
    def _during(self, number: int) -> Iterator[None]:
        self._began = True
        self._run = replace(self._run, attempt=number)
        self._report("running")
        with inside_task(self._run), prints_logged(self._run.log_prints):
            yield

    def _told(self) -> str:
        return f"The task run {self._run.name}"

    def _failed(self, attempt: int, error: Exception) -> float | None:
        delay = self._task.retry_policy.delay_after(attempt, spread())
        if delay is None or not self._wants_retry(error):
            return None
        told = describe_error(error)
        get_run_logger().warning(
            "Task run %s: attempt %d of %d failed, the next is in %g s: %s",
            self._run.name,
            attempt,
            self._task.retries + 1,
            delay,
            told,
        )
        self._report("retrying", told)
        return delay

    def _wants_retry(self, error: Exception) -> bool:
        condition = self._task.retry_condition_fn
        if condition is None:
            return True
        try:
            return bool(condition(self._task, self._run, state_of(error)))
        except Exception:  # noqa: BLE001 - the user's code, whatever it does; it is logged
            get_run_logger().exception("The retry_condition_fn of %s failed.", self._task.name)
            return False

    def _report(self, state: str, message: str | None = None) -> None:
        channel = current_channel()
        if channel is None:
            return
        report = {
            "type": "task",
            "task_run_id": self._run.id,
            "name": self._run.name,
            "task": self._run.task_name,
            "state": _REPORTED.get(state, state),
            "at": now_micros(),
            "attempt": self._run.attempt,
        }
        channel.send(report | ({"message": clean(message)[:_MAX_MESSAGE]} if message else {}))
