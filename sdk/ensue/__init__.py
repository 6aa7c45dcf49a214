"""Write flows and tasks in Python; Ensue runs them when something happens.

    from ensue import flow, task

    @task(retries=3, retry_delay_seconds=[1, 10, 60])
    def score(order: str) -> float: ...

    @flow(log_prints=True)
    def review_order(order: str, total: float = 0) -> float:
        return score.submit(order).result()

A flow is an ordinary callable: `review_order("a1")` works in a script, a shell and a
test, with no server. Put in a project's `flows/` folder it is found by `ensue serve`,
where a rule's `run: review-order` starts it in a process of its own.

Importing this package loads next to nothing and starts nothing: each name is loaded
when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ensue import runtime
    from ensue.emission import emit
    from ensue.flows import Flow, flow
    from ensue.futures import as_completed, wait
    from ensue.logs import get_run_logger
    from ensue.task_runners import ThreadPoolTaskRunner
    from ensue.tasks import task, unmapped

__all__ = [
    "Flow",
    "ThreadPoolTaskRunner",
    "as_completed",
    "emit",
    "flow",
    "get_run_logger",
    "runtime",
    "task",
    "unmapped",
    "wait",
]

# No submodule has the name of one of these (but `runtime`, which is one): a submodule
# becomes an attribute of its package when it is imported, and would hide the name.
_HOMES = {
    "Flow": "flows",
    "ThreadPoolTaskRunner": "task_runners",
    "as_completed": "futures",
    "emit": "emission",
    "flow": "flows",
    "get_run_logger": "logs",
    "task": "tasks",
    "unmapped": "tasks",
    "wait": "futures",
}


def __getattr__(name: str) -> object:
    if name == "runtime":
        return import_module("ensue.runtime")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ensue' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"ensue.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
