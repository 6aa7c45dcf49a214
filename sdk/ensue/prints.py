"""`log_prints=True`: what user code prints becomes a record of its run's logger.

While any run with that option is going on, `builtins.print` looks at which run the
calling code belongs to. Elsewhere in the process, and with a `file=` of its own, it
prints as ever.
"""

from __future__ import annotations

import builtins
import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ensue.context import current_flow_run, current_task_run
from ensue.logs import get_run_logger

_lock = threading.Lock()
_originals: list[Any] = []
"""`print` as it was, once for each run that is going on."""


@contextmanager
def prints_logged(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    with _lock:
        _originals.append(_originals[0] if _originals else builtins.print)
        builtins.print = _print
    try:
        yield
    finally:
        with _lock:
            original = _originals.pop()
            if not _originals and builtins.print is _print:
                builtins.print = original


def _print(*values: Any, sep: str | None = None, end: str | None = None, **options: Any) -> None:
    file = options.get("file")
    if _logs_prints() and (file is None or file is sys.stdout or file is sys.stderr):
        text = io.StringIO()
        _original()(*values, sep=sep, end="", file=text)
        get_run_logger().info("%s", text.getvalue())
    else:
        _original()(*values, sep=sep, end=end, **options)


def _original() -> Any:
    # Empty when code kept a reference to this function from within a run.
    return _originals[0] if _originals else builtins.print


def _logs_prints() -> bool:
    run = current_task_run() or current_flow_run()
    return bool(_originals) and run is not None and run.log_prints
