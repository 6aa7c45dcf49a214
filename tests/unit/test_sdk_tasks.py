from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from ensue import ThreadPoolTaskRunner, as_completed, flow, runtime, task, unmapped, wait
from ensue.errors import RunTimeoutError, TaskNotRunError
from ensue.tasks import exponential_backoff

place: ContextVar[str] = ContextVar("place", default="nowhere")


@task
def double(n):
    return n * 2


@task
def add(a, b):
    return a + b


@task
def fail(why="broken"):
    raise ValueError(why)


def test_a_task_is_an_ordinary_callable():
    assert double(4) == 8
    assert double.name == "double"
    assert double.__name__ == "double"


def test_a_name_has_hyphens_for_underscores():
    @task
    def score_order(): ...

    assert score_order.name == "score-order"


async def test_an_async_task_is_awaited():
    @task
    async def later(n):
        await asyncio.get_running_loop().run_in_executor(None, int)
        return n

    assert await later(3) == 3


def test_a_failed_task_is_tried_again_as_often_as_said():
    attempts = []

    @task(retries=2)
    def flaky():
        attempts.append(runtime.task_run.attempt)
        raise ValueError(len(attempts))

    with pytest.raises(ValueError, match="3"):
        flaky()
    assert attempts == [1, 2, 3]


async def test_an_async_task_is_tried_again_too():
    attempts = []

    @task(retries=2)
    async def flaky():
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError
        return "well"

    assert await flaky() == "well"


def test_a_retry_condition_decides_by_the_state():
    seen = []

    def only_keys(task, task_run, state):
        try:
            state.result()
        except KeyError:
            seen.append(task_run.run_count)
            return True
        except ValueError:
            return False

    @task(retries=5, retry_condition_fn=only_keys)
    def flaky():
        if runtime.task_run.attempt < 3:
            raise KeyError
        raise ValueError("for good")

    with pytest.raises(ValueError, match="for good"):
        flaky()
    assert seen == [1, 2]


def test_a_retry_condition_that_breaks_means_no():
    attempts = []

    @task(retries=5, retry_condition_fn=lambda *_: 1 / 0)
    def flaky():
        attempts.append(1)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        flaky()
    assert attempts == [1]


def test_a_task_that_takes_too_long_fails_and_may_be_retried():
    attempts = []

    @task(timeout_seconds=0.02, retries=1)
    def slow():
        attempts.append(1)
        if len(attempts) == 1:
            threading.Event().wait(60)
        return "fast"

    assert slow() == "fast"
    assert len(attempts) == 2


def test_a_submitted_task_that_takes_too_long_fails():
    release = threading.Event()

    @task(timeout_seconds=0.02)
    def slow():
        release.wait(60)

    @flow
    def main():
        future = slow.submit()
        with pytest.raises(RunTimeoutError):
            future.result()
        return future.state.type

    try:
        assert main() == "timed_out"
    finally:
        release.set()


def test_futures_stand_for_their_results_also_within_containers():
    @task
    def total(groups, *, extra):
        return sum(sum(group) for group in groups) + extra["n"]

    @flow
    def main():
        two, four = double.submit(1), double.submit(2)
        return total.submit([(two, four), [1]], extra={"n": four}).result()

    assert main() == 11


def test_a_direct_call_takes_futures_too():
    @flow
    def main():
        return add(double.submit(1), 1)

    assert main() == 3


def test_what_waits_for_a_failure_never_runs_and_says_why():
    ran = []

    @task
    def after(value):
        ran.append(value)

    @flow
    def main():
        broken = fail.submit("no such order")
        by_argument = after.submit([broken])
        by_order = after.submit(1, wait_for=[broken])
        beyond = after.submit(by_argument)
        wait([by_argument, by_order, beyond])
        for future in (by_argument, by_order, beyond):
            assert future.state.is_failed()
        with pytest.raises(
            TaskNotRunError, match="needs fail-0, which failed: ValueError"
        ) as error:
            by_argument.result()
        assert isinstance(error.value.__cause__, ValueError)
        with pytest.raises(TaskNotRunError):
            after(2, wait_for=[broken])

    main()
    assert ran == []


def test_a_function_may_have_a_parameter_called_wait_for():
    @task
    def own(wait_for):
        return wait_for

    assert own(wait_for=3) == 3


def test_map_runs_once_for_each_element_in_step():
    @flow
    def main():
        sums = add.map([1, 2, 3], [10, double.submit(10), 30])
        return sums.result()

    assert main() == [11, 22, 33]


def test_map_gives_every_run_what_is_not_iterable_or_is_unmapped():
    @task
    def show(n, unit, several):
        return f"{n}{unit}{several}"

    @flow
    def main():
        return show.map([1, 2], "kg", unmapped([7, 8])).result()

    assert main() == ["1kg[7, 8]", "2kg[7, 8]"]


def test_map_goes_over_a_futures_result():
    @task
    def numbers():
        return [1, 2, 3]

    @flow
    def main():
        return double.map(numbers.submit())

    assert main() == [2, 4, 6]


def test_map_over_different_lengths_says_which():
    @flow
    def main():
        add.map([1, 2], b=[1, 2, 3])

    with pytest.raises(ValueError, match="one length: 0 has 2, 'b' has 3"):
        main()


