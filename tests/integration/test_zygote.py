"""The fork server and its client: processes that start fast and never outlive their worker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.channel import RunChannel
from engine.launcher import ProcessLauncher, environment
from engine.zygote_client import LaunchError, ZygoteClient
from ensue import zygote as zygote_module
from ensue.spares import Spare

ROOT = Path(__file__).resolve().parents[2]

FLOWS = """
import os, subprocess, sys, time
from pathlib import Path
from ensue import flow


@flow
def waits(marker: str):
    other = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    Path(marker).write_text(f"{os.getpid()} {other.pid}")
    time.sleep(60)


@flow
def nothing():
    pass


@flow
def shows():
    print(os.environ.get("GIVEN"), os.getpid() == os.getpgrp(), sys.stdin.read() == "")
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "all.py").write_text(FLOWS)
    return tmp_path


class Listener:
    """Collects what a process says."""

    def __init__(self):
        self.messages, self.output, self.reasons = [], {"stdout": b"", "stderr": b""}, []
        self.finished = asyncio.Event()

    def received(self, message):
        self.messages.append(message)
        if message["type"] == "finished":
            self.finished.set()

    def printed(self, stream, data):
        self.output[stream] += data

    def broken(self, reason):
        self.reasons.append(reason)


def orders(project, function, **parameters):
    run = {"id": "r1", "flow": function, "attempt": 1, "tags": [], "automation": None}
    return {
        "type": "run",
        "directory": str(project),
        "file": "flows/all.py",
        "function": function,
        "parameters": parameters,
        "run": run,
    }


async def launch(zygote, project, function, name="r1/1", given=None, **parameters):
    listener = Listener()
    channel = RunChannel(listener)
    channel.send(orders(project, function, **parameters))
    channel.send({"type": "go"})
    process = await zygote.launch(name, channel.child_ends, given or {})
    channel.open()
    return process, channel, listener


@contextlib.asynccontextmanager
async def fork_server(project, patience=None):
    zygote = await ZygoteClient.start(sys.executable, environment(), project, patience=patience)
    try:
        yield zygote
    finally:
        await zygote.stop()


async def written(marker):
    async with asyncio.timeout(10):
        while not (marker.exists() and " " in marker.read_text()):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
    return [int(pid) for pid in marker.read_text().split()]


