"""Running one flow: attempts, its tasks' threads, the final state and the hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ensue.context import FlowRun, RunContext, current_flow_run, inside_flow
from ensue.futures import results_of
from ensue.hooks import call_hooks
from ensue.ids import new_id
from ensue.logs import get_run_logger
from ensue.options import run_name
from ensue.prints import prints_logged
from ensue.retries import attempt_until, attempt_until_async
from ensue.states import State, describe_error, state_of
from ensue.task_runners import TaskPool
from ensue.timeouts import await_within, call_within

if TYPE_CHECKING:
    from ensue.flows import Flow


def new_run(flow: Flow[..., Any], arguments: Mapping[str, Any]) -> RunContext:
    """A run that the calling code starts, alone or from within another flow."""
    outer = current_flow_run()
    run_id = new_id()
    return RunContext(
        id=run_id,
        name=run_name(flow.flow_run_name, arguments, f"{flow.name}-{run_id[-6:]}"),
        flow_name=flow.name,
        tags=flow.tags,
        flow_version=flow.version,
        parent_id=None if outer is None else outer.id,
    )


class FlowCall:
    """One run of a flow, whatever its attempts. The arguments are valid."""

    def __init__(self, flow: Flow[..., Any], arguments: Mapping[str, Any], run: RunContext) -> None:
        self._flow = flow
        self._arguments = arguments
        self._outer = current_flow_run()
        self._run = self._attempt_of(run)

    def run(self) -> Any:
        with self._conclusion() as conclude:
            return conclude(attempt_until(self.attempt, self._failed))

    async def run_async(self) -> Any:
        with self._conclusion() as conclude:
            return conclude(await attempt_until_async(self.attempt_async, self._failed))

    def attempt(self, number: int) -> Any:
        """What the flow returns in one attempt, once all its tasks are over."""
        with self._during(number) as run:
            return call_within(
                self._flow.timeout_seconds, self._told(), lambda: self._call(run.pool)
            )

    async def attempt_async(self, number: int) -> Any:
        with self._during(number) as run:
            return await await_within(
                self._flow.timeout_seconds, self._told(), lambda: self._call_async(run.pool)
            )

    def conclude(self, state: State) -> None:
        """The run is over, in this state."""
        with inside_flow(self._run):
            call_hooks(self._flow.hooks, self._flow, self._run, state)

    @property
    def current(self) -> FlowRun:
        """The attempt that is going on, or was the last."""
        return self._run

    @contextmanager
    def _conclusion(self) -> Iterator[Callable[[Any], Any]]:
        """Whatever way the code within is left, that is the run's final state."""
        done: list[Any] = []

        def returned(value: Any) -> Any:
            done.append(value)
            return value

        try:
            yield returned
        except BaseException as error:
            state = state_of(error)
            with inside_flow(self._run):
                get_run_logger().error("Flow run %s: %s", self._run.name, state.message)
            self.conclude(state)
            raise
        self.conclude(State("completed", value=done[0]))

    def _attempt_of(self, run: RunContext) -> FlowRun:
        wanted = self._flow.log_prints
        if wanted is None:
            wanted = self._outer is not None and self._outer.log_prints
        return FlowRun(
            run=run,
            parameters=self._arguments,
            log_prints=wanted,
            pool=TaskPool(self._flow.task_runner),
            root=run if self._outer is None else self._outer.root,
        )

    @contextmanager
    def _during(self, number: int) -> Iterator[FlowRun]:
        self._run = self._attempt_of(replace(self._run.run, attempt=number))
        try:
            with inside_flow(self._run), prints_logged(self._run.log_prints):
                yield self._run
        finally:
            self._run.pool.close()

    def _call(self, pool: TaskPool) -> Any:
        args, kwargs = self._flow.parameters.call_arguments(self._arguments)
        try:
            value = self._flow.fn(*args, **kwargs)
        except Exception:
            pool.close()  # the tasks that run already are waited for; an interruption waits for none
            pool.finish()
            raise
        pool.finish()
        return results_of(value)

    async def _call_async(self, pool: TaskPool) -> Any:
        args, kwargs = self._flow.parameters.call_arguments(self._arguments)
        try:
            value = await self._flow.fn(*args, **kwargs)
        except Exception:
            pool.close()
            await pool.finish_async()
            raise
        await pool.finish_async()
        return results_of(value)

    def _told(self) -> str:
        return f"The flow run {self._run.name}"

    def _failed(self, attempt: int, error: Exception) -> float | None:
        delay = self._flow.retry_policy.delay_after(attempt)
        if delay is not None:
            with inside_flow(self._run):
                get_run_logger().warning(
                    "Flow run %s: attempt %d of %d failed, the next is in %g s: %s",
                    self._run.name,
                    attempt,
                    self._flow.retries + 1,
                    delay,
                    describe_error(error),
                )
        return delay
