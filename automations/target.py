"""Where a call may go: the public internet, and what the operator allows besides.

A rule says whom to call, and an event may say part of it; so a call must not reach what only
this machine can reach. Names are no help, since whoever owns one decides where it leads, and
may decide anew between a check and a connection. So it is the *address* that is judged, the
very one a socket is about to be connected to.

An address that carries an IPv4 address within it (mapped, NAT64, ISATAP) is as good as that
one. Of IPv6, only what is assigned as global unicast is public at all; 6to4 and Teredo, which
tunnel to wherever they say, are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final
from urllib.parse import urlsplit

from base.errors import ConfigurationError

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""The special-purpose registry of IANA (RFC 6890 and its updates), and multicast."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could reach it as well as we can."""
    if isinstance(address, IPv6Address):
        if (embedded := _embedded(address)) is not None:
            return is_public(embedded) and (
                address in _GLOBAL_UNICAST or address in _NAT64 or address.ipv4_mapped is not None
            )
        return (
            address in _GLOBAL_UNICAST
            and address.is_global
            and not any(address in network for network in _NOT_PUBLIC_6)
        )
    return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    low = int(address) & 0xFFFF_FFFF
    if address in _NAT64 or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(low)
    return None


@dataclass(frozen=True, slots=True)
class Allowed:
    """Private targets that calls may have: networks, and hosts by name."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    hosts: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, targets: Iterable[str]) -> Allowed:
        """From `10.0.0.0/8`, `127.0.0.1`, `hook.internal`. Raises ConfigurationError."""
        networks, hosts = [], set()
        for target in targets:
            text = target.strip().strip("[]")
            try:
                networks.append(ip_network(text, strict=False))
            except ValueError:
                if not text or any(letter in text for letter in "/:*@ "):
                    raise ConfigurationError(
                        f"{target!r} is neither a host, an address nor a network",
                        code="setting_invalid",
                        hint="such as 10.0.0.0/8 or hook.internal",
                    ) from None
                hosts.add(_plain(text))
        return cls(tuple(networks), frozenset(hosts))

    def names(self, host: str) -> bool:
        """Whether this host is allowed by its name, wherever it leads."""
        return _plain(host) in self.hosts

    def reaches(self, address: str) -> bool:
        """Whether a socket may be connected to this address."""
        found = ip_address(address.partition("%")[0])
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        return is_public(found) or any(
            (mapped or found) in network or found in network for network in self.networks
        )


def target_of(url: str) -> str:
    """Whom a URL addresses: scheme, host and port. Calls to one target share their slots."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = _plain(parts.hostname or "")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _plain(host: str) -> str:
    return host.lower().rstrip(".")
