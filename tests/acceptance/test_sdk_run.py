from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SDK = str(Path(__file__).parents[2] / "sdk")

FLOWS = """
import asyncio, multiprocessing, os, signal, time
from ensue import emit, flow

@flow
def add(a: int, b: int = 1):
    return {"sum": a + b, "event": emit("added", id="e1")}

def stays(ready):
    ready.set()
    time.sleep(60)

def prints():
    print("child " * 1_000_000)
    os._exit(7)

@flow
def forks():
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    first, second = fork.Process(target=stays, args=[ready]), fork.Process(target=prints)
    first.start()
    ready.wait(30)
    first.terminate()
    second.start()
    first.join(30)
    second.join(30)
    print("parent")
    return [first.exitcode, second.exitcode]

@flow
def waits():
    try:
        print("waiting")
        time.sleep(60)
    finally:
        print("cleaned up")

@flow
async def waits_async():
    try:
        print("waiting")
        await asyncio.sleep(60)
    finally:
        print("cleaned up")
"""

CHILD = """
import json, os, socket, sys
from pathlib import Path
from ensue.channel import SocketChannel
from ensue.context import RunContext
from ensue.execution import run_flow
from ensue.loading import load_flow

flow = load_flow(Path(sys.argv[1]), sys.argv[2])
channel = SocketChannel(socket.socket(fileno=int(sys.argv[4])))
channel.start()
run = RunContext(id="r1", name="r1", flow_name=flow.name)
run_flow(flow, json.loads(sys.argv[3]), run, channel)
channel.close()
os._exit(0)
"""


class Run:
    """A run in a process of its own, seen from its worker."""

    def __init__(self, process, sock):
        self.process = process
        self._sock = sock
        self._lines = sock.makefile("rb")
        self.seen = []

    def until(self, **wanted):
        """The next message that has these members; answers every request before it."""
        while True:
            line = self._lines.readline()
            assert line, f"the run ended after {self.seen}"
            message = json.loads(line)
            self.seen.append(message)
            if "seq" in message:
                self.tell(type="ack", seq=message["seq"], ok=True)
            if wanted.items() <= message.items():
                return message

    def tell(self, **message):
        self._sock.sendall(json.dumps(message).encode() + b"\n")

    def close(self):
        self._lines.close()
        self._sock.close()


@pytest.fixture
def start(tmp_path):
    file = tmp_path / "some_flows.py"
    file.write_text(FLOWS)
    runs = []

    def launch(function, **parameters):
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        with theirs:
            fd = str(theirs.fileno())
            process = subprocess.Popen(
                [sys.executable, "-c", CHILD, str(file), function, json.dumps(parameters), fd],
                env={**os.environ, "PYTHONPATH": SDK},
                pass_fds=[theirs.fileno()],
                stdout=subprocess.DEVNULL,
            )
        runs.append(Run(process, ours))
        return runs[-1]

    yield launch
    for run in runs:
        run.close()
        run.process.kill()
        run.process.wait(30)


def test_a_run_is_reported_over_its_socket(start):
    run = start("add", a="2")
    assert run.until(type="started")["pid"] == run.process.pid
    finished = run.until(type="finished")
    assert (finished["state"], finished["result"]) == ("completed", {"sum": 3, "event": "e1"})
    assert [message["type"] for message in run.seen] == ["started", "emit", "finished"]
    assert run.process.wait(30) == 0


@pytest.mark.parametrize("flow", ["waits", "waits_async"])
def test_a_cancel_over_the_socket_interrupts_a_run_that_sleeps(start, flow):
    run = start(flow)
    run.until(type="log", message="waiting")
    run.tell(type="cancel")
    run.until(type="log", message="cleaned up")
    assert run.until(type="finished")["state"] == "cancelled"
    assert run.process.wait(30) == 0


@pytest.mark.parametrize("flow", ["waits", "waits_async"])
def test_sigterm_interrupts_a_run_that_sleeps(start, flow):
    run = start(flow)
    run.until(type="log", message="waiting")
    run.process.send_signal(signal.SIGTERM)
    assert run.until(type="finished")["state"] == "cancelled"
    assert run.process.wait(30) == 0


def test_processes_that_a_flow_forks_print_and_end_like_any_other(start):
    run = start("forks")
    finished = run.until(type="finished")
    assert (finished["state"], finished["result"]) == ("completed", [-signal.SIGTERM, 7])
    assert [m["message"] for m in run.seen if m["type"] == "log"] == ["parent"]
    assert run.process.wait(30) == 0
