"""A process that waits for the disk: `disk_waiter.py SOCKET FILE`, both inherited descriptors.

For each byte it reads it syncs the file, and answers with a byte: 0, or the number of the error.
It ends when the socket is closed. Nothing is imported that is not needed, for its memory's sake.
"""

import os
import signal
import socket
import sys

for _number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_number, signal.SIG_IGN)  # it ends when the server does

_server = socket.socket(fileno=int(sys.argv[1]))
_file = int(sys.argv[2])
_sync = getattr(os, "fdatasync", os.fsync)

try:
    while _server.recv(1):
        try:
            _sync(_file)
        except OSError as error:
            _server.send(bytes([(error.errno or 5) & 0xFF]))
        else:
            _server.send(b"\0")
except ConnectionError:
    pass
