"""Answers that are told while they are found: a line of JSON for each thing, each with its `kind`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
from aiohttp import web

from automations.backtest import Progress
from base.errors import EnsueError, UnavailableError
from base.logs import logger
from base.time import to_rfc3339
from server.problems import described
from server.route import Call
from server.spelling import SERVER

NDJSON: Final = "application/x-ndjson"
_HEADERS: Final = {"Content-Type": NDJSON, "Cache-Control": "no-store", "Server": SERVER}

log = logger("laboratory")


async def answered(call: Call, lines: AsyncIterator[dict[str, Any]]) -> web.StreamResponse:
    """The lines, each sent as soon as it is there. The last is `error` where it breaks off."""
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(call.request)
    try:
        async for line in lines:
            await response.write(orjson.dumps(line) + b"\n")
    except OSError:
        raise  # whoever asked is gone
    except Exception as error:  # noqa: BLE001 - the answer has begun: its last line says what happened
        await response.write(orjson.dumps(_broken(error)) + b"\n")
    await response.write_eof()
    return response


def wants_lines(call: Call) -> bool:
    """Whether it was said that lines are taken where there is a choice."""
    return NDJSON in call.request.headers.get("Accept", "")


def progress(item: Progress) -> dict[str, Any]:
    at = to_rfc3339(item.at)
    return {"kind": "progress", "done": item.done, "total": item.total, "at": at}


def _broken(error: Exception) -> dict[str, Any]:
    """The last line of an answer that cannot be brought to its end."""
    if not isinstance(error, EnsueError):
        log.error("answer_broken_off", exc_info=error)
        error = UnavailableError("the answer was broken off; the log of the server says why")
    return {"kind": "error", **described(error)}
