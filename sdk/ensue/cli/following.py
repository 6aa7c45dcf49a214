"""Following a run: its states as they change, and its lines as it writes them.

The live stream says when something happened, and the run itself is asked at intervals all
the same: a stream that breaks costs a second, never the end of the run.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from ensue.cli.client import Client, CommandError, segment
from ensue.cli.output import Output, styled
from ensue.cli.stream import Stream
from ensue.cli.words import parse_time

ENDED: Final = frozenset({"completed", "failed", "timed_out", "crashed", "cancelled", "skipped"})

_LINES_EVERY: Final = 0.4
"""Seconds between two looks for new lines while nothing else happens."""

_STATE_EVERY: Final = 2.0
_PAGE: Final = 1_000

_LEVELS: Final = ((40, "red"), (30, "yellow"), (20, ""), (0, "dim"))
_NAMED_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class Following:
    """One run, watched. `on_state` and `on_line` are called in the order of things."""

    def __init__(
        self,
        client: Client,
        run: str,
        *,
        on_line: Callable[[dict[str, Any]], None],
        on_state: Callable[[str, dict[str, Any]], None] = lambda *_: None,
    ) -> None:
        self._client = client
        self._run = run
        self._path = f"/api/runs/{segment(run)}"
        self._on_line = on_line
        self._on_state = on_state
        self._seen = 0
        self._state: str | None = None
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._over = threading.Event()

    def to_the_end(self) -> dict[str, Any]:
        """The run, once it has ended and everything it wrote was handed on."""
        run = self._look()
        if run["state"] not in ENDED:
            threading.Thread(target=self._listen, args=(run["id"],), daemon=True).start()
        try:
            run = self._watched(run)
        finally:
            self._over.set()
        self.read_lines()
        return run

    def _watched(self, run: dict[str, Any]) -> dict[str, Any]:
        looked = time.monotonic()
        while run["state"] not in ENDED:
            news = self._next_news()
            self.read_lines()
            if news in ENDED or time.monotonic() - looked > _STATE_EVERY:
                run = self._look()
                looked = time.monotonic()
            elif news:
                self._announce(news, run)
        return run

    def read_lines(self) -> int:
        """Hand on the lines that are new; how many those were."""
        count = 0
        while True:
            answer = self._client.get(f"{self._path}/logs", after=self._seen, limit=_PAGE)
            for line in answer["items"]:
                self._seen = max(self._seen, line["seq"])
                self._on_line(line)
            count += len(answer["items"])
            if len(answer["items"]) < _PAGE:
                return count

    def _look(self) -> dict[str, Any]:
        run: dict[str, Any] = self._client.get(self._path)
        self._announce(run["state"], run)
        return run

    def _announce(self, state: str, run: dict[str, Any]) -> None:
        if state != self._state:
            self._state = state
            self._on_state(state, run)

    def _next_news(self) -> str | None:
        try:
            return self._news.get(timeout=_LINES_EVERY)
        except queue.Empty:
            return None

    def _listen(self, run: str) -> None:
        """In a thread: put the states that the stream tells of into the queue."""
        query = {"type": "ensue.run.*", "subject": run}
        try:
            for event in Stream(self._client, query, wait=self._wait):
                self._news.put(event["type"].rpartition(".")[2])
        except (CommandError, ValueError, KeyError):
            return  # looking at intervals goes on

    def _wait(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise CommandError("the run is over, and so is listening for it")


class LogPrinter:
    """Prints the lines of a run."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def line(self, line: dict[str, Any]) -> None:
        if self._output.as_json:
            self._output.json_line(line)
            return
        at = parse_time(line["at"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
        level = line.get("level")
        number = level if isinstance(level, int) else _NAMED_LEVELS.get(str(level).lower(), 20)
        style = next(style for floor, style in _LEVELS if number >= floor)
        self._output.say(styled(at, "dim"), styled(str(line["message"]), style))
