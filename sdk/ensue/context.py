"""Which run the calling code belongs to.

Context variables, so that tasks in threads and coroutines each see their own. A thread
that user code starts by itself inherits none; in a worker's child, which runs one flow
only, it falls back to that flow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensue.task_runners import TaskPool


@dataclass(frozen=True, slots=True)
class RunContext:
    """One attempt of a flow run, as whoever started it knows it.

    `attempt` counts from 1. `automation` is the name of the rule and `event` the event
    that set the run off; both are None where nobody but the caller did.
    """

    id: str
    name: str
    flow_name: str
    attempt: int = 1
    tags: tuple[str, ...] = ()
    automation: str | None = None
    event: Mapping[str, Any] | None = None
    flow_version: str | None = None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A flow run from the inside; also what a flow's hooks are given."""

    run: RunContext
    parameters: Mapping[str, Any]
    log_prints: bool
    pool: TaskPool = field(repr=False)
    root: RunContext
    """The run the server knows: of a flow called by a flow, the outermost one."""

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def flow_name(self) -> str:
        return self.run.flow_name

    @property
    def tags(self) -> tuple[str, ...]:
        return self.run.tags

    @property
    def run_count(self) -> int:
        """The attempt, from 1."""
        return self.run.attempt


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A task run from the inside; also what a task's hooks and retry conditions are given."""

    id: str
    name: str
    task_name: str
    attempt: int
    log_prints: bool
    tags: tuple[str, ...] = ()
    depth: int = 0
    """0 for a task the flow called, 1 for one that such a task called, …"""

    @property
    def run_count(self) -> int:
        """The attempt, from 1."""
        return self.attempt


_flow_run: ContextVar[FlowRun | None] = ContextVar("ensue_flow_run", default=None)
_task_run: ContextVar[TaskRun | None] = ContextVar("ensue_task_run", default=None)
_sole_run: list[FlowRun] = []


def current_flow_run() -> FlowRun | None:
    return _flow_run.get() or (_sole_run[-1] if _sole_run else None)


def current_task_run() -> TaskRun | None:
    return _task_run.get()


def in_async_code() -> bool:
    """Whether an event loop runs in this thread."""
    if "asyncio" not in sys.modules:
        return False
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def inside_flow(run: FlowRun) -> Iterator[None]:
    """The code within belongs to this flow run and, at first, to no task of it."""
    flow_token = _flow_run.set(run)
    task_token = _task_run.set(None)
    try:
        yield
    finally:
        _task_run.reset(task_token)
        _flow_run.reset(flow_token)


@contextmanager
def inside_task(run: TaskRun) -> Iterator[None]:
    token = _task_run.set(run)
    try:
        yield
    finally:
        _task_run.reset(token)


@contextmanager
def sole_run(run: FlowRun) -> Iterator[None]:
    """This process exists for this run: threads without a context belong to it too."""
    _sole_run.append(run)
    try:
        yield
    finally:
        _sole_run.remove(run)
