"""Who sent a request, and under which URL, seen through proxies that were configured.

`X-Forwarded-For`, `-Proto` and `-Host` are believed from those alone: anybody can write them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from aiohttp import web


class Proxies:
    def __init__(self, networks: Iterable[str] = ()) -> None:
        """`networks` are addresses or networks such as 10.0.0.0/8."""
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def remote(self, request: web.BaseRequest) -> str | None:
        """The address of the sender: the nearest one that is no proxy of ours."""
        address = request.remote
        if not self._trusted(address):
            return address
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        for hop in reversed(forwarded.split(",")):
            if candidate := hop.strip():
                address = candidate[:100].encode("ascii", "replace").decode()
                if not self._trusted(candidate):
                    break
        return address

    def url(self, request: web.BaseRequest) -> str:
        """The URL that the sender used."""
        headers = request.headers
        scheme, host = "http", headers.get("Host", "")
        if self._trusted(request.remote):
            scheme = headers.get("X-Forwarded-Proto", scheme).partition(",")[0].strip()
            host = headers.get("X-Forwarded-Host", host).partition(",")[0].strip()
        return f"{scheme}://{host}{request.raw_path}"

    def _trusted(self, address: str | None) -> bool:
        if not self._networks or not address:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)
