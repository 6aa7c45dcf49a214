"""CloudEvents over HTTP, in all its forms, and what each fault in them gets."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.errors import EnsueError, InvalidInputError, TooLargeError, UnsupportedMediaError
from base.time import parse_rfc3339
from events.codec import BATCH, STRUCTURED, decode, encode

NOW = parse_rfc3339("2030-01-01T12:00:00Z")
EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "shop.order.created"}


def _structured(**changes):
    return decode(STRUCTURED, [], orjson.dumps({**EVENT, **changes}), now=NOW).events[0]


def _batch(*values):
    return decode(BATCH, [], orjson.dumps(list(values)), now=NOW).events


def _binary(content_type="application/json", body=b"", **headers):
    given = {f"ce-{name}": value for name, value in {**EVENT, **headers}.items()}
    return decode(content_type, given.items(), body, now=NOW).events[0]


def _fault(call, *args, **kwargs):
    with pytest.raises(EnsueError) as caught:
        call(*args, **kwargs)
    error = caught.value
    return error.status, error.code, error.place


def test_a_structured_event_is_taken_with_all_its_parts():
    event = _structured(
        subject="order-1",
        time="2029-12-31T23:59:59.5Z",
        datacontenttype="application/json",
        data={"total": 3},
        tenant="eu",
        attempt=2,
        urgent=True,
    )
    assert (event.id, event.source, event.type) == ("1", "/shop", "shop.order.created")
    assert (event.subject, event.data) == ("order-1", {"total": 3})
    assert event.time == parse_rfc3339("2029-12-31T23:59:59.5Z")
    assert event.received == NOW
    assert event.attributes == {
        "datacontenttype": "application/json",
        "tenant": "eu",
        "attempt": 2,
        "urgent": True,
    }
    assert event.encoded == b'{"total":3}'


def test_time_defaults_to_arrival():
    assert _structured().time == NOW
    assert _structured(time=None).time == NOW


def test_a_time_in_the_future_is_taken_as_arrival_and_the_sent_one_is_kept():
    event = _structured(time="2030-01-01T12:00:00.000001Z")
    assert event.time == NOW
    assert event.attributes["senttime"] == "2030-01-01T12:00:00.000001Z"
    assert "senttime" not in _structured(time="2030-01-01T12:00:00Z").attributes


def test_the_outside_world_has_depth_zero_whatever_it_says():
    event = _structured(depth=7)
    assert event.depth == 0
    assert event.root()["depth"] == 0


def test_a_chain_from_outside_is_kept_and_else_begins_here():
    joined = _structured(correlationid="chain-1", causationid="cause-1")
    assert (joined.correlationid, joined.causationid) == ("chain-1", "cause-1")
    alone = _structured(causationid=5)
    assert (alone.correlationid, alone.causationid) == ("1", None)


def test_null_data_is_not_the_same_as_no_data():
    assert _structured(data=None).has_data
    assert _structured(data=None).encoded == b"null"
    assert not _structured().has_data


def test_null_attributes_are_absent():
    event = _structured(subject=None, tenant=None)
    assert event.subject is None
    assert event.attributes == {}


def test_bytes_stay_base64_text_and_say_so():
    event = _structured(data_base64="AAEC")
    assert event.data == "AAEC"
    assert event.attributes == {"datacontentencoding": "base64"}
    assert orjson.loads(encode(event))["data_base64"] == "AAEC"
    assert "data" not in orjson.loads(encode(event))


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        ({"id": None}, "attribute_missing", "$.id"),
        ({"id": ""}, "attribute_invalid", "$.id"),
        ({"id": 5}, "attribute_invalid", "$.id"),
        ({"id": "x" * 513}, "attribute_invalid", "$.id"),
        ({"source": ""}, "attribute_invalid", "$.source"),
        ({"type": "a\nb"}, "attribute_invalid", "$.type"),
        ({"specversion": "0.3"}, "specversion_unsupported", "$.specversion"),
        ({"specversion": 1.0}, "specversion_unsupported", "$.specversion"),
        ({"specversion": None}, "attribute_missing", "$.specversion"),
        ({"subject": ""}, "attribute_invalid", "$.subject"),
        ({"time": "yesterday"}, "attribute_invalid", "$.time"),
        ({"time": "2030-02-30T00:00:00Z"}, "attribute_invalid", "$.time"),
        ({"time": 5}, "attribute_invalid", "$.time"),
        ({"data": 1, "data_base64": "AA=="}, "data_twice", "$.data_base64"),
        ({"data_base64": "no!"}, "data_not_base64", "$.data_base64"),
        ({"data_base64": 5}, "attribute_invalid", "$.data_base64"),
        ({"data": "ü", "datacontentencoding": "base64"}, "data_not_base64", "$.data"),
        ({"Tenant": "x"}, "attribute_name_invalid", "$.Tenant"),
        ({"tenant_id": "x"}, "attribute_name_invalid", "$.tenant_id"),
        ({"tenant": {"a": 1}}, "attribute_invalid", "$.tenant"),
        ({"ratio": 1.5}, "attribute_invalid", "$.ratio"),
        ({"correlationid": 5}, "attribute_invalid", "$.correlationid"),
    ],
)
def test_a_faulty_attribute_is_named(change, code, place):
    assert _fault(_structured, **change) == (400, code, place)


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_a_lacking_attribute_is_named(name):
    body = orjson.dumps({key: value for key, value in EVENT.items() if key != name})
    fault = _fault(decode, STRUCTURED, [], body, now=NOW)
    assert fault == (400, "attribute_missing", f"$.{name}")


def test_a_batch_is_taken_in_its_order():
    ids = [event.id for event in _batch(*({**EVENT, "id": str(n)} for n in range(3)))]
    assert ids == ["0", "1", "2"]
    assert _batch() == []


@pytest.mark.parametrize(
    ("bad", "code", "place"),
    [
        ({**EVENT, "type": 5}, "attribute_invalid", "$[1].type"),
        ({**EVENT, "time": "never"}, "attribute_invalid", "$[1].time"),
        ({"id": "1"}, "attribute_missing", "$[1].specversion"),
        ("not an event", "event_not_object", "$[1]"),
        (None, "event_not_object", "$[1]"),
    ],
)
def test_one_bad_event_refuses_the_batch_with_its_index(bad, code, place):
    assert _fault(_batch, EVENT, bad, EVENT) == (400, code, place)


def test_a_batch_is_bounded():
    assert len(_batch(*[EVENT] * 1_000)) == 1_000
    assert _fault(_batch, *[EVENT] * 1_001)[:2] == (413, "batch_too_large")
    plain = orjson.dumps([{"type": "a"}] * 1_001)
    assert _fault(decode, "application/json", [], plain, now=NOW)[:2] == (413, "batch_too_large")


def test_the_form_must_be_the_one_that_was_announced():
    array = orjson.dumps([EVENT])
    assert _fault(decode, STRUCTURED, [], array, now=NOW) == (400, "event_not_object", "$")
    one = orjson.dumps(EVENT)
    assert _fault(decode, BATCH, [], one, now=NOW) == (400, "batch_not_array", "$")


def test_plain_json_needs_no_more_than_a_type():
    decoded = decode("application/json; charset=utf-8", [], b'{"type":"a.b","data":1}', now=NOW)
    (event,) = decoded.events
    assert (event.source, event.type, event.data) == ("/api", "a.b", 1)
    assert event.id
    assert event.correlationid == event.id
    assert not decoded.batch


def test_a_plain_json_array_is_a_batch():
    decoded = decode("application/json", [], b'[{"type":"a"},{"type":"b","id":"7"}]', now=NOW)
    assert decoded.batch
    assert [event.type for event in decoded.events] == ["a", "b"]
    assert decoded.events[1].id == "7"


def test_plain_json_of_another_specversion_is_refused():
    body = b'{"type":"a","specversion":"0.3"}'
    fault = _fault(decode, "application/json", [], body, now=NOW)
    assert fault == (400, "specversion_unsupported", "$.specversion")
    assert _fault(decode, "application/json", [], b"{}", now=NOW)[2] == "$.type"
    assert _fault(decode, "application/json", [], b"5", now=NOW)[1] == "event_not_object"


def test_a_binary_event_has_its_attributes_in_headers():
    event = _binary(body=b'{"n":1}', subject="caf%C3%A9 %22x%22", tenant='"quoted \\"t\\""')
    assert event.data == {"n": 1}
    assert event.subject == 'café "x"'
    assert event.attributes == {
        "tenant": 'quoted "t"',
        "datacontenttype": "application/json",
    }


def test_a_binary_body_is_text_or_bytes_by_its_type():
    assert _binary("text/plain; charset=iso-8859-1", b"caf\xe9").data == "café"
    assert _binary("application/xml", b"<a/>").data == "<a/>"
    png = _binary("image/png", b"\x89PNG")
    assert base64.b64decode(png.data) == b"\x89PNG"
    assert png.attributes["datacontentencoding"] == "base64"
    assert not _binary(None).has_data


@pytest.mark.parametrize(
    ("headers", "code", "place"),
    [
        ([("ce-id", "1"), ("CE-Id", "1")], "header_duplicated", "ce-id"),
        ([("ce-id", "1")], "attribute_missing", "ce-specversion"),
        ([("ce-data", "1")], "attribute_name_invalid", "ce-data"),
        ([("ce-datacontenttype", "a/b")], "attribute_name_invalid", "ce-datacontenttype"),
        ([("ce-subject", "%ff")], "attribute_invalid", "ce-subject"),
        ([("ce-subject", "\udcff")], "attribute_invalid", "ce-subject"),
        ([("ce-subject", "a%00b")], "attribute_invalid", "ce-subject"),
    ],
)
def test_a_faulty_binary_header_is_named(headers, code, place):
    fault = _fault(decode, "application/json", headers, b"{}", now=NOW)
    assert fault == (400, code, place)


def test_a_bad_name_in_a_binary_header_is_named():
    headers = [(f"ce-{name}", value) for name, value in EVENT.items()]
    headers.append(("ce-tenant_id", "x"))
    fault = _fault(decode, "application/json", headers, b"{}", now=NOW)
    assert fault == (400, "attribute_name_invalid", "ce-tenant_id")


def test_text_that_is_none_is_refused():
    assert _fault(_binary, "text/plain", b"\xff")[:2] == (400, "body_not_text")
    assert _fault(_binary, "text/plain", b"a\0b")[:2] == (400, "body_nul_character")


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/html", "application/cloudevents+avro", "application/x-www-form-urlencoded"],
)
def test_other_content_types_are_unsupported(content_type):
    with pytest.raises(UnsupportedMediaError):
        decode(content_type, [], b"{}", now=NOW)


def test_a_charset_is_heeded_and_an_unknown_one_refused():
    body = json.dumps({**EVENT, "subject": "é"}, ensure_ascii=False).encode("latin-1")
    assert decode(f"{STRUCTURED}; charset=ISO-8859-1", [], body, now=NOW).events[0].subject == "é"
    fault = _fault(decode, f"{STRUCTURED}; charset=utf-7", [], body, now=NOW)
    assert fault[:2] == (415, "charset_unsupported")


def test_the_size_is_bounded_in_every_form():
    body = orjson.dumps({**EVENT, "data": "x" * 100})
    for content_type in (STRUCTURED, BATCH, "application/json"):
        with pytest.raises(TooLargeError):
            decode(content_type, [], body, now=NOW, max_bytes=100)
    headers = [(f"ce-{name}", value) for name, value in EVENT.items()]
    with pytest.raises(TooLargeError):
        decode("image/png", headers, b"x" * 101, now=NOW, max_bytes=100)


_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
)


@settings(deadline=None)
@given(_WORDS, _WORDS, _WORDS, _JSON)
def test_what_is_encoded_decodes_to_the_same_event(event_id, source, subject, data):
    event = _structured(id=event_id, source=source, subject=subject, data=data, tenant="x")
    again = decode(STRUCTURED, [], encode(event), now=NOW).events[0]
    assert again.root() == event.root()


@settings(deadline=None)
@given(_WORDS, _WORDS, _JSON)
def test_binary_and_structured_mean_the_same(event_id, subject, data):
    headers = {"id": quote(event_id), "subject": quote(subject)}
    binary = _binary(body=orjson.dumps(data), **headers)
    other = _structured(id=event_id, subject=subject, data=data, datacontenttype="application/json")
    assert binary.root() == other.root()


@settings(deadline=None)
@given(
    st.recursive(
        _JSON,
        lambda inner: st.dictionaries(
            st.sampled_from([*EVENT, "time", "data", "data_base64", "x"]), inner
        ),
    )
)
def test_any_json_is_an_event_or_a_fault_that_is_explained(value):
    for content_type in (STRUCTURED, BATCH, "application/json"):
        fault = None
        try:
            decode(content_type, [], orjson.dumps(value), now=NOW)
        except InvalidInputError as error:
            fault = error
        assert fault is None or (fault.status == 400 and fault.place)


def test_types_of_the_service_itself_are_refused_from_outside():
    body = b'{"type": "ensue.run.completed", "data": {}}'
    with pytest.raises(InvalidInputError) as refused:
        decode("application/json", (), body, now=0)
    assert (refused.value.code, refused.value.place) == ("type_reserved", "$.type")
    with pytest.raises(InvalidInputError) as refused:
        decode("application/json", (), b'[{"type": "a"}, ' + body + b"]", now=0)
    assert refused.value.place == "$[1].type"
