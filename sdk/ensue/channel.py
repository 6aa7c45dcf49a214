"""The line between a run's process and its worker: version 1 of a public protocol.

A connected stream socket (AF_UNIX) carries one JSON object per line, UTF-8, at most
1 MiB with its newline, in both directions. Every line has `"v": 1` and a `type`. Whoever
reads ignores types and members it does not know, so that either side may be the newer
one. Instants (`at`) are integer microseconds since the epoch.

From the run's process to the worker, in the order in which things happened:

    {"type": "started", "run_id", "attempt", "pid", "at"}
        The parameters are valid and the flow's code begins. Not sent when they are not.
    {"type": "log", "at", "level": "INFO", "logger", "message", "task_run_id"?}
        `logger` is `ensue.flow_runs`, `ensue.task_runs`, `stdout`, `stderr`, or the name of
        a logger of the user's. What does not fit in a line is cut, and says so.
    {"type": "task", "task_run_id", "name", "task", "state", "at", "attempt", "message"?}
        `state` is running, retrying, completed, failed or timed_out.
    {"type": "emit", "seq", "event": {…}}
        A CloudEvent in its JSON form. The worker answers when it is stored.
    {"type": "finished", "seq", "state", "message", "result", "error", "at"}
        `state` is completed, failed, timed_out or cancelled; `result` is JSON or null;
        `error` is null or {"type", "message", "traceback", "code"} with the code
        parameters_invalid, flow_failed, timed_out or cancelled. Nothing follows it but
        lines of threads that outlived the flow, which may be dropped.

From the worker to the run's process:

    {"type": "ack", "seq", "ok": true|false, "error"?: "a sentence"}
        The answer to the line with that `seq`.
    {"type": "cancel"}
        The run is to stop: the flow's main thread is interrupted, as by SIGTERM.

A closed socket means that the other side is gone.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from socket import MSG_DONTWAIT, SHUT_RDWR, socket
from typing import IO, Any, Final, Protocol

from ensue.errors import ChannelClosedError
from ensue.helper_thread import HelperThread

VERSION: Final = 1
MAX_LINE: Final = 1024 * 1024
CUT_MARK: Final = " … [cut: too long for one line of the log]"
_MAX_WAITING: Final = 4 * MAX_LINE
_BATCH: Final = 64 * 1024
_INTERRUPTING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGALRM})

Message = dict[str, Any]


class Channel(Protocol):
    """What a run reports through. Any thread may use it."""

    def send(self, message: Message) -> None:
        """Hands the message on, after all that were sent before it.

        Returns before it is written, unless much is waiting already: then the sender is
        held up until the worker has caught up. On a closed line it is dropped.
        """

    def request(self, message: Message, timeout: float) -> Message:
        """Sends with a `seq` and returns the worker's `ack`, be it `ok` or not.

        Raises TimeoutError when none came in time (the worker may have acted
        nevertheless), and ChannelClosedError when the worker is gone.
        """

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Calls back, from a thread of the channel, when the worker cancels the run.

        At once, in the calling thread, if it already has.
        """


_current: list[Channel] = []


def current_channel() -> Channel | None:
    """The line to the worker, or None where the code runs without a server.

    It belongs to the process, not to a context: a run's process has exactly one.
    """
    return _current[-1] if _current else None


def no_channel() -> None:
    """From now on `current_channel()` is None: in a forked process, say."""
    _current.clear()


