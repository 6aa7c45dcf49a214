"""SQLite's write-ahead log as a file: how full it is, and a descriptor to sync it by.

The layout is that of https://www.sqlite.org/walformat.html: a header of 32 bytes, then frames, each
a header of 24 bytes and a page. A frame counts if it bears the two salts of the file's header;
they change whenever the log begins anew.

No lock of SQLite's is on this file, so it may be opened and closed beside it.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

_HEADER = 32
_FRAME_HEADER = 24
_SALTS = 8


@dataclass(frozen=True, slots=True)
class WalFile:
    """Open for as long as the connection that it belongs to."""

    descriptor: int
    page_size: int

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> WalFile:
        """That of the connection's database, which is in WAL mode; its name is on disk then."""
        connection.execute("BEGIN IMMEDIATE")  # makes the file, where there is none
        connection.execute("ROLLBACK")
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        path = next(
            row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main"
        )
        folder = os.open(Path(path).parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return cls(os.open(f"{path}-wal", os.O_RDONLY), page_size)

    def holds(self, frames: int) -> bool:
        """Whether so many have been written since the log began anew."""
        salts = os.pread(self.descriptor, _SALTS, 16)
        start = _HEADER + (frames - 1) * (_FRAME_HEADER + self.page_size)
        return len(salts) == _SALTS and os.pread(self.descriptor, _SALTS, start + 8) == salts

    def close(self) -> None:
        os.close(self.descriptor)
