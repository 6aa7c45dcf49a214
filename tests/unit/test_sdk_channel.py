from __future__ import annotations

import json
import socket
import threading

import pytest

from ensue.channel import (
    CUT_MARK,
    MAX_LINE,
    SocketChannel,
    current_channel,
    encode_line,
    use_channel,
)
from ensue.errors import ChannelClosedError


@pytest.fixture
def wire():
    ours, theirs = socket.socketpair()
    theirs.settimeout(30)
    channels = []

    def start(**options):
        channel = SocketChannel(ours, **options)
        channel.start()
        channels.append(channel)
        return channel

    lines = theirs.makefile("rb")
    yield start, theirs, lines
    for channel in channels:
        channel.close()
    lines.close()
    theirs.close()
    ours.close()


def tell(sock, **message):
    sock.sendall(json.dumps(message).encode() + b"\n")


def test_messages_arrive_in_order_each_a_line_with_the_version(wire):
    start, _, lines = wire
    channel = start()
    for number in range(100):
        channel.send({"type": "log", "message": str(number)})
    received = [json.loads(lines.readline()) for _ in range(100)]
    assert [message["message"] for message in received] == [str(n) for n in range(100)]
    assert {message["v"] for message in received} == {1}


def test_messages_of_many_threads_are_whole_lines(wire):
    start, _, lines = wire
    channel = start()
    threads = [
        threading.Thread(
            target=lambda n=n: [channel.send({"type": "log", "message": n}) for _ in range(200)]
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    received = [json.loads(lines.readline())["message"] for _ in range(800)]
    assert sorted(received) == sorted([n for n in range(4) for _ in range(200)])
    for thread in threads:
        thread.join()


def test_a_request_returns_the_answer_with_its_number(wire):
    start, worker, lines = wire
    channel = start()

    def answer():
        first, second = (json.loads(lines.readline()) for _ in range(2))
        tell(worker, type="ack", seq=second["seq"], ok=True, told=second["type"])
        tell(worker, type="ack", seq=first["seq"], ok=False, error="no", told=first["type"])

    thread = threading.Thread(target=answer)
    thread.start()
    answers = {}
    askers = [
        threading.Thread(
            target=lambda kind=kind: answers.update(
                {kind: channel.request({"type": kind}, timeout=30)}
            )
        )
        for kind in ("emit", "finished")
    ]
    for asker in askers:
        asker.start()
    for asker in [*askers, thread]:
        asker.join(30)
    assert {kind: ack["told"] for kind, ack in answers.items()} == {
        "emit": "emit",
        "finished": "finished",
    }
    assert sorted(ack["ok"] for ack in answers.values()) == [False, True]


def test_no_answer_in_time_is_a_timeout(wire):
    start, _, _ = wire
    with pytest.raises(TimeoutError, match=r"did not answer within 0\.01 s"):
        start().request({"type": "emit"}, timeout=0.01)


def test_a_worker_that_goes_away_ends_the_waiting_and_is_told_once(wire):
    start, worker, lines = wire
    closed = []
    gone = threading.Event()
    channel = start(on_close=lambda: (closed.append(1), gone.set()))

    def leave():
        lines.readline()
        worker.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=leave)
    thread.start()
    with pytest.raises(ChannelClosedError, match="is gone"):
        channel.request({"type": "emit"}, timeout=30)
    thread.join(30)
    assert gone.wait(30)
    with pytest.raises(ChannelClosedError):
        channel.request({"type": "emit"}, timeout=30)
    channel.send({"type": "log", "message": "dropped"})
    assert closed == [1]


def test_a_cancel_reaches_the_callback(wire):
    start, worker, _ = wire
    cancelled = threading.Event()
    channel = start()
    channel.on_cancel(cancelled.set)
    tell(worker, type="cancel")
    assert cancelled.wait(30)


def test_a_cancel_that_came_before_the_callback_is_not_lost(wire):
    start, worker, _ = wire
    after = threading.Event()
    channel = start(on_message=lambda message: after.set())
    tell(worker, type="cancel")
    tell(worker, type="later")
    assert after.wait(30)
    called = []
    channel.on_cancel(lambda: called.append(1))
    assert called == [1]


def test_types_it_does_not_know_are_handed_on(wire):
    start, worker, _ = wire
    seen, got = [], threading.Event()
    start(on_message=lambda message: (seen.append(message["type"]), got.set()))
    tell(worker, type="renewed")
    assert got.wait(30)
    assert seen == ["renewed"]


def test_a_reader_that_was_used_before_goes_on_where_it_was():
    ours, theirs = socket.socketpair()
    tell(theirs, type="go")
    tell(theirs, type="cancel")
    reader = ours.makefile("rb")
    assert json.loads(reader.readline())["type"] == "go"
    cancelled = threading.Event()
    channel = SocketChannel(ours, lines=reader)
    channel.on_cancel(cancelled.set)
    channel.start()
    assert cancelled.wait(30)
    channel.close()
    theirs.close()


def test_closing_writes_out_what_waits(wire):
    start, _, lines = wire
    channel = start()
    for _ in range(1000):
        channel.send({"type": "log", "message": "x"})
    closing = threading.Thread(target=channel.close)
    closing.start()
    assert len(lines.readlines()) == 1000
    closing.join(30)


def test_what_is_sent_is_out_of_the_process_when_send_returns(wire):
    start, worker, _ = wire
    start().send({"type": "log", "message": "last words"})
    assert b"last words" in worker.recv(4096, socket.MSG_DONTWAIT)


def test_what_a_slow_worker_has_not_taken_keeps_its_order(wire):
    start, _, lines = wire
    channel = start()
    texts = [str(n) + "x" * (n % 7) * 10_000 for n in range(100)]
    sending = threading.Thread(
        target=lambda: [channel.send({"type": "log", "message": text}) for text in texts]
    )
    sending.start()
    assert [json.loads(lines.readline())["message"] for _ in texts] == texts
    sending.join(30)


def test_a_log_message_that_is_too_long_is_cut_and_says_so():
    for text in ("x" * (2 * MAX_LINE), "\x01" * MAX_LINE, "ü" * MAX_LINE):
        line = encode_line({"type": "log", "message": text})
        assert MAX_LINE * 0.8 < len(line) <= MAX_LINE
        assert json.loads(line)["message"].endswith(CUT_MARK)


def test_any_other_message_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="too many for one line"):
        encode_line({"type": "emit", "event": {"data": "x" * MAX_LINE}})


def test_a_lone_surrogate_does_not_break_the_line():
    assert json.loads(encode_line({"type": "log", "message": "a\udc80"}))["message"] == "a?"


def test_the_current_channel_is_the_one_in_use():
    class Nothing:
        def send(self, message): ...
        def request(self, message, timeout): ...
        def on_cancel(self, callback): ...

    channel = Nothing()
    assert current_channel() is None
    with use_channel(channel):
        assert current_channel() is channel
    assert current_channel() is None
