# ruff: noqa: T201 - what flows print is what is tested
from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading

import pytest

from ensue import emit, flow, get_run_logger, runtime, task
from ensue.context import RunContext
from ensue.execution import MAX_RESULT, run_flow


class Worker:
    """A worker that answers everything, and cancels when it is told to."""

    def __init__(self):
        self.sent = []
        self.cancel_on = None
        self._cancel = None

    def on_cancel(self, callback):
        self._cancel = callback

    def send(self, message):
        self.sent.append(message)
        if self.cancel_on and self.cancel_on in message.get("message", ""):
            threading.Thread(target=self._cancel).start()

    def request(self, message, timeout):
        self.send(message)
        return {"type": "ack", "ok": True}

    def types(self):
        return [message["type"] for message in self.sent]

    def logs(self):
        return [message["message"] for message in self.sent if message["type"] == "log"]

    def task_states(self):
        return [(m["name"], m["state"]) for m in self.sent if m["type"] == "task"]


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def shop():
    """A logger with no handler of its own or above it, as without any configuration."""
    return logging.Logger("shop")  # noqa: LOG001 - in the tree it would meet pytest's handlers


def run(flow, worker, parameters=None, **facts):
    context = RunContext(id="r1", name="happy-run", flow_name=flow.name, **facts)
    return run_flow(flow, parameters or {}, context, worker)


def test_a_run_is_reported_from_its_start_to_its_result(worker):
    @flow
    def main(n: int):
        print("working")
        return {"n": n}

    finished = run(main, worker, {"n": 1}, attempt=2)
    assert worker.types() == ["started", "log", "finished"]
    started = worker.sent[0]
    assert (started["run_id"], started["attempt"], started["pid"]) == ("r1", 2, os.getpid())
    assert (finished["state"], finished["result"], finished["error"]) == (
        "completed",
        {"n": 1},
        None,
    )


def test_invalid_parameters_fail_the_run_before_it_starts(worker):
    entered = []

    @flow
    def main(order, total=0):
        entered.append(order)

    finished = run(main, worker, {"totl": 3})
    assert "started" not in worker.types()
    assert finished["state"] == "failed"
    assert finished["error"]["code"] == "parameters_invalid"
    assert "'order' is missing" in finished["message"]
    assert "'totl' is not one of its parameters" in finished["message"]
    assert entered == []


def test_a_failure_carries_a_traceback_of_the_users_code_only(worker):
    @task
    def score():
        raise ValueError("no such order")

    @flow
    def main():
        return score()

    finished = run(main, worker)
    assert finished["state"] == "failed"
    assert finished["error"]["type"] == "ValueError"
    assert finished["error"]["message"] == "no such order"
    assert "in score" in finished["error"]["traceback"]
    assert "sdk/ensue/" not in finished["error"]["traceback"]
    assert finished["error"]["traceback"] in worker.logs()


def test_an_attempt_is_made_once_whatever_the_retries(worker):
    attempts = []

    @flow(retries=3)
    def main():
        attempts.append(1)
        raise ValueError

    assert run(main, worker)["state"] == "failed"
    assert attempts == [1]


@pytest.mark.parametrize(("attempt", "called"), [(1, []), (2, []), (3, ["Failed"])])
def test_hooks_on_a_failure_wait_for_the_last_attempt(worker, attempt, called):
    seen = []

    @flow(retries=2, on_failure=[lambda flow, flow_run, state: seen.append(state.name)])
    def main():
        raise ValueError

    run(main, worker, attempt=attempt)
    assert seen == called


def test_a_hook_may_still_emit(worker):
    @flow(on_completion=[lambda *_: emit("done")])
    def main(): ...

    run(main, worker)
    assert worker.types() == ["started", "emit", "finished"]


def test_tasks_report_each_state(worker):
    @task(retries=1)
    def flaky():
        if runtime.task_run.attempt == 1:
            raise ValueError("once")

    @task
    def fails():
        raise ValueError

    @flow
    def main():
        flaky()
        fails.submit().wait()

    run(main, worker)
    assert worker.task_states() == [
        ("flaky-0", "running"),
        ("flaky-0", "retrying"),
        ("flaky-0", "running"),
        ("flaky-0", "completed"),
        ("fails-0", "running"),
        ("fails-0", "failed"),
    ]


def test_a_flow_that_takes_too_long_is_timed_out(worker):
    @flow(timeout_seconds=0.02)
    def main():
        threading.Event().wait(60)

    finished = run(main, worker)
    assert (finished["state"], finished["error"]["code"]) == ("timed_out", "timed_out")


@pytest.mark.parametrize("repetition", range(5))
def test_a_cancelled_flow_cleans_up_and_stops(worker, repetition):
    @flow
    def main():
        try:
            print("waiting")
            threading.Event().wait(60)
        except Exception:  # noqa: BLE001 - what users write
            print("swallowed")
        finally:
            print("cleaned up")

    worker.cancel_on = "waiting"
    finished = run(main, worker)
    assert finished["state"] == "cancelled"
    assert worker.logs() == ["waiting", "cleaned up"]


