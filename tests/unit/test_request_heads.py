"""Heads that are alike mean the same to the HTTP parser, but for the length of the body."""

from __future__ import annotations

import asyncio
import re
from unittest.mock import Mock

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from hypothesis import given
from hypothesis import strategies as st

from server.intake.head import MAX_HEAD, likeness, told_once

HEAD = (
    b"POST /api/events HTTP/1.1\r\nHost: localhost:3678\r\nAccept: */*\r\n"
    b"Content-Length: 17\r\nContent-Type: application/cloudevents+json\r\nX-Trace: 17\r\n\r\n"
)


def parsed(data: bytes) -> RawRequestMessage | None:
    """What aiohttp makes of a head."""
    loop = asyncio.new_event_loop()
    try:
        protocol = Mock(_reading_paused=False)
        messages, _, _ = HttpRequestParser(protocol, loop, 2**16).feed_data(data)
    except HttpProcessingError:
        return None
    finally:
        loop.close()
    return messages[0][0] if messages else None


def test_the_body_begins_behind_the_head_and_is_as_long_as_the_head_says():
    found = likeness(HEAD + b"x" * 17)
    assert found is not None
    assert found[1:] == (len(HEAD), len(HEAD) + 17)


@pytest.mark.parametrize("length", [b"0", b"5", b"999", b"123456789"])
def test_heads_that_differ_in_the_length_alone_are_alike(length):
    other = HEAD.replace(b"Length: 17", b"Length: " + length)
    one, two = likeness(HEAD), likeness(other)
    assert one is not None
    assert two is not None
    assert one[0] == two[0]
    assert two[2] - two[1] == int(length)


@pytest.mark.parametrize(
    "change",
    [
        (b"Trace: 17", b"Trace: 18"),
        (b"POST", b"post"),
        (b"Length: 17", b"Length: 17 "),
        (b"Length: 17", b"Length:17"),
        (b"Length: 17", b"Length: +17"),
        (b"Length: 17", b"Length: 17\r\nContent-Length: 17"),
        (b"Length: 17", b"Length: 17\r\nTransfer-Encoding: chunked"),
        (b"Content-Length", b"content-length"),
    ],
)
def test_any_other_difference_is_one(change):
    other = likeness(HEAD.replace(*change, 1))
    known = likeness(HEAD)
    assert known is not None
    assert other is None or other[0] != known[0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD[:-1],
        HEAD.replace(b"Content-Length: 17\r\n", b""),
        HEAD.replace(b"17\r\nContent", b"1234567890\r\nContent"),
        HEAD.replace(b"localhost", b"l" * MAX_HEAD),
    ],
)
def test_what_is_not_whole_or_tells_no_length_has_no_likeness(data):
    assert likeness(data) is None


def test_a_length_that_is_told_twice_is_noticed():
    assert told_once(HEAD, len(HEAD))
    twice = HEAD.replace(b"Accept: */*", b"CONTENT-LENGTH: 17")
    assert not told_once(twice, len(twice))


@given(st.data())
def test_whatever_is_taken_for_alike_aiohttp_reads_alike(data):
    """A few bytes are changed, put in or left out; where that is alike, it means the same."""
    changed = bytearray(HEAD)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        piece = data.draw(
            st.sampled_from([b"", b"0", b"9", b"17", b" ", b"\r\n", b"\0", b":", b"a", b"\t", b","])
        )
        changed[place : place + data.draw(st.integers(0, 2))] = piece
    one, two = likeness(HEAD), likeness(bytes(changed))
    assert one is not None
    if two is None or two[0] != one[0]:
        return
    known, other = parsed(HEAD), parsed(bytes(changed))
    assert known is not None
    assert other is not None
    assert (other.method, other.path, other.version) == (known.method, known.path, known.version)
    assert int(other.headers["Content-Length"]) == two[2] - two[1]
    raw = [
        (name, value)
        for name, value in other.raw_headers
        if not re.match(b"(?i)content-length", name)
    ]
    assert raw == [(n, v) for n, v in known.raw_headers if not re.match(b"(?i)content-length", n)]
