"""The state a flow or task run is in, as hooks, futures and retry conditions see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

StateType = Literal[
    "pending", "running", "retrying", "completed", "failed", "timed_out", "cancelled", "crashed"
]
_FINAL = frozenset({"completed", "failed", "timed_out", "cancelled", "crashed"})
_FAILED = frozenset({"failed", "timed_out"})


@dataclass(frozen=True, slots=True)
class State:
    """A state and, once it is final, how it came about.

    `message` is a sentence for people; `value` and `error` are what the run returned or
    raised.
    """

    type: StateType
    message: str = ""
    value: Any = None
    error: BaseException | None = None

    @property
    def name(self) -> str:
        """As people write it: `Completed`, `TimedOut`."""
        return self.type.title().replace("_", "")

    def result(self, *, raise_on_failure: bool = True) -> Any:
        """What the run returned; what it raised is raised, or returned if you say so."""
        if self.error is not None and raise_on_failure:
            raise self.error
        return self.value if self.error is None else self.error

    def is_final(self) -> bool:
        return self.type in _FINAL

    def is_pending(self) -> bool:
        return self.type == "pending"

    def is_running(self) -> bool:
        return self.type == "running"

    def is_completed(self) -> bool:
        return self.type == "completed"

    def is_failed(self) -> bool:
        """Also true of a run that timed out."""
        return self.type in _FAILED

    def is_cancelled(self) -> bool:
        return self.type == "cancelled"

    def is_crashed(self) -> bool:
        return self.type == "crashed"


def describe_error(error: BaseException) -> str:
    """`ValueError: no such order`, or only the name of the type where it says nothing."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def state_of(error: BaseException) -> State:
    """The final state of a run that was left by `error`.

    What is no Exception (`sys.exit()`, Ctrl-C) counts as a crash of the code around it.
    """
    from ensue.errors import Cancelled, RunTimeoutError

    kind: StateType
    if isinstance(error, RunTimeoutError):
        kind = "timed_out"
    elif isinstance(error, Cancelled) or type(error).__name__ == "CancelledError":
        kind = "cancelled"  # asyncio's and concurrent.futures', without loading either
    elif isinstance(error, Exception):
        kind = "failed"
    else:
        kind = "crashed"
    return State(kind, describe_error(error), error=error)
