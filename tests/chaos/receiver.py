"""Somebody else's server: it writes down every call, and refuses a few at first."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from zlib import crc32

from aiohttp import web

from tests.chaos.reconcile import Arrival

_FLAKY = 20
"""One key in so many is told to come again, once."""


class Receiver:
    """Its `arrivals` are the calls that it answered with success, in order."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.refused: set[str] = set()
        self.url = ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        runner = web.ServerRunner(web.Server(self._told))
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0]
            self.url = f"http://{host}:{port}"
            yield
        finally:
            await runner.cleanup()

    async def _told(self, request: web.BaseRequest) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        if crc32(key.encode()) % _FLAKY == 0 and key not in self.refused:
            self.refused.add(key)
            return web.Response(status=503)
        self.arrivals.append(Arrival(key, await request.json()))
        return web.Response(status=204)
