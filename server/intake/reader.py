"""The reader: connections by the thousand, one thread, and no opinion of its own.

Each request is a head that the server told us of, byte for byte, and a body as long as it said.
Whatever else comes goes back to the server, connection and all, with the bytes that were read:
an unknown head, a body that cannot be decoded, a request that does not get on, and silence.
"""

from __future__ import annotations

import select
import socket
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Any, Final

from base.errors import EnsueError
from base.time import now
from events.codec import decode
from server.intake.answer import accepted
from server.intake.head import MAX_HEADS, likeness
from server.intake.wire import (
    ANSWERED,
    CLOSED,
    HEAD,
    LENT,
    PING,
    READY,
    RETURNED,
    STOP,
    TAKEN,
    Frames,
    frame,
    packed,
    send,
)
from server.spelling import spelled_json

MAX_BODY: Final = 256 << 10
"""Bytes of a body that is decoded here; a longer one would keep the others waiting."""
SILENT: Final = 3.0
"""Seconds without a byte from a client after which its connection goes back."""
DEAF: Final = 30.0
"""The same for a client that does not take its answer, before its connection is closed."""
TOGETHER: Final = 8
"""Requests that are handed on together at most: the server begins with them while we read on."""
_CHUNK: Final = 1 << 18
MAX_HELD: Final = 64 << 20
"""Bytes kept of requests that are not whole yet, or not begun, over all connections."""
_MAX_AHEAD: Final = 64 << 10
"""Bytes that wait behind a request that is under way before no more are read."""
_TICK: Final = 1.0
_IN: Final = getattr(select, "EPOLLIN", 0)
_OUT: Final = getattr(select, "EPOLLOUT", 0)


@dataclass(slots=True, eq=False)
class _Connection:
    number: int
    socket: socket.socket
    descriptor: int
    data: bytes = b""
    """What was read and not taken yet."""
    ids: list[str] | None = None
    """Those of the request that is under way."""
    unsent: bytes = b""
    heard: float = 0.0
    listening: int = _IN


