# ruff: noqa: T201 - what flows print is what is tested
from __future__ import annotations

import io
import logging
import sys
import threading

import pytest

from ensue import flow, get_run_logger, task
from ensue.logs import records_to


class Recorder:
    def __init__(self):
        self.sent = []

    def send(self, message):
        self.sent.append(message)

    def told(self):
        return [(m["logger"], m["level"], m["message"]) for m in self.sent if m["type"] == "log"]


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def shop():
    """A logger with no handler of its own or above it, as without any configuration."""
    return logging.Logger("shop")  # noqa: LOG001 - in the tree it would meet pytest's handlers


def test_the_run_logger_says_which_run_it_is(caplog):
    @task
    def step():
        get_run_logger().info("in a task", extra=None)

    @flow
    def main():
        get_run_logger(order="a1").info("in %s", "a flow")
        step()

    with caplog.at_level(logging.INFO, "ensue"):
        main()
    first, second = caplog.records
    assert (first.name, first.getMessage(), first.order) == ("ensue.flow_runs", "in a flow", "a1")
    assert first.flow_name == "main"
    assert (second.name, second.task_run_name) == ("ensue.task_runs", "step-0")
    assert second.flow_run_id == first.flow_run_id


def test_outside_of_a_run_the_logger_works_all_the_same(caplog):
    with caplog.at_level(logging.INFO, "ensue"):
        get_run_logger().info("alone")
    assert caplog.messages == ["alone"]


def test_log_prints_makes_records_of_what_is_printed(caplog, capsys):
    @task
    def inherits():
        print("task", 1)

    @task(log_prints=False)
    def refuses():
        print("plain")

    @flow(log_prints=True)
    def main():
        print("flow", 1, sep="-", end="!\n")
        inherits.submit().result()
        refuses()

    with caplog.at_level(logging.INFO, "ensue"):
        main()
        print("after")
    assert [(r.name, r.message) for r in caplog.records] == [
        ("ensue.flow_runs", "flow-1"),
        ("ensue.task_runs", "task 1"),
    ]
    assert capsys.readouterr().out == "plain\nafter\n"


def test_printing_to_a_file_of_ones_own_is_left_alone(caplog):
    file = io.StringIO()

    @flow(log_prints=True)
    def main():
        print("mine", file=file)

    with caplog.at_level(logging.INFO, "ensue"):
        main()
    assert file.getvalue() == "mine\n"
    assert caplog.records == []


def test_print_is_itself_again_after_runs_that_overlap():
    before = print
    inside, leave = threading.Event(), threading.Event()

    @flow(log_prints=True)
    def first():
        inside.set()
        leave.wait(30)

    @flow(log_prints=True)
    def second():
        pass

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(30)
    second()
    leave.set()
    thread.join(30)
    assert print is before


def test_in_a_workers_child_records_and_output_become_log_lines(recorder):
    with records_to(recorder):
        print("a", "b")
        print("to stderr", file=sys.stderr)
        sys.stdout.buffer.write(b"raw\n")
        sys.stdout.flush()
        get_run_logger().info("%d orders", 3)
    assert recorder.told() == [
        ("stdout", "INFO", "a b"),
        ("stderr", "INFO", "to stderr"),
        ("stdout", "INFO", "raw"),
        ("ensue.flow_runs", "INFO", "3 orders"),
    ]


def test_a_line_without_its_end_is_sent_when_the_run_is_over():
    recorder = Recorder()
    with records_to(recorder):
        print("half", end="", flush=True)
        assert recorder.told() == []
    assert recorder.told() == [("stdout", "INFO", "half")]


def test_output_that_never_ends_its_line_does_not_pile_up(recorder):
    with records_to(recorder):
        sys.stdout.write("x" * 200_000)
        sys.stdout.flush()
    assert sum(len(message) for _, _, message in recorder.told()) == 200_000


def test_loggers_nobody_configured_send_warnings(recorder, shop):
    with records_to(recorder):
        shop.info("quiet")
        shop.warning("loud")
    assert recorder.told() == [("shop", "WARNING", "loud")]


def test_an_exception_is_logged_with_its_traceback(recorder):
    with records_to(recorder):
        get_run_logger().error("It broke.", exc_info=ValueError("no such order"))
    ((_, level, message),) = recorder.told()
    assert level == "ERROR"
    assert message.startswith("It broke.\n")
    assert message.endswith("ValueError: no such order")


def test_a_record_that_cannot_be_formatted_breaks_nothing(recorder):
    with records_to(recorder):
        get_run_logger().info("%d orders", "three")
    assert any("Logging error" in message for _, _, message in recorder.told())


def test_a_nul_is_shown_and_not_sent(recorder):
    with records_to(recorder):
        print("a\0b")
    assert recorder.told() == [("stdout", "INFO", "a␀b")]


def test_a_captured_stream_still_has_its_file_number(recorder, capfd):
    original = sys.stdout.fileno()
    with records_to(recorder):
        assert sys.stdout.fileno() == original
        assert not sys.stdout.isatty()


def test_log_lines_of_a_task_name_its_run(recorder):
    with records_to(recorder):

        @task
        def step():
            print("here")
            get_run_logger().info("there")
            return get_run_logger().extra["task_run_id"]

        run = step()
    assert [message["task_run_id"] for message in recorder.sent] == [run, run]


def test_afterwards_everything_is_as_it_was():
    ours = logging.getLogger("ensue")
    before = ours.handlers[:], ours.level, ours.propagate, logging.lastResort, sys.stdout
    with records_to(Recorder()):
        assert sys.stdout is not before[4]
    assert (ours.handlers[:], ours.level, ours.propagate, logging.lastResort, sys.stdout) == before
