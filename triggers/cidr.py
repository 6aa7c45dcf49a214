"""Blocks of addresses, IPv4 and IPv6."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any


def cidr_test(block: str) -> Callable[[Any], bool]:
    """Whether a value is the text of an address in `block`; bits past the mask are ignored.

    Raises ValueError where `block` is not an address, a slash and a length.
    """
    if "/" not in block:
        raise ValueError(f"`{block}` has no `/`")
    network = ip_network(block, strict=False)
    version, first, mask = network.version, int(network.network_address), int(network.netmask)

    def test(value: Any) -> bool:
        if type(value) is not str or len(value) > 64:
            return False
        try:
            address = ip_address(value)
        except ValueError:
            return False
        return address.version == version and int(address) & mask == first

    return test
