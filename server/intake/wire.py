"""What the server and its reader say to each other, over a Unix socket between the two.

A frame is a length of four bytes, little-endian, and a tuple in Python's marshal format: both
ends are the same interpreter, and nothing that is read runs code. The first member says which:

    server → reader
      (HEAD, likeness, content type or None)        heads that begin a request of ours
      (LENT, connection, data)                      with the connection's descriptor
      (ANSWERED, [(connection, outcome), ...])      how many duplicates, or the whole answer
      (PING,)                                       are you there?
      (STOP,)                                       answer what has begun, then end
    reader → server
      (READY,)                                      at the start, and to each PING
      (TAKEN, [(connection, began, batch, [event, ...]), ...])
      (RETURNED, connection, data)                  with its descriptor; `data` was not answered
      (CLOSED, connection)                          the client is gone

`began` is by the clock of `perf_counter`, which on Linux is one for all processes.

A descriptor travels with the first byte of its frame, so the n-th frame of those that bring one
belongs to the n-th descriptor.
"""

from __future__ import annotations

import array
import marshal
import socket
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from base.time import Micros
from events.event import Attribute, Event
from events.fingerprint import fingerprint

HEAD: Final = 0
LENT: Final = 1
ANSWERED: Final = 2
STOP: Final = 3
READY: Final = 4
TAKEN: Final = 5
RETURNED: Final = 6
CLOSED: Final = 7
PING: Final = 8

Packed = tuple[
    str, str, str, Micros, Micros, str | None, Any, dict[str, Attribute], str, str | None, int, bool, bytes, bytes
]  # fmt: skip
"""An event as the arguments of `Event`, in their order, with its fingerprint."""

_LENGTH: Final = struct.Struct("<I")
_CHUNK: Final = 1 << 18
_INT: Final = array.array("i").itemsize


def packed(event: Event) -> Packed:
    return (
        event.id,
        event.source,
        event.type,
        event.time,
        event.received,
        event.subject,
        event.data,
        dict(event.attributes),
        event.correlationid,
        event.causationid,
        event.depth,
        event.has_data,
        event.encoded,
        fingerprint(event),
    )


def frame(message: tuple[Any, ...]) -> bytes:
    value = marshal.dumps(message)
    return _LENGTH.pack(len(value)) + value


def send(
    end: socket.socket, data: bytes | bytearray | memoryview, descriptors: Sequence[int] = ()
) -> int:
    """How many bytes went; the descriptors went with the first of them. Raises BlockingIOError."""
    if not descriptors:
        return end.send(data)
    fds = array.array("i", descriptors)
    return end.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])


class Frames:
    """What arrives, made into messages again."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._data = bytearray()
        self._buffer = bytearray(_CHUNK)
        self._view = memoryview(self._buffer)
        self.descriptors: deque[int] = deque()
        """Those that came and were not taken, in their order; whoever takes one closes it."""

    def receive(self) -> Iterator[tuple[Any, ...]]:
        """The messages that are whole by now, of what the socket has.

        Raises BlockingIOError where it has nothing, EOFError where the other side is gone.
        """
        room = socket.CMSG_SPACE(4 * _INT)
        try:
            count, extra, _, _ = self._end.recvmsg_into(
                [self._buffer], room, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError:
            raise EOFError from None
        for _, _, raw in extra:
            self.descriptors.extend(array.array("i", raw[: len(raw) - len(raw) % _INT]))
        if not count:
            raise EOFError
        self._data += self._view[:count]
        return self._whole()

    def _whole(self) -> Iterator[tuple[Any, ...]]:
        data, start = self._data, 0
        messages = []
        with memoryview(data) as view:
            while len(data) - start >= _LENGTH.size:
                end = start + _LENGTH.size + _LENGTH.unpack_from(data, start)[0]
                if end > len(data):
                    break
                value = marshal.loads(view[start + _LENGTH.size : end])  # noqa: S302 - our own process's
                messages.append(value)
                start = end
        del data[:start]
        return iter(messages)