def alive(pid):
    """Zombies that nobody collects count as gone: no line of theirs runs any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def gone(*pids):
    async with asyncio.timeout(10):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - the kernel's doing
            await asyncio.sleep(0.01)


async def test_a_process_reports_and_its_end_is_told(project):
    async with fork_server(project) as zygote:
        process, channel, listener = await launch(zygote, project, "nothing")
        await listener.finished.wait()
        finished = listener.messages[-1]
        assert finished["state"] == "completed"
        channel.send({"type": "ack", "seq": finished["seq"], "ok": True})
        assert (await process.exited).code == 0
        channel.close()


async def test_a_process_has_its_environment_a_group_of_its_own_and_no_input(project):
    async with fork_server(project) as zygote:
        _, channel, listener = await launch(zygote, project, "shows", given={"GIVEN": "yes"})
        await listener.finished.wait()
        said = [m["message"] for m in listener.messages if m["type"] == "log"]
        assert said == ["yes True True"]
        channel.close()


async def test_a_signal_reaches_the_whole_group_and_is_named(project, tmp_path):
    async with fork_server(project) as zygote:
        marker = tmp_path / "pids"
        process, channel, _ = await launch(zygote, project, "waits", marker=str(marker))
        pids = await written(marker)
        zygote.signal(process.name, signal.SIGKILL)
        assert str(await process.exited) == "killed by SIGKILL"
        await gone(*pids)
        channel.close()


async def test_without_renewal_the_processes_end_themselves(project, tmp_path):
    async with fork_server(project, patience=0.5) as zygote:
        marker = tmp_path / "pids"
        process, channel, _ = await launch(zygote, project, "waits", marker=str(marker))
        pids = await written(marker)
        async with asyncio.timeout(5):
            assert (await process.exited).signal == signal.SIGKILL
        await gone(*pids)
        channel.close()


async def test_with_renewal_they_go_on(project, tmp_path):
    async with fork_server(project, patience=0.5) as zygote:
        marker = tmp_path / "pids"
        process, channel, _ = await launch(zygote, project, "waits", marker=str(marker))
        for _ in range(10):
            zygote.renew()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asyncio.shield(process.exited)
        assert not process.exited.done()
        channel.close()


async def test_what_a_dead_fork_server_launched_dies_with_it(project, tmp_path):
    async with fork_server(project) as zygote:
        marker = tmp_path / "pids"
        process, channel, _ = await launch(zygote, project, "waits", marker=str(marker))
        pids = await written(marker)
        os.kill(zygote.pid, signal.SIGKILL)
        assert "fork server" in str(await process.exited)
        await gone(*pids)
        with pytest.raises(LaunchError):
            await zygote.launch("r2/1", channel.child_ends, {})
        channel.close()


async def spares(zygote, count):
    """The waiting processes, once there are so many: they are forked when it is quiet."""
    async with asyncio.timeout(10):
        while len(children_of(zygote.pid)) != count:  # noqa: ASYNC110 - no signal tells of a fork
            await asyncio.sleep(0.01)
    return children_of(zygote.pid)


async def run_nothing(zygote, project, name):
    process, channel, listener = await launch(zygote, project, "nothing", name)
    await listener.finished.wait()
    channel.send({"type": "ack", "seq": listener.messages[-1]["seq"], "ok": True})
    assert (await process.exited).code == 0
    channel.close()


async def test_a_killed_spare_costs_no_run(project):
    async with fork_server(project) as zygote:
        await run_nothing(zygote, project, "r/1")
        waiting = await spares(zygote, 2)
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)
        await gone(*waiting)
        for n in range(3):
            await run_nothing(zygote, project, f"r{n}/1")


async def test_a_run_goes_to_another_process_if_its_own_is_killed_before_it_has_it(project):
    async with fork_server(project) as zygote:
        (waiting,) = await spares(zygote, 1)
        os.kill(waiting, signal.SIGSTOP)
        process, channel, listener = await launch(zygote, project, "nothing", "r/1")
        assert process.pid == waiting
        os.kill(waiting, signal.SIGKILL)
        await listener.finished.wait()
        assert process.pid != waiting
        channel.send({"type": "ack", "seq": listener.messages[-1]["seq"], "ok": True})
        assert (await process.exited).code == 0
        channel.close()


async def test_a_run_that_is_ended_before_it_begins_goes_to_no_other_process(project):
    async with fork_server(project) as zygote:
        (waiting,) = await spares(zygote, 1)
        os.kill(waiting, signal.SIGSTOP)
        process, channel, listener = await launch(zygote, project, "nothing", "r/1")
        zygote.signal("r/1", signal.SIGKILL)
        assert (await process.exited).signal == signal.SIGKILL
        assert not listener.messages
        channel.close()


async def test_one_process_waits_at_rest_and_two_while_runs_come(project):
    async with fork_server(project) as zygote:
        await spares(zygote, 1)
        await run_nothing(zygote, project, "r/1")
        await spares(zygote, 2)


def test_a_process_too_many_is_told_to_leave_when_no_run_has_come_for_a_while():
    here, there = socket.socketpair()
    server = zygote_module.Zygote(here, None, 2)
    lines = [socket.socketpair() for _ in range(2)]
    server._spares = [Spare(-1, ours) for ours, _ in lines]
    server._retire_spare()
    assert len(server._spares) == 1
    assert lines[1][1].recv(1) == b""
    for end in (here, there, lines[0][0], lines[0][1], lines[1][1]):
        end.close()


WORKER = """
import asyncio, json, sys
from pathlib import Path
from engine.channel import RunChannel
from engine.launcher import environment
from engine.zygote_client import ZygoteClient

class Deaf:
    received = printed = broken = lambda *_: None

async def main(project, orders):
    zygote = await ZygoteClient.start(sys.executable, environment(), Path(project), patience=None)
    channel = RunChannel(Deaf())
    channel.send(json.loads(orders))
    channel.send({"type": "go"})
    await zygote.launch("r1/1", channel.child_ends, {})
    channel.open()
    print(zygote.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_worker_takes_all_it_launched_with_it(project, tmp_path):
    marker = tmp_path / "pids"
    what = json.dumps(orders(project, "waits", marker=str(marker)))
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER, str(project), what), cwd=ROOT, stdout=subprocess.PIPE
    )
    pids = await written(marker)
    server = int(await worker.stdout.readline())
    worker.kill()
    await worker.wait()
    await gone(server, *pids)


async def test_an_interpreter_without_the_sdk_is_named_as_the_problem(project, tmp_path):
    launcher = ProcessLauncher(project, python="/usr/bin/false", patience=None)
    async with launcher:
        async with asyncio.timeout(10):
            while launcher.problem is None:  # noqa: ASYNC110 - there is nothing to be told by
                await asyncio.sleep(0.01)
        assert "/usr/bin/false" in launcher.problem
        with pytest.raises(LaunchError):
            await launcher.launch("r1/1", [])


def test_the_way_to_our_own_code_is_not_inherited():
    given = {"PYTHONPATH": f"{ROOT}{os.pathsep}/opt/theirs", "TOKEN": "t", "ENSUE_FAILPOINT": "x"}
    assert environment(given) == {"PYTHONPATH": "/opt/theirs", "TOKEN": "t"}
