"""Blocks of addresses, IPv4 and IPv6."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
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
        family, number = _address(value)
        return family == version and number & mask == first

    return test


@lru_cache(maxsize=1_024)
def _address(text: str) -> tuple[int, int]:
    """Version and number, (0, 0) for no address. Kept: many rules ask about one value."""
    try:
        address = ip_address(text)
    except ValueError:
        return 0, 0
    return address.version, int(address)
