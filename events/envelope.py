"""From a parsed JSON object to an Event: the attributes of CloudEvents 1.0, checked.

What the outside world says is trusted as far as it concerns the outside world: `depth` is
ours and always 0 there; a time that lies in the future is replaced by the time of arrival
and kept as the extension attribute `senttime`.

Bytes (`data_base64`) become base64 text in `data`, with the extension attribute
`datacontentencoding: base64`.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from typing import Annotated, Any, Literal, Required

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from base.errors import InvalidInputError, TooLargeError
from base.time import Micros, parse_rfc3339
from events.event import Event

MAX_BATCH = 1_000
OWN_TYPES = "ensue."
"""How the types begin that only the service makes: nobody else can say that a run completed."""
MAX_ID = 512

_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]+$"
_Id = Annotated[str, Field(min_length=1, max_length=MAX_ID, pattern=_NO_CONTROLS)]
_Type = Annotated[str, Field(min_length=1, max_length=255, pattern=_NO_CONTROLS)]
_Text = Annotated[str, Field(min_length=1, max_length=1_024, pattern=_NO_CONTROLS)]


class _Envelope(TypedDict, total=False):
    """The attributes whose form is known beforehand; null is the same as absent."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]  # pydantic's own way

    specversion: Required[Literal["1.0"]]
    id: Required[_Id]
    source: Required[_Text]
    type: Required[_Type]
    subject: _Text | None
    time: str | None
    datacontenttype: _Text | None
    dataschema: _Text | None
    correlationid: _Id | None
    data: Any
    data_base64: str | None


# What comes out is read as plain dicts: extensions have no place in the type.
_ENVELOPES: TypeAdapter[list[dict[str, Any]]] = TypeAdapter(list[_Envelope])  # type: ignore[arg-type]
_HANDLED = {"data", "data_base64", "depth", "causationid"}
_OURS = (_Envelope.__required_keys__ | _Envelope.__optional_keys__ | _HANDLED) - {
    "datacontenttype",
    "dataschema",
}


def event(value: Any, *, now: Micros, prefix: str = "$.") -> Event:
    """One event; `prefix` stands before the attribute's name in the place of an error."""
    try:
        return _event(_ENVELOPES.validate_python([value])[0], now)
    except ValidationError as error:
        fault = _refusal(error)
    except InvalidInputError as error:
        fault = error
    fault.place = f"{prefix}{fault.place}".rstrip(".")
    raise fault


def batch(values: Any, *, now: Micros, most: int = MAX_BATCH) -> list[Event]:
    """All events of a list, or the first fault with its index in `place`: `$[3].type`."""
    if not isinstance(values, list):
        raise InvalidInputError(
            "a batch is a JSON array of events", code="batch_not_array", place="$"
        )
    if len(values) > most:
        raise TooLargeError(
            f"a batch has at most {most:,} events",
            code="batch_too_large",
            hint="send several requests",
        )
    events: list[Event] = []
    try:
        for raw in _ENVELOPES.validate_python(values):
            events.append(_event(raw, now))  # noqa: PERF401 - its length tells the culprit
    except ValidationError as error:
        index = error.errors(include_url=False, include_context=False)[0]["loc"][0]
        fault = _refusal(error)
    except InvalidInputError as error:
        index, fault = len(events), error
    else:
        return events
    fault.place = f"$[{index}].{fault.place}".rstrip(".")
    raise fault


def _reserved() -> InvalidInputError:
    return InvalidInputError(
        f"types that start with {OWN_TYPES} are the service's own",
        code="type_reserved",
        place="type",
        hint="choose another type, such as the name of what happened in your own domain",
    )


def _event(raw: dict[str, Any], now: Micros) -> Event:
    """The event of a checked envelope; what is left to check are time, data and extensions."""
    event_id: str = raw["id"]
    if raw["type"].startswith(OWN_TYPES):
        raise _reserved()
    get = raw.get
    attributes: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in _OURS and value is not None:
            if not _is_name(name):
                raise _bad_name(name)
            if not isinstance(value, str | int):
                raise _bad_value(name)
            attributes[name] = value
    instant, time = now, get("time")
    if time is not None and (instant := _instant(time)) > now:
        instant = now
        attributes["senttime"] = time
    data, encoded = _data(raw, attributes)
    return Event(
        event_id,
        raw["source"],
        raw["type"],
        instant,
        now,
        get("subject"),
        data,
        attributes,
        get("correlationid") or event_id,
        _causation(get("causationid")),
        0,
        bool(encoded),
        encoded,
    )


def _causation(given: Any) -> str | None:
    return given if isinstance(given, str) and 0 < len(given) <= MAX_ID else None


def _data(raw: dict[str, Any], attributes: dict[str, Any]) -> tuple[Any, bytes]:
    """The value of `data` and its JSON text; empty text where there is none."""
    packed = raw.get("data_base64")
    if packed is not None:
        if "data" in raw:
            raise InvalidInputError(
                "`data` and `data_base64` exclude each other",
                code="data_twice",
                place="data_base64",
            )
        _check_base64(packed, "data_base64")
        attributes["datacontentencoding"] = "base64"
        return packed, orjson.dumps(packed)
    if "data" not in raw:
        return None, b""
    data = raw["data"]
    if "datacontentencoding" in attributes and attributes["datacontentencoding"] == "base64":
        _check_base64(data, "data")
    return data, orjson.dumps(data)


def _check_base64(text: Any, place: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidInputError("this is not base64", code="data_not_base64", place=place) from None


def _instant(time: str) -> Micros:
    try:
        return parse_rfc3339(time)
    except ValueError as error:
        raise InvalidInputError(str(error)[:200], code="attribute_invalid", place="time") from None


@lru_cache(maxsize=1_024)
def _is_name(name: str) -> bool:
    return name.isascii() and name.isalnum() and name == name.lower()


def _bad_name(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name[:40]!r} cannot be the name of an attribute",
        code="attribute_name_invalid",
        place=name[:40],
        hint="a name is made of the letters a to z and digits",
    )


def _bad_value(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"the extension attribute `{name[:40]}` must be a string, an integer or a boolean",
        code="attribute_invalid",
        place=name[:40],
        hint="values with a structure belong in `data`",
    )


def _refusal(error: ValidationError) -> InvalidInputError:
    """The first thing pydantic found wrong, in our words."""
    first = error.errors(include_url=False)[0]
    if len(first["loc"]) == 1:
        return InvalidInputError("an event is a JSON object", code="event_not_object", place="")
    name = str(first["loc"][1])
    if first["type"] == "missing" or first["input"] is None:
        code, reason = "attribute_missing", "is missing"
    elif name == "specversion":
        code, reason = "specversion_unsupported", "must be 1.0"
    else:
        code = "attribute_invalid"
        reason = {
            "string_type": "must be a string",
            "string_too_short": "must not be empty",
            "string_too_long": "is too long",
            "string_unicode": "is not valid Unicode",
            "string_pattern_mismatch": "must not contain control characters",
        }.get(first["type"], "cannot be taken")
        if limit := first.get("ctx", {}).get("max_length"):
            reason += f", {limit:,} characters are the limit"
    return InvalidInputError(f"the attribute `{name}` {reason}", code=code, place=name)
