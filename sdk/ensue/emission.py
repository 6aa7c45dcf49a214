"""Emitting an event from user code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ensue.channel import Channel, current_channel
from ensue.context import current_flow_run
from ensue.encoding import to_json
from ensue.errors import EmitError
from ensue.ids import new_id

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

DEFAULT_API_URL = "http://127.0.0.1:3678"
_ACK_SECONDS = 30.0
_HTTP_SECONDS = 10.0


def emit(
    type: str | None = None,  # noqa: A002 - CloudEvents' word
    *,
    data: Any = None,
    source: str | None = None,
    subject: str | None = None,
    time: datetime | str | None = None,
    id: str | None = None,  # noqa: A002 - CloudEvents' word
    attributes: Mapping[str, str | int | bool] | None = None,
    event: str | None = None,
    payload: Any = None,
) -> str:
    """Emits an event and returns its id. When it returns, the event is stored.

        emit("order.reviewed", subject=order, data={"total": total})

    In a run that Ensue started, the event goes through the run's worker and joins the
    chain of events that led to the run. `source` is then `/flows/<flow>` and `subject`
    the run's id unless you say otherwise. Elsewhere it is posted to `ENSUE_API_URL`
    (default http://127.0.0.1:3678), with `ENSUE_API_KEY` as bearer where that is set.

    `data` is anything with a JSON form: also pydantic models, dataclasses, dates. `time`
    defaults to now; a datetime without a time zone is local time. `attributes` are
    CloudEvents extension attributes. Giving an `id` of your own makes emitting safe to
    repeat: the same source and id again is a duplicate, and changes nothing. `event` and
    `payload` are other names for `type` and `data`.

    Raises ValueError for what is no event, and EmitError when it is not known to be stored.
    """
    if (type is None) == (event is None):
        raise TypeError("emit() needs the type of the event, once: emit('order.reviewed')")
    if data is not None and payload is not None:
        raise TypeError("emit() takes data or payload, which are the same, not both")
    kind = type or event
    if not isinstance(kind, str) or not kind:
        raise ValueError(f"the type of an event is a text such as order.reviewed, not {kind!r}")
    message: dict[str, Any] = {"specversion": "1.0", "id": id or new_id(), "type": kind}
    message["source"] = source or _source()
    about = subject or _subject()
    if about:
        message["subject"] = about
    message["time"] = _rfc3339(time)
    body = data if data is not None else payload
    if body is not None:
        message["datacontenttype"] = "application/json"
        message["data"] = _json(body, kind)
    message = {**dict(attributes or {}), **message}
    channel = current_channel()
    if channel is not None:
        _through(channel, message)
    else:
        _post(message)
    return str(message["id"])


def _source() -> str:
    run = current_flow_run()
    return "/sdk" if run is None else f"/flows/{run.root.flow_name}"


def _subject() -> str | None:
    run = current_flow_run()
    return None if run is None else run.root.id


def _rfc3339(time: datetime | str | None) -> str:
    if isinstance(time, str):
        return time
    return (time or datetime.now(UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json(body: Any, kind: str) -> Any:
    try:
        return to_json(body)
    except ValueError as error:
        raise ValueError(f"The data of the event {kind!r} has no JSON form: {error}") from None


def _through(channel: Channel, message: dict[str, Any]) -> None:
    try:
        ack = channel.request({"type": "emit", "event": message}, timeout=_ACK_SECONDS)
    except OSError as error:  # a timeout, or the worker is gone
        raise EmitError(f"The event {message['type']!r}: {error}", id=message["id"]) from error
    if not ack.get("ok"):
        reason = ack.get("error") or "the worker gave no reason"
        raise EmitError(f"The event {message['type']!r} was not stored: {reason}", id=message["id"])


def _post(message: dict[str, Any]) -> None:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request

    url = os.environ.get("ENSUE_API_URL", "").strip().rstrip("/") or DEFAULT_API_URL
    if not url.startswith(("http://", "https://")):
        raise EmitError(
            f"ENSUE_API_URL is {url!r}; it must begin with http:// or https://.", id=message["id"]
        )
    headers = {"Content-Type": "application/cloudevents+json"}
    key = os.environ.get("ENSUE_API_KEY", "").strip()
    if key:
        headers["Authorization"] = f"Bearer {key}"
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    request = Request(f"{url}/api/events", body, headers, method="POST")  # noqa: S310 - checked above
    told = f"The event {message['type']!r} was not stored"
    try:
        with _opener().open(request, timeout=_HTTP_SECONDS) as response:
            response.read()
    except HTTPError as error:
        raise EmitError(f"{told}: {_reason(error)}", id=message["id"]) from None
    except URLError as error:
        raise EmitError(
            f"{told}: {url} cannot be reached ({error.reason}).", id=message["id"]
        ) from None
    except (OSError, HTTPException) as error:
        raise EmitError(
            f"The event {message['type']!r} may not be stored: {url} did not answer ({error}).",
            id=message["id"],
        ) from None


def _opener() -> OpenerDirector:
    """One that follows no redirect: it would carry the key to another place."""
    from urllib.request import HTTPRedirectHandler, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return build_opener(Stay)


def _reason(error: Any) -> str:
    """What a problem+json answer says, or its status."""
    with error:
        try:
            problem = json.loads(error.read(64 * 1024))
            told = problem.get("detail") or problem.get("title") or ""
        except (OSError, ValueError, AttributeError):
            told = ""
    return f"{told} (HTTP {error.code})" if told else f"HTTP {error.code} {error.reason}"
