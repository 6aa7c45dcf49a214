"""A real server on a real socket, around each of the two databases."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from base.database import Address
from base.settings import load
from server.app import App, composed


@dataclass
class Client:
    """What a test asks the server."""

    app: App
    session: aiohttp.ClientSession

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        async with self.session.get(self.app.url + path, **options) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        if body is not None:
            options["json"] = body
        async with self.session.post(self.app.url + path, **options) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def until(self, path: str, holds: Callable[[Any], bool], seconds: float = 30) -> Any:
        """What is answered there once that holds."""
        deadline = time.monotonic() + seconds
        while not holds(answer := await self.get(path)):
            assert time.monotonic() < deadline, answer
            await asyncio.sleep(0.02)
        return answer

    async def flows_found(self) -> None:
        """Wait until the project's flows can be run."""
        await self.until("/api/flows", lambda page: page["items"])

    async def run(self, flow: str, **parameters: Any) -> str:
        """The id of a new run of this flow."""
        made = await self.post(f"/api/flows/{flow}/runs", {"parameters": parameters}, 201)
        return str(made["id"])

    async def ended(self, run: str) -> Any:
        """The run, once it is over."""
        return await self.until(f"/api/runs/{run}", lambda one: one["ended"])

    async def outside(self, query: str = "") -> list[Any]:
        """The events of the log that are not the service's own, oldest first."""
        page = await self.get(f"/api/events?order=asc&limit=1000&{query}")
        return [item for item in page["items"] if not item["type"].startswith("ensue.")]


Served = Callable[..., contextlib.AbstractAsyncContextManager[Client]]


@pytest.fixture
def served(address: Address, tmp_path: Path) -> Served:
    """`async with served({"sources/a.yaml": "…"}, limits={…}) as client`."""

    @contextlib.asynccontextmanager
    async def serve(files: Mapping[str, str] | None = None, **flags: Any) -> AsyncIterator[Client]:
        directory = tmp_path / "project"
        for name, content in {"ensue.toml": "", **(files or {})}.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        database = address.url or str(address.path)
        given = {
            "port": 0,
            "database": database,
            **{k.replace("__", "."): v for k, v in flags.items()},
        }
        settings = load(directory, environ={}, flags=given)
        async with composed(settings) as app, app.services, aiohttp.ClientSession() as session:
            yield Client(app, session)

    return serve


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with served() as client:
        yield client
