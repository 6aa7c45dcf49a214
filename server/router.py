"""From a method and a path to a route: a tree over the parts of the path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from base.errors import NotFoundError
from server.problems import MethodNotAllowedError
from server.route import Route


@dataclass(slots=True)
class _Node:
    parts: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    name: str = ""
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        self._exact: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            node = self._root
            for part in route.path.split("/"):
                node = _step(node, part)
            if route.method in node.routes:
                raise ValueError(f"two routes for {route.method} {route.path}")
            node.routes[route.method] = route
            if "{" not in route.path:
                self._exact[route.path] = node.routes

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """The route and the values in its path. Raises NotFoundError, MethodNotAllowedError.

        The path is taken as it was sent: a part may contain an encoded slash.
        """
        values: dict[str, str] = {}
        routes = self._exact.get(raw_path)
        if routes is None:
            routes = self._walk(raw_path.partition("?")[0].partition("#")[0], values)
        route = routes.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = [*routes, "HEAD"] if "GET" in routes else [*routes]
            raise MethodNotAllowedError(method, ", ".join(allowed))
        return route, values

    def _walk(self, path: str, values: dict[str, str]) -> dict[str, Route]:
        node = self._root
        for part in path.split("/"):
            following = node.parts.get(part)
            if following is None and node.any is not None and part:
                following = node.any
                values[node.name] = unquote(part)
            if following is None:
                break
            node = following
        else:
            if node.routes and all(map(_storable, values.values())):
                return node.routes
        raise NotFoundError(
            f"there is nothing at {unquote(path)[:200]!r}", hint="/api/openapi.json lists all paths"
        )


def _storable(value: str) -> bool:
    """Whether anything could have this name: bytes that are no text and NUL are in none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _step(node: _Node, part: str) -> _Node:
    if not part.startswith("{"):
        return node.parts.setdefault(part, _Node())
    name = part.strip("{}")
    if node.any is None:
        node.any, node.name = _Node(), name
    elif node.name != name:
        raise ValueError(f"one part of a path has two names: {node.name}, {name}")
    return node.any
