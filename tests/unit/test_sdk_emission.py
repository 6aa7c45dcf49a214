from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ensue import emit, flow
from ensue.channel import use_channel
from ensue.errors import ChannelClosedError, EmitError


class Worker:
    """The worker's answers, and what it was asked to store."""

    def __init__(self, answer=None):
        self.answer = {"ok": True} if answer is None else answer
        self.events = []

    def send(self, message): ...

    def on_cancel(self, callback): ...

    def request(self, message, timeout):
        assert message["type"] == "emit"
        self.events.append(message["event"])
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def emitted(*args, **kwargs):
    worker = Worker()
    with use_channel(worker):
        emit(*args, **kwargs)
    return worker.events[0]


def test_an_event_is_a_whole_cloudevent_and_its_id_is_returned():
    worker = Worker()
    with use_channel(worker):
        made = emit("order.reviewed", data={"total": 3}, source="/shop", subject="a1")
    (event,) = worker.events
    assert event.pop("time").endswith("Z")
    assert event == {
        "specversion": "1.0",
        "id": made,
        "type": "order.reviewed",
        "source": "/shop",
        "subject": "a1",
        "datacontenttype": "application/json",
        "data": {"total": 3},
    }


def test_in_a_flow_the_source_is_the_flow_and_the_subject_its_run():
    @flow
    def inner():
        emit("x.y")

    @flow
    def outer(ids):
        from ensue import runtime

        ids.append(runtime.flow_run.id)
        inner()

    ids, worker = [], Worker()
    with use_channel(worker):
        outer(ids)
    assert worker.events[0]["source"] == "/flows/outer"
    assert worker.events[0]["subject"] == ids[0]


def test_the_names_prefect_uses_mean_the_same():
    event = emitted(event="x.y", payload=[1])
    assert (event["type"], event["data"]) == ("x.y", [1])


def test_an_event_without_data_has_none():
    assert "data" not in emitted("x.y")


@pytest.mark.parametrize(
    ("time", "told"),
    [
        (datetime(2030, 1, 1, 12, tzinfo=UTC), "2030-01-01T12:00:00Z"),
        (datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2030-01-01T10:00:00Z"),
        ("2030-01-01T12:00:00+01:00", "2030-01-01T12:00:00+01:00"),
    ],
)
def test_a_time_is_told_with_its_zone(time, told):
    assert emitted("x.y", time=time)["time"] == told


def test_attributes_never_replace_the_core_ones():
    event = emitted("x.y", id="7", attributes={"tenant": "a", "id": "8"})
    assert (event["id"], event["tenant"]) == ("7", "a")


def test_an_event_the_worker_cannot_store_is_an_error_with_the_reason():
    worker = Worker({"ok": False, "error": "the type is reserved"})
    with use_channel(worker), pytest.raises(EmitError, match="the type is reserved") as caught:
        emit("ensue.run.completed", id="7")
    assert caught.value.id == "7"


@pytest.mark.parametrize("problem", [TimeoutError("no answer"), ChannelClosedError("gone")])
def test_a_worker_that_does_not_answer_is_an_error_with_the_id(problem):
    with use_channel(Worker(problem)), pytest.raises(EmitError) as caught:
        emit("x.y", id="7")
    assert caught.value.id == "7"
    assert caught.value.__cause__ is problem


@pytest.mark.parametrize("data", [float("nan"), object()])
def test_data_without_a_json_form_is_refused_before_anything_is_sent(data):
    worker = Worker()
    with use_channel(worker), pytest.raises(ValueError, match=r"'x\.y' has no JSON form"):
        emit("x.y", data={"value": data})
    assert worker.events == []


def test_the_type_is_needed_once():
    with pytest.raises(TypeError, match="needs the type"):
        emit()
    with pytest.raises(TypeError, match="needs the type"):
        emit("a", event="b")
    with pytest.raises(ValueError, match="is a text"):
        emit("")


def test_data_and_payload_together_are_refused():
    with pytest.raises(TypeError, match="not both"):
        emit("a", data=1, payload=2)


def test_an_address_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("ENSUE_API_URL", "file:///etc/passwd")
    with pytest.raises(EmitError, match="must begin with http"):
        emit("x.y")
