"""What a run set up in its process is undone in processes that its code forks.

Threads are not copied by a fork, so there the channel would be a dead end, and a SIGTERM
to the copy, as `multiprocessing.Pool.terminate()` sends, would be taken for the run's. A
forked process prints, logs and ends like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_undoing: list[Callable[[], None]] = []


@contextmanager
def undone_in_forks(undo: Callable[[], None]) -> Iterator[None]:
    """While within, `undo` is called in each process that is forked, last ones first."""
    _undoing.append(undo)
    try:
        yield
    finally:
        if undo in _undoing:  # it is not in a forked process that comes by here
            _undoing.remove(undo)


def _undo_all() -> None:
    while _undoing:
        _undoing.pop()()


os.register_at_fork(after_in_child=_undo_all)
