"""Places where a test may kill the process, to see that nothing is lost there.

`ENSUE_FAILPOINT=before_commit` kills at the first pass, `before_commit:200` at the 200th.
Without the variable a failpoint is one look at a constant.
"""

from __future__ import annotations

import os
import signal

_name, _, _count = os.environ.get("ENSUE_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def failpoint(name: str) -> None:
    """Die here, at once and without a word, if this is the place and the pass that was asked for."""
    if _name and name == _name:
        _pass()


def _pass() -> None:
    global _left  # noqa: PLW0603 - counts the passes of this process
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