class use_channel:  # noqa: N801 - reads as the statement it is: `with use_channel(c):`
    """While within, `current_channel()` is this one."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __enter__(self) -> None:
        _current.append(self._channel)

    def __exit__(self, *exc_info: object) -> None:
        if self._channel in _current:  # it is not in a forked process that comes by here
            _current.remove(self._channel)


class SocketChannel:
    """The channel of a worker's child. `start()` it after the fork: it has a thread that reads.

    What is sent is in the kernel's hands when `send` returns, so that the last words of a
    process that is killed are not lost; only where the worker is behind does a line wait, for
    a thread that writes and is started then. The code that sends is interrupted by signals (cancellation, timeouts)
    at any point, and must not leave half a line behind: they are held while it writes, and
    only primitives that are atomic under signals are used here.

    `lines` is the socket's reading side where something was read from it before, as a
    buffered reader may hold more than was asked of it. `on_message` is given the types this
    class does not know, `on_close` is called once when the worker is gone; both from the
    reader thread.
    """

    def __init__(
        self,
        sock: socket,
        *,
        lines: IO[bytes] | None = None,
        on_message: Callable[[Message], None] | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._sock = sock
        self._incoming = lines if lines is not None else sock.makefile("rb")
        self._on_message = on_message
        self._on_close = on_close
        self._lock = threading.Lock()
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._queued = self._written = self._seq = 0
        self._waiting: dict[int, SimpleQueue[Message | None]] = {}
        self._cancelled = False
        self._cancel_callback: Callable[[], None] | None = None
        self._closed = False
        self._reader = HelperThread(self._read)
        self._writer: HelperThread | None = None

    def start(self) -> None:
        self._reader.start()

    def send(self, message: Message) -> None:
        if self._closed:
            return
        line = encode_line(message)
        with _signals_held(), self._lock:
            if self._queued == self._written:
                line = line[self._written_at_once(line) :]
            if line:
                self._queued += len(line)
                self._lines.put(line)
                if self._writer is None:
                    self._writer = HelperThread(self._write)
                    self._writer.start()
        # Polled, as an event object could be left locked by a signal that comes at the
        # wrong moment. It is rare: the worker is megabytes behind.
        while self._queued - self._written > _MAX_WAITING and not self._closed:
            time.sleep(0.005)

    def request(self, message: Message, timeout: float) -> Message:
        answer: SimpleQueue[Message | None] = SimpleQueue()
        with self._lock:
            self._seq += 1
            seq = self._seq
            self._waiting[seq] = answer
        try:
            self.send(message | {"seq": seq})
            if self._closed:
                answer.put(None)
            ack = answer.get(timeout=timeout)
        except Empty:
            raise TimeoutError(f"The worker did not answer within {timeout:g} s.") from None
        finally:
            self._waiting.pop(seq, None)
        if ack is None:
            raise ChannelClosedError("The worker that started this run is gone.")
        return ack

    def on_cancel(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._cancel_callback = callback
            cancelled = self._cancelled
        if cancelled:
            callback()

    def close(self, timeout: float = 5.0) -> None:
        """Writes out what is waiting, for at most so many seconds, and closes the socket."""
        self._lines.put(None)
        if self._writer is not None:
            self._writer.join(timeout)
        self._closed = True
        with suppress(OSError):  # the worker closed it first
            self._sock.shutdown(SHUT_RDWR)
        self._reader.join(timeout)
        self._incoming.close()
        self._sock.close()

    def _written_at_once(self, line: bytes) -> int:
        """How much of it the kernel took without waiting."""
        try:
            return self._sock.send(line, MSG_DONTWAIT)
        except OSError:
            return 0  # full, or closed: the writer thread waits, or finds that out

    def _write(self) -> None:
        _leave_signals_to_the_main_thread()
        more = True
        while more:
            more, data = self._take()
            try:
                self._sock.sendall(data)
            except OSError:
                self._lost()
            self._written += len(data)

    def _take(self) -> tuple[bool, bytes]:
        """Waits for a line and takes all that follow it at once; False after the last."""
        batch: list[bytes] = []
        size = 0
        line = self._lines.get()
        while line is not None:
            batch.append(line)
            size += len(line)
            if size >= _BATCH or self._lines.empty():
                return True, b"".join(batch)
            line = self._lines.get()
        return False, b"".join(batch)

    def _read(self) -> None:
        _leave_signals_to_the_main_thread()
        try:
            while line := self._incoming.readline(MAX_LINE):
                self._handle(json.loads(line))
        except (OSError, ValueError):
            pass  # gone, or no longer speaking this protocol: the line is closed either way
        self._lost()

    def _handle(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "ack":
            waiting = self._waiting.get(message.get("seq", 0))
            if waiting is not None:
                waiting.put(message)
        elif kind == "cancel":
            with self._lock:
                self._cancelled = True
                callback = self._cancel_callback
            if callback is not None:
                callback()
        elif self._on_message is not None:
            self._on_message(message)

    def _lost(self) -> None:
        with self._lock:
            first, self._closed = not self._closed, True
        for answer in list(self._waiting.values()):
            answer.put(None)
        if first and self._on_close is not None:
            self._on_close()


def encode_line(message: Message) -> bytes:
    """The message as a line.

    Raises ValueError for one that is too long, except that the text of a log is cut.
    """
    line = _encode(message)
    if len(line) <= MAX_LINE:
        return line
    if message["type"] != "log":
        raise ValueError(f"{len(line):,} bytes are too many for one line: {MAX_LINE:,} is the most")
    text = message["message"]
    while len(line) > MAX_LINE:
        text = text[: int(len(text) * MAX_LINE / len(line) * 0.95)]
        line = _encode(message | {"message": text + CUT_MARK})
    return line


def _encode(message: Message) -> bytes:
    text = json.dumps({"v": VERSION, **message}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


@contextmanager
def _signals_held() -> Iterator[None]:
    """What comes meanwhile comes at the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_signals_to_the_main_thread() -> None:
    """A signal that the kernel gave to this thread would not interrupt the main one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTING)
