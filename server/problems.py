"""Errors as `application/problem+json` (RFC 9457): the one place that knows both.

A member `code` is stable and meant for programs; `detail`, `place` and `hint` are for people.
What nobody foresaw becomes a 500 with an id: the log has the trace under that id, the answer
never does.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from base.errors import EnsueError, SlowRequestError, TooLargeError, UnavailableError
from base.ids import new_id
from base.logs import logger
from server.spelling import SERVER

MEDIA: Final = "application/problem+json"

log = logger("http")


class MethodNotAllowedError(EnsueError):
    """The path is there, and does not do this; `allowed` lists what it does."""

    status = 405
    default_code = "method_not_allowed"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method[:20]} is not possible here", hint=f"possible: {allowed}")
        self.allowed = allowed


_CLOSING = (SlowRequestError, TooLargeError)
"""After these the rest of the body is of no use: the connection ends."""


def described(error: EnsueError) -> dict[str, Any]:
    """The members of the problem."""
    members: dict[str, Any] = {
        "type": f"urn:ensue:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
    }
    if error.place:
        members["place"] = error.place
    if error.hint:
        members["hint"] = error.hint
    return members


def problem(error: EnsueError) -> web.Response:
    """The answer to whoever caused the error."""
    response = web.Response(
        body=_json(described(error)),
        status=error.status,
        content_type=MEDIA,
        headers={"Server": SERVER},
    )
    if isinstance(error, UnavailableError):
        response.headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, MethodNotAllowedError):
        response.headers["Allow"] = error.allowed
    if isinstance(error, _CLOSING):
        response.force_close()
    return response


def _json(members: dict[str, Any]) -> bytes:
    """JSON, also of words that quote what was sent and are no text."""
    try:
        return orjson.dumps(members)
    except TypeError:
        return json.dumps(members).encode()


def unexpected(error: BaseException, *, method: str, path: str) -> web.Response:
    """The answer to an error that is ours: an id to ask about, and nothing of the inside."""
    id_ = new_id()
    log.error("request_failed", id=id_, method=method, path=path[:200], exc_info=error)
    members = {
        "type": "urn:ensue:problem:internal",
        "title": HTTPStatus(500).phrase,
        "status": 500,
        "code": "internal",
        "detail": "something failed that should not; the log of the server has it under this id",
        "id": id_,
    }
    return web.Response(
        body=orjson.dumps(members), status=500, content_type=MEDIA, headers={"Server": SERVER}
    )
