"""The HTTP server: connections with bounds, and one function from request to response.

It stands on aiohttp's low-level server, because the way to a handler is the hot path: one
dictionary look-up for `POST /api/events`, no middleware.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import Final

from aiohttp import web
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from base.errors import ConfigurationError, EnsueError, UnavailableError
from base.logs import logger
from base.services import Service
from server.body import Bodies
from server.connection import Connections
from server.express import Express
from server.gate import Gate
from server.intake.lending import Lending
from server.problems import problem, unexpected
from server.route import Call, Route, read_query
from server.router import Router
from server.timing import Timing

CONNECTIONS: Final = 4_096
_RESERVED_FILES: Final = 128
_DRAIN: Final = 5.0

log = logger("http")


class Http(Service):
    """Serves routes on one address; ready when it listens."""

    def __init__(
        self,
        router: Router,
        gate: Gate,
        bodies: Bodies,
        *,
        address: tuple[str, int],
        timing: Timing,
        lending: Lending | None = None,
        connections: int | None = None,
    ) -> None:
        super().__init__("http")
        self._router = router
        self._gate = gate
        self._bodies = bodies
        self._address = address
        self._timing = timing
        self._express = Express(router.routes, gate, timing)
        self.lending = lending
        if lending is not None:
            self._express.on_learned = lending.learn
        self._limit = connections or _connections()
        self._server: Connections | None = None
        self._listener: asyncio.Server | None = None
        self.on_stop: Callable[[], None] = lambda: None
        """Told when the server begins to stop: long answers should come to their end."""

    @property
    def url(self) -> str:
        host, port = self._address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def routes(self) -> tuple[Route, ...]:
        return self._router.routes

    @property
    def connections(self) -> int:
        return self._server.count if self._server else 0

    async def open(self) -> None:
        host, port = self._address
        self._server = Connections(self._answer, self._express, self.lending, limit=self._limit)
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                self._server, host, port, backlog=1_024, reuse_address=True
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(
                f"{host}:{port} cannot be listened on: {reason}",
                code="address_in_use",
                hint="stop what uses it, or take another --port",
            ) from None
        if not port:
            self._address = (host, self._listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, let requests that have begun come to their end, close the rest."""
        self.on_stop()
        if self._listener:
            self._listener.close()
        if self._server:
            await asyncio.sleep(0)  # what was accepted just now becomes a request
            self._server.pre_shutdown()
            await self._server.shutdown(_DRAIN)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        began = perf_counter()
        route: Route | None = None
        try:
            route, values = self._router.find(request.method, request.raw_path)
            self._gate.check(request.method, request.headers, route)
            query = read_query(route, request) if "?" in request.raw_path else {}
            response = await route.handler(Call(request, route, values, self._bodies, query))
        except EnsueError as error:
            response = problem(error)
        except (OSError, DBAPIError) as error:
            response = _broken_off(request, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered and logged
            response = unexpected(error, method=request.method, path=request.path)
        self._timing.note(route, response.status, perf_counter() - began)
        return response


def _broken_off(request: web.BaseRequest, error: OSError | DBAPIError) -> web.Response:
    """Whoever asked is gone; or it is the database that cannot be reached; or it is our fault."""
    if request.transport is None or request.transport.is_closing():
        response = web.Response(status=HTTPStatus.BAD_REQUEST)
        response.force_close()
        return response
    if isinstance(error, DBAPIError) and not (
        error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    ):
        return unexpected(error, method=request.method, path=request.path)
    log.warning("database_unavailable", error=str(error))
    return problem(UnavailableError("the database is out of reach"))


def _connections() -> int:
    """How many connections the limit on open files leaves room for; the limit is raised first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + _RESERVED_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(16, min(CONNECTIONS, soft - _RESERVED_FILES))


def free_port(host: str, port: int) -> bool:
    """Whether one could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
