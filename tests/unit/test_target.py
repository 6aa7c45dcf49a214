from __future__ import annotations

from ipaddress import ip_address

import pytest

from automations.target import Allowed, is_public, target_of
from base.errors import ConfigurationError

FORBIDDEN = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254
169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1
192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::127.0.0.1
64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 64:ff9b:1::808:808
2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 2001:0:808:808::1 2001::1 2001:db8::1 2001:10::1
100::1 5f00::1 3fff::1 fc00::1 fd12:3456::1 fe80::1 fe80::5efe:8.8.8.8 fec0::1 ff02::1 ff0e::1
2a00:1450:4001:80b:0:5efe:10.0.0.1 2a00:1450:4001:80b:200:5efe:127.0.0.1
"""

PUBLIC = """
1.1.1.1 8.8.8.8 93.184.216.34 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.167.255.255
198.17.0.1 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2606:4700::1111
2a00:1450:4001:80b::200e
"""


@pytest.mark.parametrize("address", FORBIDDEN.split())
def test_what_only_some_can_reach_is_not_public(address):
    assert not is_public(ip_address(address))
    assert not Allowed().reaches(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_what_everybody_can_reach_is_public(address):
    assert is_public(ip_address(address))


def test_networks_that_are_allowed_are_reached_also_in_mapped_spelling():
    allowed = Allowed.parse(["10.0.0.0/8", "::1"])
    assert allowed.reaches("10.1.2.3")
    assert allowed.reaches("::ffff:10.1.2.3")
    assert allowed.reaches("::1")
    assert not allowed.reaches("127.0.0.1")
    assert not allowed.reaches("64:ff9b::10.1.2.3")


def test_a_zone_does_not_hide_an_address():
    assert not Allowed().reaches("fe80::1%eth0")


def test_hosts_are_allowed_by_name_in_any_spelling():
    allowed = Allowed.parse(["Hook.Internal", "localhost"])
    assert allowed.names("hook.internal.")
    assert allowed.names("LOCALHOST")
    assert not allowed.names("evil.hook.internal")


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "http://x", "*.internal", "a b"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(ConfigurationError):
        Allowed.parse([text])


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Example.com/a?b", "https://example.com:443"),
        ("http://example.com.", "http://example.com:80"),
        ("http://example.com:8080/", "http://example.com:8080"),
        ("http://[::1]:1/", "http://[::1]:1"),
    ],
)
def test_a_target_is_scheme_host_and_port(url, target):
    assert target_of(url) == target
