"""What the server and its reader say arrives whole, in order, with its descriptors."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from base.time import now
from events.codec import decode
from events.event import Event
from events.fingerprint import fingerprint
from server.intake.wire import HEAD, LENT, STOP, Frames, frame, packed, send


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, two = socket.socketpair()
    two.setblocking(False)
    yield one, two
    one.close()
    two.close()


def received(frames: Frames) -> list[tuple]:
    try:
        return list(frames.receive())
    except BlockingIOError:
        return []


def test_an_event_is_the_same_on_the_other_side():
    body = b'{"id": "1", "type": "a.b", "subject": "s", "x": true, "data": {"n": [1, 2.5, null, "\\u00e9"]}}'
    (event,) = decode("application/json", (), body, now=now()).events
    back = Event(*packed(event))
    assert back.root() == event.root()
    assert (back.encoded, back.received, back.has_data) == (event.encoded, event.received, True)
    assert back.fingerprint == fingerprint(event)


def test_messages_arrive_whole_however_they_are_cut(ends):
    one, two = ends
    frames = Frames(two)
    sent = [(HEAD, b"x" * 300, None), (STOP,), (HEAD, b"y", "text/plain")]
    found = []
    for byte in b"".join(map(frame, sent)):
        one.send(bytes([byte]))
        found += received(frames)
    assert found == sent


def test_a_descriptor_comes_with_its_message(ends):
    one, two = ends
    frames = Frames(two)
    for number in range(20):
        read, write = os.pipe()
        os.write(write, str(number).encode())
        send(one, frame((LENT, number, b"z" * number)), [read])
        os.close(read)
        os.close(write)
    found = []
    while len(found) < 20:
        found += received(frames)
    assert [number for _, number, _ in found] == list(range(20))
    for number in range(20):
        descriptor = frames.descriptors.popleft()
        assert os.read(descriptor, 9) == str(number).encode()
        os.close(descriptor)


def test_the_end_of_the_other_side_is_told(ends):
    one, two = ends
    one.close()
    with pytest.raises(EOFError):
        Frames(two).receive()
