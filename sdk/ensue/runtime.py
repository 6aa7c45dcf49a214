"""What the running code can ask about its run.

    from ensue import runtime

    runtime.flow_run.id          runtime.flow_run.name       runtime.flow_run.flow_name
    runtime.flow_run.parameters  runtime.flow_run.attempt    runtime.flow_run.tags
    runtime.task_run.id          runtime.task_run.name       runtime.task_run.task_name
    runtime.automation.name      the rule that started the run
    runtime.event                the event that did, as a dict

Everything is None (parameters an empty dict, tags an empty list) where there is no such
thing: outside of a run, or in a run that no rule started. Ask for `runtime.event` when
you need it; `from ensue.runtime import event` would keep the answer of the first moment.
"""

from __future__ import annotations

from typing import Any

from ensue.context import RunContext, current_flow_run, current_task_run

__all__ = ["automation", "event", "flow_run", "task_run"]

event: dict[str, Any] | None
"""The event that set this run off: its root attributes and `data`. A copy."""


class _FlowRunFacts:
    """Facts about the current flow run; of a flow called by a flow, the inner one."""

    @property
    def id(self) -> str | None:
        run = _run()
        return None if run is None else run.id

    @property
    def name(self) -> str | None:
        run = _run()
        return None if run is None else run.name

    @property
    def flow_name(self) -> str | None:
        run = _run()
        return None if run is None else run.flow_name

    @property
    def flow_version(self) -> str | None:
        run = _run()
        return None if run is None else run.flow_version

    @property
    def parameters(self) -> dict[str, Any]:
        """As the flow received them: validated, with defaults."""
        run = current_flow_run()
        return {} if run is None else dict(run.parameters)

    @property
    def attempt(self) -> int | None:
        """1 at first, 2 in the first retry."""
        run = _run()
        return None if run is None else run.attempt

    run_count = attempt

    @property
    def tags(self) -> list[str]:
        run = _run()
        return [] if run is None else list(run.tags)

    @property
    def parent_flow_run_id(self) -> str | None:
        """Of a flow called by a flow, the outer run's id."""
        run = _run()
        return None if run is None else run.parent_id


class _TaskRunFacts:
    """Facts about the current task run."""

    @property
    def id(self) -> str | None:
        run = current_task_run()
        return None if run is None else run.id

    @property
    def name(self) -> str | None:
        run = current_task_run()
        return None if run is None else run.name

    @property
    def task_name(self) -> str | None:
        run = current_task_run()
        return None if run is None else run.task_name

    @property
    def attempt(self) -> int | None:
        run = current_task_run()
        return None if run is None else run.attempt

    run_count = attempt

    @property
    def tags(self) -> list[str]:
        run = current_task_run()
        return [] if run is None else list(run.tags)


class _AutomationFacts:
    """Facts about the rule that started the run."""

    @property
    def name(self) -> str | None:
        run = current_flow_run()
        return None if run is None else run.root.automation


flow_run = _FlowRunFacts()
task_run = _TaskRunFacts()
automation = _AutomationFacts()


def _run() -> RunContext | None:
    run = current_flow_run()
    return None if run is None else run.run


def __getattr__(name: str) -> Any:
    if name != "event":
        raise AttributeError(f"module 'ensue.runtime' has no attribute {name!r}")
    run = current_flow_run()
    cause = None if run is None else run.root.event
    return None if cause is None else dict(cause)
