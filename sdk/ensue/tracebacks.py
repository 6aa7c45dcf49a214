"""Tracebacks as whoever wrote the flow wants to read them."""

from __future__ import annotations

import os
import traceback
from typing import Final

_MAX: Final = 64 * 1024
_SDK = os.path.dirname(__file__) + os.sep  # noqa: PTH120 - pathlib would be loaded for this alone
_PLUMBING = ("/asyncio/runners.py", "/asyncio/base_events.py", "/asyncio/timeouts.py")


def _is_plumbing(file: str) -> bool:
    return file.startswith(_SDK) or file.endswith(_PLUMBING)


def traceback_of(error: BaseException) -> str:
    """The traceback without the frames of this package and the event loop.

    Of a long one, the end.
    """
    whole = traceback.TracebackException.from_exception(error)
    seen: set[int] = set()
    pending: list[traceback.TracebackException | None] = [whole]
    while pending:
        part = pending.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        part.stack = traceback.StackSummary.from_list(
            [frame for frame in part.stack if not _is_plumbing(frame.filename)]
        )
        pending += [part.__cause__, part.__context__, *(part.exceptions or ())]
    text = "".join(whole.format()).rstrip()
    return text if len(text) <= _MAX else "…" + text[-_MAX:]
