from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SDK = str(Path(__file__).parents[2] / "sdk")

SCRIPT = """
import asyncio
from ensue import as_completed, flow, get_run_logger, runtime, task, unmapped

@task(retries=2, retry_delay_seconds=[0.01])
def score(order: str) -> int:
    if runtime.task_run.attempt < 3:
        raise ConnectionError("try again")
    return len(order)

@task
async def fetch(n: int, unit: str) -> str:
    await asyncio.sleep(0)
    return f"{n}{unit}"

@flow
def check(total: float) -> bool:
    return total > 3

@flow(log_prints=True, retries=1)
def review(order: str, count: int = 2):
    print("reviewing", order)
    get_run_logger().warning("%d to fetch", count)
    weights = fetch.map(range(count), unmapped("kg"))
    first = score.submit(order)
    assert {future.result() for future in as_completed(weights)} == {"0kg", "1kg"}
    return {"score": first, "weights": weights, "large": check(first.result())}

@flow
async def later():
    return await fetch(3, "m")

if __name__ == "__main__":
    print(review("order-1", count="2"))
    print(asyncio.run(later()))
"""


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env={**os.environ, "PYTHONPATH": SDK, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_plain_script_runs_with_no_server(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = python(str(script))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'score': 7, 'weights': ['0kg', '1kg'], 'large': True}\n3m\n"
    told = [line.split(" | ")[1:] for line in done.stderr.splitlines()]
    assert ["INFO   ", "reviewing order-1"] in told
    assert ["WARNING", "2 to fetch"] in told
    assert sum("failed, the next is in" in line[-1] for line in told) == 2


def test_logging_a_script_configured_itself_is_respected(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import logging\n"
        "logging.basicConfig(level=logging.INFO, format='mine: %(message)s')\n"
        "from ensue import flow, get_run_logger\n"
        "@flow\n"
        "def main(): get_run_logger().info('hello')\n"
        "main()\n"
    )
    assert python(str(script)).stderr == "mine: hello\n"


def test_importing_loads_neither_pydantic_nor_asyncio_and_starts_nothing():
    code = (
        "import sys, threading, ensue;"
        "before = set(sys.modules);"
        "from ensue import Flow, ThreadPoolTaskRunner, as_completed, emit, flow, get_run_logger;"
        "from ensue import runtime, task, unmapped, wait;"
        "@flow\ndef f(n: int): ...\n"
    )
    code = code.replace(";@", "\n@") + (
        "heavy = {'pydantic', 'pydantic_core', 'asyncio', 'http', 'urllib.request', 'multiprocessing'}\n"
        "print(sorted(heavy & set(sys.modules)), threading.active_count())\n"
    )
    done = python("-c", code)
    assert done.stdout == "[] 1\n", done.stderr


def test_importing_the_package_alone_loads_none_of_its_modules():
    done = python(
        "-c", "import sys, ensue; print([m for m in sys.modules if m.startswith('ensue.')])"
    )
    assert done.stdout == "[]\n", done.stderr


def test_every_name_of_the_package_is_there():
    done = python("-c", "import ensue; print([n for n in ensue.__all__ if not hasattr(ensue, n)])")
    assert done.stdout == "[]\n", done.stderr
    wrong = python("-c", "from ensue import flaw")
    assert "cannot import name 'flaw'" in wrong.stderr


@pytest.fixture
def api():
    """An API that answers as it is told and keeps what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.asked.append((self.path, dict(self.headers), json.loads(body)))
            status, headers, answer = server.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_): ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.answer = (202, {}, {"accepted": 1, "duplicates": 0, "ids": []})
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


EMIT = "from ensue import emit; print(emit('order.created', data={'total': 3}, id='7'))"


def test_emit_outside_of_a_run_posts_to_the_api(api):
    done = python("-c", EMIT, ENSUE_API_URL=f"{api.url}/", ENSUE_API_KEY="k1")
    assert done.stdout == "7\n", done.stderr
    ((path, headers, event),) = api.asked
    assert path == "/api/events"
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert headers["Authorization"] == "Bearer k1"
    assert (event["id"], event["source"], event["data"]) == ("7", "/sdk", {"total": 3})


def test_emit_says_why_the_api_refused(api):
    api.answer = (422, {}, {"code": "id_reused", "detail": "The id 7 has another body."})
    done = python("-c", EMIT, ENSUE_API_URL=api.url)
    assert "EmitError" in done.stderr
    assert "The id 7 has another body. (HTTP 422)" in done.stderr


def test_emit_carries_its_key_to_no_other_place(api):
    api.answer = (302, {"Location": f"{api.url}/elsewhere"}, {})
    done = python("-c", EMIT, ENSUE_API_URL=api.url, ENSUE_API_KEY="k1")
    assert "HTTP 302" in done.stderr
    assert [path for path, _, _ in api.asked] == ["/api/events"]


def test_emit_with_no_server_names_the_address_it_tried():
    done = python("-c", EMIT, ENSUE_API_URL="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in done.stderr
