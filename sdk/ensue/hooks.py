"""Functions that are called when a run has reached its final state.

A flow's are called `hook(flow, flow_run, state)`, a task's `hook(task, task_run, state)`;
they may be async. One that fails is logged: the run is over, and its outcome stands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from ensue.context import in_async_code
from ensue.logs import get_run_logger
from ensue.states import State

Hook = Callable[[Any, Any, State], Any]
_OPTIONS = {
    "completed": "on_completion",
    "failed": "on_failure",
    "timed_out": "on_failure",
    "cancelled": "on_cancellation",
    "crashed": "on_crashed",
}
Hooks = Mapping[str, tuple[Hook, ...]]
"""By the name of the option, `on_failure` and so on."""


def hooks_in(options: Mapping[str, Any]) -> Hooks:
    """Raises TypeError where an option is no list of functions."""
    found: dict[str, tuple[Hook, ...]] = {}
    for name in sorted(set(_OPTIONS.values())):
        given = options.get(name) or ()
        if callable(given) or not isinstance(given, Iterable) or not all(map(callable, given)):
            raise TypeError(f"{name} must be a list of functions, not {given!r}")
        found[name] = tuple(given)
    return found


def call_hooks(hooks: Hooks, subject: Any, run: Any, state: State) -> None:
    for hook in hooks.get(_OPTIONS.get(state.type, ""), ()):
        try:
            outcome = hook(subject, run, state)
            if inspect.iscoroutine(outcome):
                _complete(outcome)
        except Exception:  # noqa: BLE001 - the user's code, whatever it does; it is logged
            name = getattr(hook, "__name__", repr(hook))
            get_run_logger().exception("The hook %s failed; the run stays %s.", name, state.type)


def _complete(coroutine: Coroutine[Any, Any, Any]) -> None:
    import asyncio

    if not in_async_code():
        asyncio.run(coroutine)
        return
    # This thread's event loop is busy with the run that ends here.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()
