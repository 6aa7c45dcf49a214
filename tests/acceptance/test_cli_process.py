"""The command line as a process: pipes, interrupts, and how long it takes to say hello."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PROGRAM = """
import signal, sys
from ensue.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
sys.exit(main())
"""
ENSUE = [sys.executable, "-c", PROGRAM]
EVENT = {"id": "e", "source": "/s", "type": "t", "time": "2030-01-01T00:00:00Z", "data": "x" * 500}


@pytest.fixture
def url() -> Iterator[str]:
    """A server with many events in its list, and a stream that goes on until the end."""
    over = threading.Event()
    listing = json.dumps({"items": [EVENT] * 1_000, "next": None}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            if not self.path.startswith("/api/stream"):
                self.wfile.write(listing)
                return
            record = f"id: 1\ndata: {json.dumps(EVENT)}\n\n".encode()
            try:
                while not over.wait(0.001):
                    self.wfile.write(record)
                    self.wfile.flush()
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    "args",
    [
        ["events", "ls"],
        ["events", "ls", "--json"],
        ["events", "tail"],
        ["events", "tail", "--json"],
    ],
)
def test_a_closed_pipe_is_quiet(url: str, args: list[str]) -> None:
    command = [*ENSUE, *args, "--api-url", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.read(100)
        process.stdout.close()
        said = process.stderr.read()
        assert (process.wait(20), said) == (0, b"")


def test_an_interrupt_while_following_is_quiet(url: str) -> None:
    process = subprocess.Popen(
        [*ENSUE, "events", "tail", "--api-url", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.read(10)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == b""


def test_help_is_there_at_once() -> None:
    """The best of some tries stays well under the time in which a person starts to wait."""
    times = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([*ENSUE, "--help"], check=True, capture_output=True)
        times.append(time.monotonic() - began)
    assert min(times) < 0.5


def test_output_in_a_pipe_has_no_colours_and_is_not_cut(url: str) -> None:
    environment = {**os.environ, "COLUMNS": "40"}
    made = subprocess.run(
        [*ENSUE, "events", "ls", "--api-url", url],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert "\x1b" not in made.stdout
    assert "…" not in made.stdout
