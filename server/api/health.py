"""Whether the service lives, whether it is ready, and its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from base.metrics import CONTENT_TYPE, Metrics
from server.route import Call, Route, reply

Check = Callable[[], str | None]
"""Why a part is not ready; None when it is."""


class HealthApi:
    def __init__(self, metrics: Metrics, checks: Mapping[str, Check]) -> None:
        self._metrics = metrics
        self._checks = checks

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/healthz", self.alive, "The process lives.", answer="Health"),
            Route(
                "GET",
                "/readyz",
                self.ready,
                "All parts are ready; otherwise 503 with those that are not, and why.",
                answer="Readiness",
                errors=(503,),
            ),
            Route("GET", "/metrics", self.figures, "Figures for Prometheus.", answer="text/plain"),
        ]

    async def alive(self, _: Call) -> web.Response:
        return reply({"status": "alive"})

    async def ready(self, _: Call) -> web.Response:
        waiting = {name: why for name, check in self._checks.items() if (why := check())}
        if not waiting:
            return reply({"status": "ready"})
        response = reply({"status": "waiting", "waiting": waiting}, 503)
        response.headers["Retry-After"] = "1"
        return response

    async def figures(self, _: Call) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})
