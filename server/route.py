"""A route: what it answers to, what it takes, and how it is described.

Routes are declared beside their handlers; the router, the check of query parameters and the
OpenAPI document are all made from the same declaration, so that they cannot disagree.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from base.errors import InvalidInputError, UnprocessableError, UnsupportedMediaError
from base.suggest import hint
from events import strict_json
from events.codec import Decoded
from events.content_type import parse_content_type
from server.body import Bodies
from server.parameter import Param
from server.spelling import JSON, SERVER

Method = Literal["GET", "POST"]
_Model = TypeVar("_Model", bound=BaseModel)


class Flight(Protocol):
    """A request that was begun and is answered when `future` is done."""

    future: Future[Any]

    def answer(self) -> Any:
        """The JSON of the answer; raises EnsueError where the request failed."""
        ...


class EventFlight(Flight, Protocol):
    """Events that are on their way into the log."""

    def duplicates(self) -> int:
        """How many were there before; raises EnsueError where the request failed."""
        ...


class Form(BaseModel):
    """What a POST carries; fields that are not known are refused."""

    model_config = {"extra": "forbid", "frozen": True, "strict": True}


@dataclass(frozen=True, slots=True)
class Route:
    """`answer` names a schema of the OpenAPI document, or is a media type."""

    method: Method
    path: str
    handler: Callable[[Call], Awaitable[web.StreamResponse]]
    about: str
    query: tuple[Param, ...] = ()
    body: type[Form] | str | None = None
    status: int = 200
    answer: str = JSON
    errors: tuple[int, ...] = ()
    public: bool = False
    """For senders anywhere, who prove themselves: no check of the Host it is reached under."""
    express: Callable[[str | None, bytes], Flight] | None = None
    """Begins a request that came whole, from its Content-Type and its body; what this raises is
    raised again, and answered, by the handler. See `server/express.py`."""
    decoded: Callable[[Decoded], EventFlight] | None = None
    """Begins a request whose events were decoded by the reader. See `server/intake`."""


@dataclass(slots=True)
class Call:
    """One request on its way to a handler."""

    request: web.BaseRequest
    route: Route
    values: dict[str, str]
    """The parts of the path, by their name."""
    bodies: Bodies
    query: dict[str, Any] = field(default_factory=dict)
    """The query parameters that were given, parsed."""

    async def form(self, model: type[_Model], *, limit: int | None = None) -> _Model:
        """The JSON body as this model; no body at all is an empty object.

        `limit` in bytes stands in for the server's own.
        """
        limit = limit or self.bodies.limit
        raw = await self.bodies.read(self.request, limit=limit)
        if not raw:
            return _checked(model, {})
        kind = parse_content_type(self.request.headers.get("Content-Type"))
        if not kind.is_json:
            raise UnsupportedMediaError(
                f"{kind.media[:60]!r} is not taken here", hint=f"send {JSON}"
            )
        return _checked(model, strict_json.loads(kind.utf8(raw), max_bytes=limit))


def reply(value: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=orjson.dumps(value), status=status, content_type=JSON, headers={"Server": SERVER}
    )


def read_query(route: Route, request: web.BaseRequest) -> dict[str, Any]:
    """The query parameters of this request as the route declares them."""
    found: dict[str, Any] = {}
    known = {param.name: param for param in route.query}
    for name, text in request.query.items():
        param = known.get(name)
        if param is None:
            raise InvalidInputError(
                f"there is no parameter {name[:60]!r} here",
                code="parameter_unknown",
                place=name[:60],
                hint=hint(name, known) or _listing(known),
            )
        if name in found:
            raise InvalidInputError(
                f"the parameter {name!r} is given twice", code="parameter_duplicated", place=name
            )
        try:
            found[name] = param.parse(text)
        except ValueError as error:
            raise InvalidInputError(str(error), code="parameter_invalid", place=name) from None
    return found


def _listing(known: Mapping[str, Any]) -> str:
    return f"there are {', '.join(known)}" if known else "there are none"


def _checked(model: type[_Model], value: Any) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    place = strict_json.path_of(list(first["loc"]))
    if first["type"] == "extra_forbidden":
        name, names = str(first["loc"][-1]), list(model.model_fields)
        raise InvalidInputError(
            f"there is no field {name[:60]!r} here",
            code="field_unknown",
            place=place,
            hint=hint(name, names) or _listing(dict.fromkeys(names)),
        )
    if first["type"] == "missing":
        raise InvalidInputError("this field is missing", code="field_missing", place=place)
    message = first["msg"].removeprefix("Value error, ")
    raise UnprocessableError(message[:1].lower() + message[1:], code="field_invalid", place=place)
