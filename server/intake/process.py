"""The process itself: `python -m ensue_server.reader DESCRIPTOR MAX_BYTES MAX_EVENTS`."""

from __future__ import annotations

import gc
import signal
import socket
import sys

from server.intake.reader import Reader


def main() -> None:
    # Whoever stops the service tells all of it at once: we end when the server does, or says so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    descriptor, max_bytes, max_events = map(int, sys.argv[1:])
    reader = Reader(socket.socket(fileno=descriptor), max_bytes=max_bytes, max_events=max_events)
    gc.freeze()
    reader.run()
