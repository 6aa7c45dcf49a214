"""Where a run's log lines go.

In a run that a worker started, records of the loggers below `ensue`, and whatever user
code prints, go to the worker and are stored with the run. A user's own loggers are left
as they are: what their configuration writes to stderr is stored as such, and without
any configuration warnings and errors are stored.

Without a server it is ordinary `logging`: the records propagate to the handlers you
configured; if you configured none, those from INFO up are written to stderr.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

from ensue.channel import Channel
from ensue.context import current_flow_run, current_task_run
from ensue.forks import undone_in_forks
from ensue.ids import now_micros

FLOW_RUNS = "ensue.flow_runs"
TASK_RUNS = "ensue.task_runs"
_MAX_PARTIAL_LINE = 64 * 1024


def get_run_logger(**extra: Any) -> logging.LoggerAdapter[logging.Logger]:
    """The logger of the run that the calling code belongs to.

    A standard `logging` adapter: `get_run_logger().info("%d orders", n)`. Its records carry
    `flow_run_id`, `flow_run_name`, `flow_name`, in a task `task_run_id` and
    `task_run_name`, and what you pass as `extra`. Outside of a run it logs all the same.
    """
    flow_run, task_run = current_flow_run(), current_task_run()
    fields: dict[str, Any] = {}
    if flow_run is not None:
        fields |= {
            "flow_run_id": flow_run.id,
            "flow_run_name": flow_run.name,
            "flow_name": flow_run.flow_name,
        }
    if task_run is not None:
        fields |= {"task_run_id": task_run.id, "task_run_name": task_run.name}
    show_records()
    logger = logging.getLogger(FLOW_RUNS if task_run is None else TASK_RUNS)
    return logging.LoggerAdapter(logger, fields | extra)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at the time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(
            logging.Formatter("%(asctime)s.%(msecs)03d | %(levelname)-7s | %(message)s", "%H:%M:%S")
        )

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        raise AttributeError(f"this handler follows sys.stderr, not {value!r}")


def show_records() -> None:
    """Sees to it that records are seen where nobody has configured logging."""
    ours = logging.getLogger("ensue")
    if not ours.hasHandlers():
        ours.addHandler(_Stderr())
        if ours.level == logging.NOTSET:
            ours.setLevel(logging.INFO)


class ChannelHandler(logging.Handler):
    """Sends records to the worker. It needs no lock, as the channel takes any thread."""

    def __init__(self, channel: Channel, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._channel = channel

    def createLock(self) -> None:  # noqa: N802 - logging's name
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = {
                "type": "log",
                "at": round(record.created * 1e6),
                "level": record.levelname,
                "logger": record.name,
                "message": clean(self.format(record)),
            }
            task_run_id = getattr(record, "task_run_id", None) or _task_run_id()
            self._channel.send(message | ({"task_run_id": task_run_id} if task_run_id else {}))
        except Exception:  # noqa: BLE001 - logging's rule: a log line never breaks the code
            self.handleError(record)


@contextmanager
def records_to(channel: Channel) -> Iterator[None]:
    """Everything logged or printed within goes to the channel."""
    ours = logging.getLogger("ensue")
    before = ours.handlers[:], ours.level, ours.propagate, logging.lastResort
    streams = sys.stdout, sys.stderr
    ours.handlers[:] = [ChannelHandler(channel)]
    ours.propagate = False
    if ours.level == logging.NOTSET:
        ours.setLevel(logging.INFO)
    # For loggers nobody configured. A handler on the root logger would make the user's
    # own `logging.basicConfig()` do nothing.
    logging.lastResort = ChannelHandler(channel, logging.WARNING)
    lines = _Lines("stdout", sys.stdout, channel), _Lines("stderr", sys.stderr, channel)
    captured = _text_over(lines[0]), _text_over(lines[1])
    sys.stdout, sys.stderr = captured

    def put_back() -> None:
        sys.stdout, sys.stderr = streams
        ours.handlers[:], ours.level, ours.propagate, logging.lastResort = before

    try:
        with undone_in_forks(put_back):
            yield
    finally:
        put_back()
        for text, raw in zip(captured, lines, strict=True):
            text.flush()
            raw.end_line()


def _text_over(raw: _Lines) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="replace", line_buffering=True
    )


class _Lines(io.RawIOBase):
    """The bytes below a captured stream, cut into log lines of the logger `name`."""

    def __init__(self, name: str, original: TextIO, channel: Channel) -> None:
        self._name = name
        self._original = original
        self._channel = channel
        self._partial = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """The real stream's, so that it can be handed to a subprocess."""
        return self._original.fileno()

    def write(self, data: Any, /) -> int:
        written = bytes(data)
        *lines, self._partial = (self._partial + written).split(b"\n")
        for line in lines:
            self._send(line)
        if len(self._partial) > _MAX_PARTIAL_LINE:
            self.end_line()
        return len(written)

    def end_line(self) -> None:
        """Sends what was written without a newline."""
        partial, self._partial = self._partial, b""
        if partial:
            self._send(partial)

    def _send(self, line: bytes) -> None:
        message = {
            "type": "log",
            "at": now_micros(),
            "level": "INFO",
            "logger": self._name,
            "message": clean(line.decode("utf-8", "replace").rstrip("\r")),
        }
        task_run_id = _task_run_id()
        self._channel.send(message | ({"task_run_id": task_run_id} if task_run_id else {}))


def clean(text: str) -> str:
    """NUL, which no database stores as text, as the sign for it."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")


def _task_run_id() -> str | None:
    task_run = current_task_run()
    return None if task_run is None else task_run.id


_WHOLE = frozenset(code.__code__ for code in (ChannelHandler.emit, _Lines.write, _Lines.end_line))


def amid_a_line(frame: FrameType | None) -> bool:
    """Whether this code is handing on a log line, which an interruption would lose or repeat."""
    while frame is not None:
        if frame.f_code in _WHOLE:
            return True
        frame = frame.f_back
    return False
