"""Who may speak to a server that has no keys: programs of this machine, and no web page.

A page in the user's browser can send requests to a loopback address. It is told by two
headers that a page cannot forge:

* `Origin`, which browsers send with every POST from a page, must be the server's own;
* `Host`: a page that points its own name at 127.0.0.1 (DNS rebinding) sends that name. A
  server on loopback answers only to loopback names, and to those that were configured.

Hooks are reached from anywhere, through tunnels and proxies, and prove themselves by their
signature: for them any `Origin` is refused, since no webhook has one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

from base.errors import ForbiddenError
from server.route import Route


class Gate:
    def __init__(self, *, loopback: bool, names: Iterable[str] = ()) -> None:
        """`names` are further host names under which the server is reached."""
        self._names = frozenset(name.lower() for name in names)
        self._loopback = loopback
        self._known_host = lru_cache(maxsize=1_024)(self._judge_host)

    def check(self, method: str, headers: Mapping[str, str], route: Route) -> None:
        """Raises ForbiddenError."""
        host = headers.get("Host", "")
        if not route.public and not self._known_host(host):
            raise ForbiddenError(
                f"this server does not answer to the name {host[:100]!r}",
                code="host_forbidden",
                hint="use 127.0.0.1 or localhost, or add the name to `hosts` in ensue.toml",
            )
        if method != "GET" and (origin := headers.get("Origin")) is not None:
            self._check_origin(origin, host, route)

    def _check_origin(self, origin: str, host: str, route: Route) -> None:
        netloc = origin.partition("://")[2].lower()
        own = netloc and (netloc == host.lower() or _name(netloc) in self._names)
        if route.public or not own:
            raise ForbiddenError(
                f"a web page of {origin[:100]!r} may not do this", code="origin_forbidden"
            )

    def _judge_host(self, host: str) -> bool:
        name = _name(host)
        if not self._loopback or name in self._names or name == "localhost":
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name.endswith(".localhost")


def _name(host: str) -> str:
    """The name without its port, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()
