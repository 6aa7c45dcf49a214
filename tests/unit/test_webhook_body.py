"""Reading a body: the cap holds while it streams, packed or not."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.errors import EnsueError
from events.webhooks.body import read_body


async def _stream(*chunks):
    for chunk in chunks:
        yield chunk


async def _endless(chunk, counter):
    while True:
        counter.append(1)
        yield chunk


def _raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


async def _code(chunks, **options):
    with pytest.raises(EnsueError) as caught:
        await read_body(chunks, **options)
    return caught.value.status, caught.value.code


async def test_a_body_is_read_up_to_its_limit_and_not_a_byte_further():
    assert await read_body(_stream(b"12345", b"67890"), limit=10) == b"1234567890"
    assert await read_body(_stream(), limit=10) == b""
    assert await _code(_stream(b"12345", b"678901"), limit=10) == (413, "body_too_large")


async def test_an_endless_body_is_left_as_soon_as_it_is_over_the_limit():
    counter = []
    assert await _code(_endless(b"x" * 10, counter), limit=100) == (413, "body_too_large")
    assert len(counter) == 11


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("X-GZip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", _raw_deflate),
        ("identity", bytes),
    ],
)
async def test_a_packed_body_is_unpacked_and_its_limit_is_exact(encoding, pack):
    body = b"abc" * 100
    packed = pack(body)
    pieces = [packed[at : at + 1] for at in range(len(packed))]
    assert await read_body(_stream(*pieces), limit=300, content_encoding=encoding) == body
    assert await _code(_stream(packed), limit=299, content_encoding=encoding) == (
        413,
        "body_too_large",
    )


async def test_a_gzip_bomb_is_refused_without_being_unpacked():
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        fault = await _code(_stream(bomb), limit=1 << 20, content_encoding="gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fault == (413, "body_too_large")
    assert peak < 4 << 20


async def test_several_gzip_members_are_one_body_under_one_limit():
    members = gzip.compress(b"one ") + gzip.compress(b"two")
    assert await read_body(_stream(members), content_encoding="gzip") == b"one two"
    assert await _code(_stream(members), limit=6, content_encoding="gzip") == (
        413,
        "body_too_large",
    )


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)[:-3]),
        ("gzip", gzip.compress(b"hello", mtime=0) + b"trailing"),
        ("gzip", b"not gzip at all"),
        ("gzip", b""),
        ("deflate", zlib.compress(b"hello")[:-1]),
        ("deflate", zlib.compress(b"hello") + b"x"),
        ("deflate", b"\x78"),
        ("deflate", b""),
    ],
)
async def test_a_broken_stream_is_the_senders_fault(encoding, raw):
    assert await _code(_stream(raw), content_encoding=encoding) == (400, "encoding_broken")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
async def test_other_encodings_are_unsupported(encoding):
    assert await _code(_stream(b"x"), content_encoding=encoding) == (415, "encoding_unsupported")


async def test_a_body_that_does_not_end_in_time_is_given_up():
    async def slow():
        yield b"{"
        await asyncio.Event().wait()

    assert await _code(slow(), deadline=0.01) == (408, "body_timeout")


async def test_being_cancelled_is_not_taken_for_a_slow_body():
    reached = asyncio.Event()

    async def slow():
        reached.set()
        await asyncio.Event().wait()
        yield b""

    task = asyncio.ensure_future(read_body(slow(), deadline=60))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300), st.integers(1, 50), st.booleans())
def test_packed_or_not_the_limit_means_the_same(body, limit, size, packed):
    raw = gzip.compress(body) if packed else body
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    encoding = "gzip" if packed else None

    async def read():
        return await read_body(_stream(*pieces), limit=limit, content_encoding=encoding)

    fits = max(len(body), len(raw)) <= limit
    try:
        assert asyncio.run(read()) == body
        assert fits
    except EnsueError:
        assert not fits
