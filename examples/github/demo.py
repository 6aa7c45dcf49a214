"""The whole story on this machine: signed GitHub webhooks come in, and one thing leads to the next.

`make demo` runs this. It serves the directory beside it, delivers recorded GitHub webhooks as
GitHub would, signed, tells what happens as it happens, and keeps serving until Ctrl-C.
`--once` ends after the story, with exit code 1 if it did not come to its end.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from rich.console import Console

HERE = Path(__file__).resolve().parent
SECRET = "It's a Secret to Everybody"  # noqa: S105 - the one of GitHub's own documentation
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    options = _options()
    environment = {**os.environ, "GITHUB_WEBHOOK_SECRET": SECRET}
    with _database(options.database) as database, _server(options, environment, database) as url:
        console.print(f"[bold]Ensue[/] serves [cyan]{HERE}[/] at [link={url}]{url}[/link]\n")
        complete = Story(url).tell()
        if options.once:
            return 0 if complete else 1
        _invite(url)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


class Story:
    """Delivers, listens to the live stream, and says what it sees."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._events: Queue[dict[str, Any]] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self) -> bool:
        """True when the last run that the deliveries set off has completed."""
        started = time.monotonic()
        for file in sorted((HERE / "deliveries").glob("*.json")):
            self._deliver(file)
        complete = self._follow(until="announce", seconds=30)
        if complete:
            console.print(
                f"\n[green]✓[/] from the webhook to the end of the second run: "
                f"{time.monotonic() - started:.2f} s, and every step is an event in the log"
            )
            self._deliver_twice_and_forged()
        else:
            console.print("[red]✗[/] the second run did not come within 30 s")
        return complete

    def _deliver(self, file: Path) -> None:
        kind = file.stem.partition("-")[2]
        answer = self._post(file.read_bytes(), kind, str(uuid.uuid4()))
        console.print(f"[bold]delivery[/]  GitHub sends [yellow]{kind}[/], signed → {answer}")

    def _deliver_twice_and_forged(self) -> None:
        file = HERE / "deliveries" / "2-issues.json"
        again = self._post(file.read_bytes(), "issues", str(uuid.uuid4()))
        console.print(f"\n[bold]the same delivery once more[/] → {again}, and nothing happens")
        forged = self._post(file.read_bytes(), "issues", str(uuid.uuid4()), secret="guessed")  # noqa: S106 - it is meant to fail
        console.print(f"[bold]a forged one[/] → {forged}")

    def _post(self, body: bytes, kind: str, delivery: str, secret: str = SECRET) -> str:
        """Deliver as GitHub does; the answer in a few words."""
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": kind,
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        request = urllib.request.Request(f"{self._url}/hooks/github", body, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return f"{response.status} {'stored' if response.status == 202 else 'a duplicate'}"
        except urllib.error.HTTPError as error:
            return f"{error.code} {json.load(error)['code']}"

    def _listen(self) -> None:
        url = f"{self._url}/api/stream?after=0"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=60) as stream:  # noqa: S310
            for line in stream:
                if line.startswith(b"data: "):
                    self._events.put(json.loads(line[6:]))

    def _follow(self, *, until: str, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left)
            except Empty:
                return False
            self._say(event)
            data = event.get("data") or {}
            if event["type"] == "ensue.run.completed" and data.get("flow") == until:
                return True
        return False

    def _say(self, event: dict[str, Any]) -> None:
        kind, data = event["type"], event.get("data") or {}
        if kind.startswith("github."):
            console.print(f"[bold]event[/]     [yellow]{kind}[/] of {event['subject']}")
        elif kind == "ensue.automation.fired":
            console.print(f"[bold]rule[/]      [magenta]{data['automation']}[/] fired")
        elif kind.startswith("ensue.run."):
            console.print(f"[bold]run[/]       [cyan]{data['flow']}[/] is {data['state']}")
            if data["state"] == "completed":
                self._log_of(event["subject"])

    def _log_of(self, run: str) -> None:
        url = f"{self._url}/api/runs/{run}/logs"
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
            for entry in json.load(answer)["items"]:
                console.print(f"[dim]          │ {entry['message']}[/]")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=3678)
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument("--database", help="keep the data there [default: a fresh one]")
    return parser.parse_args()


def _invite(url: str) -> None:
    console.print(
        f"\nStill serving {url}. In another terminal:\n"
        "  .venv/bin/ensue runs ls\n"
        "  .venv/bin/ensue events tail\n"
        "  .venv/bin/ensue webhooks deliveries github\n"
        "Ctrl-C stops."
    )


@contextlib.contextmanager
def _database(given: str | None) -> Iterator[str]:
    """The one asked for, or a fresh one that goes with the demo."""
    if given:
        yield given
        return
    folder = tempfile.mkdtemp(prefix="ensue-demo-")
    try:
        yield str(Path(folder) / "ensue.db")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _server(
    options: argparse.Namespace, environment: dict[str, str], database: str
) -> Iterator[str]:
    """`ensue serve` of this directory, ready; stopped at the end as Ctrl-C would."""
    url = f"http://127.0.0.1:{options.port}"
    command = [str(Path(sys.executable).with_name("ensue")), "serve", str(HERE)]
    command += ["--port", str(options.port), "--database", database, "--log-level", "warning"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        _await_ready(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _await_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("the server did not start; the reason stands above")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5):  # noqa: S310
            return
        time.sleep(0.05)
    raise SystemExit("the server was not ready within 30 seconds")


if __name__ == "__main__":
    sys.exit(main())