@pytest.mark.parametrize("repetition", range(5))
def test_a_cancelled_async_flow_cleans_up_and_stops(worker, repetition):
    @flow
    async def main():
        try:
            print("waiting")
            await asyncio.Event().wait()
        finally:
            print("cleaned up")

    worker.cancel_on = "waiting"
    assert run(main, worker)["state"] == "cancelled"
    assert worker.logs() == ["waiting", "cleaned up"]


def test_sigterm_cancels_too_and_its_hooks_are_called(worker):
    seen = []

    @flow(on_cancellation=[lambda *_: seen.append("cancelled")])
    def main():
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(60)

    assert run(main, worker)["state"] == "cancelled"
    assert seen == ["cancelled"]


def test_a_second_signal_leaves_the_clean_up_alone(worker):
    @flow
    def twice():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            print("cleaned up")

    assert run(twice, worker)["state"] == "cancelled"
    assert worker.logs() == ["cleaned up"]


def test_a_run_that_was_cancelled_before_it_began_does_not_begin(worker):
    entered = []

    @flow
    def main():
        entered.append(1)

    class Early(Worker):
        def on_cancel(self, callback):
            callback()

    early = Early()
    assert run(main, early)["state"] == "cancelled"
    assert entered == []


def test_the_handler_of_sigterm_is_put_back(worker):
    before = signal.getsignal(signal.SIGTERM)
    run(flow(lambda: None), worker)
    assert signal.getsignal(signal.SIGTERM) == before


def test_sys_exit_is_a_failure(worker):
    @flow
    def main():
        sys.exit(3)

    finished = run(main, worker)
    assert finished["state"] == "failed"
    assert finished["message"] == "SystemExit: 3"


def test_a_result_without_a_json_form_is_left_out_with_a_warning(worker):
    finished = run(flow(object), worker)
    assert (finished["state"], finished["result"]) == ("completed", None)
    assert "no JSON form" in finished["message"]
    assert "no JSON form" in worker.logs()[0]


def test_a_result_that_is_too_large_is_left_out_and_says_its_size(worker):
    finished = run(flow(lambda: "x" * MAX_RESULT), worker)
    assert (finished["state"], finished["result"]) == ("completed", None)
    assert "65,538 bytes" in finished["message"]
    assert run(flow(lambda: "x" * (MAX_RESULT - 2)), worker)["result"] is not None


def test_the_run_knows_what_set_it_off(worker):
    @flow
    def main():
        return [
            runtime.flow_run.id,
            runtime.flow_run.name,
            runtime.flow_run.tags,
            runtime.automation.name,
            runtime.event["type"],
        ]

    facts = {"tags": ("shop",), "automation": "large-orders", "event": {"type": "order.created"}}
    assert run(main, worker, **facts)["result"] == [
        "r1",
        "happy-run",
        ["shop"],
        "large-orders",
        "order.created",
    ]


def test_a_thread_of_the_users_own_belongs_to_the_run(worker):
    @flow
    def main():
        found = []
        thread = threading.Thread(target=lambda: found.append(runtime.flow_run.id))
        thread.start()
        thread.join()
        return found

    assert run(main, worker)["result"] == ["r1"]


def test_everything_said_in_a_flow_is_sent_in_order(worker, shop):
    @flow(log_prints=True)
    def main():
        print("printed")
        get_run_logger().warning("logged")
        shop.error("a library")

    run(main, worker)
    assert [(m["logger"], m["message"]) for m in worker.sent if m["type"] == "log"] == [
        ("ensue.flow_runs", "printed"),
        ("ensue.flow_runs", "logged"),
        ("shop", "a library"),
    ]


def test_a_validator_that_breaks_is_told_as_invalid_parameters(worker):
    from typing import Annotated

    from pydantic import AfterValidator

    def breaks(value):
        raise KeyError("oops")

    def main(n): ...

    main.__annotations__ = {"n": Annotated[int, AfterValidator(breaks)]}
    finished = run(flow(main), worker, {"n": 1})
    assert finished["error"]["code"] == "parameters_invalid"
    assert "KeyError: 'oops'" in finished["message"]


def test_a_line_that_is_being_printed_is_neither_lost_nor_repeated(worker):
    @flow
    def main():
        print("half of it")
        threading.Event().wait(60)

    class Abrupt(Worker):
        def send(self, message):
            if message.get("message") == "half of it":
                os.kill(os.getpid(), signal.SIGTERM)
                threading.Event().wait(0.01)
            super().send(message)

    abrupt = Abrupt()
    assert run(main, abrupt)["state"] == "cancelled"
    assert abrupt.logs() == ["half of it"]
