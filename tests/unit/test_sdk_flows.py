from __future__ import annotations

import asyncio
import threading

import pytest

from ensue import flow, runtime, task
from ensue.errors import ParametersInvalidError, RunTimeoutError, TaskNotRunError


@flow
def review_order(order: str, total: float = 0):
    """Looks at an order."""
    return order, total


def test_a_flow_is_an_ordinary_callable():
    assert review_order("a", "2.5") == ("a", 2.5)
    assert review_order.name == "review-order"
    assert review_order.description == "Looks at an order."
    assert review_order.__doc__ == "Looks at an order."


def test_parameters_that_do_not_fit_keep_the_code_from_starting():
    started = []

    @flow
    def main(n: int):
        started.append(n)

    main.fn.__annotations__ = {"n": int}
    with pytest.raises(ParametersInvalidError, match="'n' is not valid"):
        main("many")
    assert started == []


def test_validation_can_be_left_out():
    assert review_order.with_options(validate_parameters=False)("a", "2.5") == ("a", "2.5")


def test_a_failed_flow_is_tried_again_with_the_next_attempt_number():
    attempts = []

    @flow(retries=2)
    def flaky():
        attempts.append(runtime.flow_run.attempt)
        if len(attempts) < 3:
            raise ValueError
        return "well"

    assert flaky() == "well"
    assert attempts == [1, 2, 3]


async def test_an_async_flow_is_awaited_retried_and_limited():
    attempts = []

    @flow(retries=1, timeout_seconds=0.02)
    async def flaky():
        attempts.append(1)
        if len(attempts) == 1:
            await asyncio.Event().wait()
        return "well"

    assert await flaky() == "well"
    assert len(attempts) == 2


def test_a_flow_that_takes_too_long_fails():
    @flow(timeout_seconds=0.02)
    def slow():
        threading.Event().wait(60)

    with pytest.raises(RunTimeoutError, match=r"The flow run slow-.* timeout of 0\.02 s"):
        slow()


def test_a_flow_within_a_flow_runs_inline_and_knows_its_parent():
    @flow
    def inner():
        return runtime.flow_run.flow_name, runtime.flow_run.parent_flow_run_id

    @flow
    def outer():
        return inner(), runtime.flow_run.id, runtime.flow_run.flow_name

    (name, parent), own, own_name = outer()
    assert (name, own_name) == ("inner", "outer")
    assert parent == own


def test_a_flow_ends_when_all_it_submitted_is_over():
    finished = []
    began = threading.Event()

    @task
    def background():
        began.wait(30)
        finished.append(True)

    @flow
    def main():
        background.submit()
        began.set()

    main()
    assert finished == [True]


def test_a_flow_that_fails_starts_nothing_more_and_waits_for_what_runs():
    release = threading.Event()
    ran, futures = [], []

    @task
    def runs():
        release.wait(30)
        ran.append("runs")

    @task
    def waits(_):
        ran.append("waits")

    @flow
    def main():
        first = runs.submit()
        futures.append(waits.submit(first))
        threading.Timer(0.02, release.set).start()
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        main()
    assert ran == ["runs"]
    with pytest.raises(TaskNotRunError, match="its flow ended before it could begin"):
        futures[0].result()


def test_futures_in_what_a_flow_returns_become_results():
    @task
    def double(n):
        return n * 2

    @flow
    def main():
        return {"one": double.submit(1), "all": double.map([1, 2])}

    assert main() == {"one": 2, "all": [2, 4]}


def test_a_failed_task_that_is_returned_fails_the_flow_with_its_own_error():
    @task
    def fail():
        raise KeyError("x")

    @flow
    def main():
        return fail.submit()

    with pytest.raises(KeyError):
        main()


def test_hooks_are_called_once_for_the_final_state():
    seen = []

    def note(flow, flow_run, state):
        seen.append((flow.name, flow_run.run_count, state.name, dict(flow_run.parameters)))

    @flow(retries=1, on_failure=[note], on_completion=[note])
    def main(n=1):
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        main()
    assert seen == [("main", 2, "Failed", {"n": 1})]


@pytest.mark.parametrize(
    ("error", "hook"),
    [
        (RunTimeoutError("x"), "on_failure"),
        (SystemExit(1), "on_crashed"),
        (KeyboardInterrupt(), "on_crashed"),
        (asyncio.CancelledError(), "on_cancellation"),
    ],
)
def test_each_way_to_end_has_its_hooks(error, hook):
    seen = []
    hooks = {
        name: [lambda *_, name=name: seen.append(name)]
        for name in ("on_completion", "on_failure", "on_cancellation", "on_crashed")
    }

    @flow(**hooks)
    def main():
        raise error

    with pytest.raises(type(error)):
        main()
    assert seen == [hook]


def test_a_run_can_be_named_by_its_parameters():
    @flow(flow_run_name="review-{order}")
    def main(order):
        return runtime.flow_run.name

    assert main("a7") == "review-a7"


def test_a_template_that_names_no_parameter_says_so():
    with pytest.raises(ValueError, match=r"'x-\{nope\}' cannot be filled in"):
        flow(flow_run_name="x-{nope}")(lambda: None)()


def test_outside_of_a_run_the_runtime_knows_nothing():
    assert runtime.flow_run.id is None
    assert runtime.flow_run.parameters == {}
    assert runtime.flow_run.tags == []
    assert runtime.task_run.name is None
    assert runtime.automation.name is None
    assert runtime.event is None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = runtime.nonsense


def test_inside_of_a_run_the_runtime_knows_it():
    @flow(tags=["shop", "shop"], version="3")
    def main(n=1):
        facts = runtime.flow_run
        return facts.flow_name, facts.tags, facts.parameters, facts.flow_version, facts.attempt

    assert main() == ("main", ["shop"], {"n": 1}, "3", 1)


@pytest.mark.parametrize("method", ["serve", "deploy", "from_source"])
def test_what_a_server_does_is_pointed_to(method):
    with pytest.raises(AttributeError, match="run `ensue serve DIR`"):
        getattr(review_order, method)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cron": "* * * * *"}, "automations/"),
        ({"retry": 1}, "did you mean retries"),
        ({"task_runner": 4}, "must be a ThreadPoolTaskRunner"),
    ],
)
def test_an_option_that_does_not_work_says_why(options, message):
    with pytest.raises(TypeError, match=message):
        flow(**options)(lambda: None)


def test_what_is_no_function_cannot_be_a_flow():
    with pytest.raises(TypeError, match="goes on a function"):
        flow("review")


def test_a_flow_on_a_method_gets_its_instance():
    class Shop:
        name = "corner"

        @flow
        def report(self, n):
            return self.name, n

    assert Shop().report(1) == ("corner", 1)
