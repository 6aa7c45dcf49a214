"""How long requests took, by route and status."""

from __future__ import annotations

from typing import Any

from prometheus_client import Histogram

from server.route import Route


class Timing:
    """The histogram's children, found without formatting labels on each request."""

    def __init__(self, seconds: Histogram) -> None:
        self._seconds = seconds
        self._children: dict[tuple[str, str, int], Any] = {}

    def note(self, route: Route | None, status: int, seconds: float) -> None:
        path, method = (route.path, route.method) if route else ("-", "-")
        key = (path, method, status // 100)
        child = self._children.get(key)
        if child is None:
            child = self._seconds.labels(path, method, f"{key[2]}xx")
            self._children[key] = child
        child.observe(seconds)
