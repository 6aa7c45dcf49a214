"""The server's end of the socket to its reader: it never waits, and keeps what there is no room for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any

from server.intake.wire import Frames, frame, send


class Channel:
    """Open until `close`, or until the other side is gone, which `on_end` is told of."""

    def __init__(
        self,
        end: socket.socket,
        on_message: Callable[..., None],
        on_end: Callable[[], None],
    ) -> None:
        """`on_message` gets the kind of each message, and what it carries, as arguments."""
        end.setblocking(False)
        self._end = end
        self._frames = Frames(end)
        self._on_message = on_message
        self._on_end = on_end
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end.fileno(), self._receive)
        self.is_open = True

    def tell(self, *message: Any) -> None:
        """Send it, now or as soon as there is room; nothing happens where nobody is left."""
        if not self.is_open:
            return
        data = frame(message)
        sent = 0
        if not self._unsent:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                sent = send(self._end, data)
        self._keep(data[sent:])

    def hand_over(self, descriptor: int, *message: Any) -> bool:
        """Send it with a descriptor, which stays the caller's; False where there is no room now."""
        if not self.is_open or self._unsent:
            return False
        data = frame(message)
        try:
            sent = send(self._end, data, [descriptor])
        except OSError:
            return False
        self._keep(data[sent:])
        return True

    def taken_over(self) -> socket.socket:
        """The connection that came with the message that is being told."""
        return socket.socket(fileno=self._frames.descriptors.popleft())

    def close(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        self._end.close()
        for descriptor in self._frames.descriptors:
            os.close(descriptor)

    def _receive(self) -> None:
        try:
            for message in self._frames.receive():
                self._on_message(*message)
        except BlockingIOError:
            return
        except EOFError:
            self.close()
            self._on_end()

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._unsent += rest
            self._loop.add_writer(self._end.fileno(), self._resume)

    def _resume(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            del self._unsent[: send(self._end, self._unsent)]
        if not self._unsent:
            self._loop.remove_writer(self._end.fileno())
