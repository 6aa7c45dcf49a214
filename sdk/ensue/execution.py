"""One attempt of a flow run, for a worker: what a run's process calls.

    ready → validate ──✗──────────────→ finished (failed, parameters_invalid)
               ✓
            started → the flow's code → finished (completed, failed, timed_out, cancelled)

Retrying the flow is the server's business: it starts the next attempt, in a new process.
So hooks on a failure are called only by the attempt that will not be followed by another.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Final

from ensue.cancellation import Cancellation
from ensue.channel import Channel, Message, no_channel, use_channel
from ensue.context import RunContext, inside_flow, sole_run
from ensue.encoding import encode
from ensue.errors import ParametersInvalidError
from ensue.flow_runs import FlowCall
from ensue.flows import Flow
from ensue.forks import undone_in_forks
from ensue.ids import now_micros
from ensue.logs import clean, get_run_logger, records_to
from ensue.states import State, describe_error, state_of
from ensue.tracebacks import traceback_of

__all__ = ["MAX_RESULT", "run_flow", "traceback_of"]

MAX_RESULT: Final = 64 * 1024
_MAX_MESSAGE: Final = 8 * 1024
_FINISH_SECONDS: Final = 60.0
_REPORTED = {"crashed": "failed"}
"""`sys.exit()` in a flow: the process is well, so for the server the run has failed."""
_CODES = {"failed": "flow_failed", "timed_out": "timed_out", "cancelled": "cancelled"}


def run_flow(
    flow: Flow[..., Any], parameters: Mapping[str, Any], run: RunContext, channel: Channel
) -> Message:
    """Runs one attempt and reports it through the channel; returns the `finished` message.

    When it returns, the worker has answered that message. Raises ChannelClosedError or
    TimeoutError when it has not. Whatever the flow's code raises is reported, not raised.

    Call it in the main thread, where SIGTERM and the worker's `cancel` interrupt the flow
    (a second one is ignored: whoever has no patience left kills). Threads of tasks that
    outlive a cancelled or timed-out flow are still running when it returns: end the
    process with `os._exit`, after closing the channel.
    """
    with use_channel(channel), undone_in_forks(no_channel), Cancellation(channel) as cancellation:
        with records_to(channel):
            finished = _conduct(flow, parameters, run, channel, cancellation)
        channel.request(finished, timeout=_FINISH_SECONDS)
    return finished


def _conduct(
    flow: Flow[..., Any],
    parameters: Mapping[str, Any],
    run: RunContext,
    channel: Channel,
    cancellation: Cancellation,
) -> Message:
    try:
        arguments = _valid(flow, parameters)
    except ParametersInvalidError as error:
        get_run_logger().error("%s", error)
        return _finished(State("failed", str(error), error=error))
    call = FlowCall(flow, arguments, run)
    with sole_run(call.current):
        channel.send(
            {
                "type": "started",
                "run_id": run.id,
                "attempt": run.attempt,
                "pid": os.getpid(),
                "at": now_micros(),
            }
        )
        state = _outcome(flow, call, run.attempt, cancellation)
        if not (state.is_failed() and run.attempt <= flow.retries):
            call.conclude(state)
        with inside_flow(call.current):
            return _finished(state)


def _valid(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    arguments = flow.parameters.from_mapping(parameters)
    if not flow.validate_parameters:
        return arguments
    try:
        return flow.parameters.validate(arguments)
    except ParametersInvalidError:
        raise
    except Exception as error:  # a validator of the user's that breaks
        told = f"could not be validated: {describe_error(error)}"
        raise ParametersInvalidError(flow.name, [("parameters", told)]) from error


def _outcome(
    flow: Flow[..., Any], call: FlowCall, attempt: int, cancellation: Cancellation
) -> State:
    try:
        with cancellation.allowed():
            if flow.isasync:
                value = asyncio.run(cancellation.of_task(call.attempt_async(attempt)))
            else:
                value = call.attempt(attempt)
    except BaseException as error:  # noqa: BLE001 - reported: this is the end of the user's code
        state = state_of(error)
        if not state.is_cancelled():
            with inside_flow(call.current):
                get_run_logger().error("%s", traceback_of(error))
        return state
    return State("completed", value=value)


def _finished(state: State) -> Message:
    result, note = _result_of(state.value) if state.is_completed() else (None, "")
    kind = _REPORTED.get(state.type, state.type)
    error = None
    if state.error is not None:
        told = isinstance(state.error, ParametersInvalidError)
        error = {
            "type": type(state.error).__name__,
            "message": clean(str(state.error))[:_MAX_MESSAGE],
            "traceback": "" if told else clean(traceback_of(state.error)),
            "code": ParametersInvalidError.code if told else _CODES[kind],
        }
    return {
        "type": "finished",
        "state": kind,
        "message": clean(note or state.message)[:_MAX_MESSAGE],
        "result": result,
        "error": error,
        "at": now_micros(),
    }


def _result_of(value: Any) -> tuple[Any, str]:
    """The result as JSON, or None and a sentence that says why."""
    import json

    try:
        text = encode(value)
    except Exception as error:  # noqa: BLE001 - an object of the user's that will not be encoded
        told = f"The result was left out, as it has no JSON form: {error}"
        get_run_logger().warning("%s", told)
        return None, told
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_RESULT:
        told = f"The result was left out: it has {size:,} bytes, and {MAX_RESULT:,} is the most."
        get_run_logger().warning("%s", told)
        return None, told
    return json.loads(text), ""