class Reader:
    """Serves one server until the socket to it closes, or until it is told to stop."""

    def __init__(self, server: socket.socket, *, max_bytes: int, max_events: int) -> None:
        self._server = server
        self._frames = Frames(server)
        self._max_bytes = max_bytes
        self._max_events = max_events
        self._poll = select.epoll()
        self._heads: dict[bytes, str | None] = {}
        self._buffer = bytearray(_CHUNK)
        self._view = memoryview(self._buffer)
        self._by_number: dict[int, _Connection] = {}
        self._by_descriptor: dict[int, _Connection] = {}
        self._taken: list[tuple[int, float, bool, list[Any]]] = []
        self._stopping = False

    def run(self) -> None:
        """Read, hand on, answer. Returns when nothing is left to do."""
        server = self._server.fileno()
        self._poll.register(server, _IN)
        self._tell((READY,))
        swept = monotonic()
        try:
            while not (self._stopping and not self._by_number):
                for descriptor, _ in self._poll.poll(_TICK):
                    if descriptor == server:
                        self._listen()
                    elif connection := self._by_descriptor.get(descriptor):
                        self._ready(connection)
                        if len(self._taken) >= TOGETHER:
                            self._hand_on()
                if self._taken:
                    self._hand_on()
                if (at := monotonic()) - swept >= _TICK:
                    swept = at
                    self._sweep(at)
        except (EOFError, ConnectionError):
            return  # the server is gone, and its connections go with us

    # -- the server ------------------------------------------------------------------------

    def _listen(self) -> None:
        for kind, *told in self._frames.receive():
            if kind == ANSWERED:
                for number, outcome in told[0]:
                    self._answer(number, outcome)
            elif kind == LENT:
                self._borrow(*told)
            elif kind == HEAD:
                if len(self._heads) >= MAX_HEADS:
                    del self._heads[next(iter(self._heads))]
                self._heads[told[0]] = told[1]
            elif kind == PING:
                self._tell((READY,))
            elif kind == STOP:
                self._stop()

    def _tell(self, message: tuple[Any, ...], *descriptors: int) -> None:
        """Wait until it is sent: while the server has no time for more, nor have we."""
        view = memoryview(frame(message))
        sent = send(self._server, view, descriptors)
        while sent < len(view):
            sent += send(self._server, view[sent:])

    def _hand_on(self) -> None:
        taken, self._taken = self._taken, []
        self._tell((TAKEN, taken))

    def _stop(self) -> None:
        self._stopping = True
        for connection in [*self._by_number.values()]:
            if connection.ids is None and not connection.unsent:
                self._close(connection)

    # -- connections -----------------------------------------------------------------------

    def _borrow(self, number: int, data: bytes) -> None:
        lent = socket.socket(fileno=self._frames.descriptors.popleft())
        lent.setblocking(False)
        connection = _Connection(number, lent, lent.fileno(), heard=monotonic())
        self._by_number[number] = self._by_descriptor[connection.descriptor] = connection
        self._poll.register(connection.descriptor, _IN)
        self._read(connection, data)

    def _ready(self, connection: _Connection) -> None:
        """There is something to read, room to write, or the end."""
        if connection.unsent and not self._write(connection):
            return
        if not connection.listening & _IN:
            return
        try:
            room = _CHUNK if connection.ids is None else _MAX_AHEAD
            count = connection.socket.recv_into(self._buffer, room)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self._gone(connection)
            return
        data = bytes(self._view[:count])
        connection.heard = monotonic()
        if connection.data:
            data = connection.data + data
        if connection.ids is None and not connection.unsent:
            self._read(connection, data)
        else:
            connection.data = data
            if len(data) > self._share(_MAX_AHEAD):
                self._watch(connection, connection.listening & ~_IN)

    def _read(self, connection: _Connection, data: bytes) -> None:
        """Take the first request of `data`, wait for the rest of it, or give it all back."""
        connection.data = data
        found = likeness(data)
        if found is None:
            self._return(connection)
            return
        like, start, stop = found
        if like not in self._heads or stop - start > self._share(MAX_BODY) or self._stopping:
            self._return(connection)
            return
        if len(data) < stop:
            return
        began = perf_counter()
        try:
            decoded = decode(
                self._heads[like],
                (),
                data[start:stop],
                now=now(),
                max_bytes=self._max_bytes,
                max_events=self._max_events,
            )
        except EnsueError:
            self._return(connection)
            return
        connection.data = data[stop:]
        connection.ids = [event.id for event in decoded.events]
        events = [packed(event) for event in decoded.events]
        self._taken.append((connection.number, began, decoded.batch, events))

    def _share(self, most: int) -> int:
        """How many bytes one connection may have kept here."""
        return min(most, MAX_HELD // len(self._by_number))

    def _answer(self, number: int, outcome: int | bytes) -> None:
        connection = self._by_number.get(number)
        if connection is None or connection.ids is None:
            return
        ids, connection.ids = connection.ids, None
        connection.unsent = (
            outcome if isinstance(outcome, bytes) else spelled_json(accepted(ids, outcome), 202)
        )
        self._write(connection)

    def _write(self, connection: _Connection) -> bool:
        """Send what is to be sent, as far as there is room; True when all went."""
        try:
            sent = connection.socket.send(connection.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._gone(connection)
            return False
        if sent < len(connection.unsent):
            connection.unsent = connection.unsent[sent:]
            self._watch(connection, _OUT)
            return False
        connection.unsent = b""
        if connection.listening != _IN:
            self._watch(connection, _IN)
        if self._stopping:
            self._close(connection)
            return False
        if connection.data:
            self._read(connection, connection.data)
        return True

    def _watch(self, connection: _Connection, events: int) -> None:
        connection.listening = events
        self._poll.modify(connection.descriptor, events)

    def _sweep(self, at: float) -> None:
        """Give back what fell silent, whole requests and halves alike: the server has its bounds."""
        for connection in [*self._by_number.values()]:
            silent = at - connection.heard
            if connection.unsent:
                if silent > DEAF:
                    self._gone(connection)
            elif connection.ids is None and silent > SILENT:
                self._return(connection)

    def _return(self, connection: _Connection) -> None:
        number, data = connection.number, connection.data
        self._forget(connection)
        self._tell((RETURNED, number, data), connection.descriptor)
        connection.socket.close()

    def _gone(self, connection: _Connection) -> None:
        self._close(connection)
        self._tell((CLOSED, connection.number))

    def _close(self, connection: _Connection) -> None:
        self._forget(connection)
        connection.socket.close()

    def _forget(self, connection: _Connection) -> None:
        self._poll.unregister(connection.descriptor)
        del self._by_number[connection.number]
        del self._by_descriptor[connection.descriptor]
