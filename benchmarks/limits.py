"""What bounds the service on this machine: bare HTTP, and bare grouped commits of the same rows."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

_EVENT = "CREATE TABLE event (position INTEGER PRIMARY KEY, id TEXT, source TEXT, type TEXT, subject TEXT, time INTEGER, received INTEGER, depth INTEGER, correlationid TEXT, causationid TEXT, attributes TEXT, data BLOB)"


def serve_bare_http(port: int) -> None:
    """An aiohttp server that reads the body and answers 202 with one of ours."""
    import uvloop
    from aiohttp import web

    answer = b'{"accepted":1,"duplicates":0,"ids":["00000000-0000-4000-8000-000000000000"]}'

    async def accept(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202, body=answer, content_type="application/json")

    async def main() -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/api/events", accept)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    uvloop.run(main())


def bare_commits(body: bytes, *, writers: int, batch: int = 1, seconds: float = 5) -> float:
    """Events a second that grouped, fsynced commits store with nothing else around them.

    Each of `writers` hands over `batch` rows and waits for the commit that holds them.
    """
    import uvloop

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        return uvloop.run(_commits(Path(folder) / "bare.db", body, writers, batch, seconds))


async def _commits(path: Path, body: bytes, writers: int, batch: int, seconds: float) -> float:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=8000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(_EVENT)
    thread = ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()
    waiting: list[tuple[int, asyncio.Future[None]]] = []
    wake = asyncio.Event()
    end = time.perf_counter() + seconds
    stored = 0

    async def writer() -> None:
        while time.perf_counter() < end:
            future: asyncio.Future[None] = loop.create_future()
            waiting.append((batch, future))
            wake.set()
            await future

    async def journal() -> None:
        nonlocal stored
        while True:
            await wake.wait()
            wake.clear()
            taken, waiting[:] = waiting[:], []
            rows = [
                (stored + n, str(uuid4()), "/s", "t", "o", 1, 1, 0, "c", None, None, body)
                for n in range(sum(count for count, _ in taken))
            ]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT INTO event VALUES ({','.join('?' * 12)})", rows)
            await loop.run_in_executor(thread, connection.commit)
            stored += len(rows)
            for _, future in taken:
                future.set_result(None)

    task = asyncio.create_task(journal())
    await asyncio.gather(*(writer() for _ in range(writers)))
    task.cancel()
    connection.close()
    return stored / seconds


if __name__ == "__main__":
    serve_bare_http(int(sys.argv[1]))
