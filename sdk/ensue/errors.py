"""What can go wrong in a flow.

Exception
├── ParametersInvalidError   values that do not fit the flow's signature  (a ValueError)
├── RunTimeoutError          a flow or task took too long               (a TimeoutError)
├── TaskNotRunError          a task never began, because of what it waited for
├── EmitError                an event that is not known to be stored
└── ChannelClosedError       the worker is gone                       (a ConnectionError)
BaseException
└── Cancelled                the run was cancelled: clean up in `finally`, and leave
"""

from __future__ import annotations

from collections.abc import Sequence


class ParametersInvalidError(ValueError):
    """The flow did not start. `problems` has a (parameter, sentence) for each."""

    code = "parameters_invalid"

    def __init__(self, flow: str, problems: Sequence[tuple[str, str]]) -> None:
        self.flow = flow
        self.problems = tuple(problems)
        told = "; ".join(f"{name!r} {sentence}" for name, sentence in problems)
        super().__init__(f"The parameters do not fit the flow {flow!r}: {told}.")


class RunTimeoutError(TimeoutError):
    """A flow or a task ran for longer than its `timeout_seconds`."""


class TaskNotRunError(Exception):
    """A task that never began: one it waited for failed, or its flow ended before.

    Where a failure is the reason, it is the `__cause__`.
    """


class EmitError(Exception):
    """The event is not known to be stored.

    `id` is its id. Sending the same id again is safe: an event that did arrive is
    recognised as a duplicate, which changes nothing.
    """

    def __init__(self, message: str, *, id: str) -> None:  # noqa: A002 - CloudEvents' word
        super().__init__(message)
        self.id = id


class ChannelClosedError(ConnectionError):
    """The line to the worker is closed, so nothing can be reported any more."""


class Cancelled(BaseException):
    """Raised in the main thread of a run that is cancelled.

    Like KeyboardInterrupt it is no Exception, so `except Exception` does not hold it up.
    Clean up in `finally`, within the worker's grace period, and let it pass.
    """