def test_map_over_nothing_iterable_says_so():
    @flow
    def main():
        add.map(1, 2)

    with pytest.raises(ValueError, match="needs an argument to map over"):
        main()


def test_map_over_an_empty_list_is_an_empty_list():
    @flow
    def main():
        return double.map([]).result()

    assert main() == []


def test_a_call_that_does_not_fit_fails_where_it_is_written():
    @flow
    def main():
        add.submit(1)

    with pytest.raises(TypeError, match="The task 'add': missing a required argument: 'b'"):
        main()


def test_submit_outside_of_a_flow_says_what_to_do():
    with pytest.raises(RuntimeError, match="call the task directly"):
        double.submit(1)


def test_a_result_that_is_not_there_in_time_is_a_timeout():
    release = threading.Event()

    @task
    def waits():
        release.wait(60)
        return 1

    @flow
    def main():
        future = waits.submit()
        try:
            with pytest.raises(TimeoutError, match="waits-0 is not over"):
                future.result(timeout=0.01)
            assert wait([future], timeout=0.01).not_done == {future}
            assert not future.done()
        finally:
            release.set()
        assert future.result(timeout=60) == 1

    main()


def test_a_failure_is_returned_when_asked_for():
    @flow
    def main():
        return repr(fail.submit("x").result(raise_on_failure=False))

    assert main() == "ValueError('x')"


def test_as_completed_gives_each_as_it_is_over():
    release = threading.Event()

    @task
    def first():
        return "first"

    @task
    def last():
        release.wait(60)
        return "last"

    @flow
    def main():
        order = []
        for future in as_completed([last.submit(), first.submit()]):
            order.append(future.result())
            release.set()
        return order

    assert main() == ["first", "last"]


def test_context_variables_reach_a_submitted_task():
    @task
    def where():
        return place.get()

    @flow
    def main():
        place.set("Berlin")
        return where.submit().result()

    assert main() == "Berlin"


def test_no_more_than_max_workers_tasks_run_at_once():
    running, most, lock = 0, 0, threading.Lock()
    met = threading.Barrier(2)

    @task
    def work(n):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        met.wait(30)
        with lock:
            running -= 1

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def main():
        work.map(range(8)).wait()

    main()
    assert most == 2


def test_tasks_that_wait_for_tasks_they_submit_do_not_deadlock():
    @task
    def parent(n):
        return sum(double.map([n, n]).result())

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def main():
        return parent.map([1, 2, 3]).result()

    assert main() == [4, 8, 12]


def test_an_async_task_can_be_submitted():
    @task
    async def later(n):
        return n

    @flow
    def main():
        return later.map([1, 2]).result()

    assert main() == [1, 2]


async def test_an_async_flow_awaits_a_future_without_holding_up_its_loop():
    @flow
    async def main():
        loop, release = asyncio.get_running_loop(), threading.Event()

        @task
        def waits():
            return release.wait(60)

        loop.call_soon(release.set)
        return await waits.submit().result_async()

    assert await main() is True


def test_hooks_are_called_with_the_task_its_run_and_the_state():
    seen = []

    def note(task, task_run, state):
        seen.append((task.name, task_run.name, state.name))

    @flow
    def main():
        double.with_options(on_completion=[note])(1)
        with pytest.raises(ValueError, match="broken"):
            fail.with_options(on_failure=[note], retries=1)()

    main()
    assert seen == [("double", "double-0", "Completed"), ("fail", "fail-0", "Failed")]


def test_a_hook_that_fails_changes_nothing():
    assert double.with_options(on_completion=[lambda *_: 1 / 0])(2) == 4


def test_an_async_hook_is_awaited():
    seen = []

    async def note(task, task_run, state):
        seen.append(state.result())

    double.with_options(on_completion=[note])(2)
    assert seen == [4]


def test_a_run_name_is_filled_in_with_the_arguments():
    @task(task_run_name="score-{order}-{n}")
    def score(order, n=1):
        return runtime.task_run.name

    assert score("a7") == "score-a7-1"


def test_a_task_on_a_method_gets_its_instance():
    class Shop:
        def __init__(self):
            self.factor = 3

        @task
        def price(self, n):
            return n * self.factor

    assert Shop().price(2) == 6


def test_with_options_leaves_the_original_as_it_is():
    other = double.with_options(name="twice", retries=2)
    assert (other.name, other.retries, other(1)) == ("twice", 2, 2)
    assert (double.name, double.retries) == ("double", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retrys": 1}, "did you mean retries"),
        ({"cache_policy": None}, "results of tasks are not cached"),
        ({"on_failure": print}, "on_failure must be a list"),
        ({"tags": "shop"}, "tags must be a list"),
    ],
)
def test_an_option_that_does_not_work_says_why(options, message):
    with pytest.raises(TypeError, match=message):
        task(**options)(lambda: None)


def test_options_of_prefect_that_change_nothing_are_accepted():
    assert task(persist_result=True, cache_result_in_memory=False)(lambda: 3)() == 3


def test_a_generator_is_refused():
    with pytest.raises(TypeError, match="cannot go on a generator"):

        @task
        def numbers():
            yield 1


def test_delays_can_be_exponential():
    retried = task(retries=3, retry_delay_seconds=exponential_backoff(1))(lambda: None)
    assert retried.retry_policy.delays == (1, 2, 4)
