"""Logs: events with fields, one line each, on stderr.

    log = logger("dispatcher")
    log.info("action_dead", action=action.id, attempts=9)

On a terminal they are coloured and aligned, otherwise JSON for machines. What the libraries
log through `logging` comes out the same way. Values under a name that sounds like a secret
are never written, and a reader of stderr that has gone away disturbs nobody.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import Processor

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

Logger = structlog.stdlib.BoundLogger

_LEVELS: Final[dict[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_SECRETS: Final = ("secret", "token", "password", "authorization", "cookie", "api_key")
_REDACTED: Final = "[redacted]"


def logger(component: str) -> Logger:
    """The logger of one part of the service. May be made at import: it binds late."""
    return cast("Logger", structlog.get_logger(component=component))


def configure(
    form: LogFormat = "auto", level: LogLevel = "info", stream: TextIO | None = None
) -> None:
    """Set up logging for this process; called once, by whoever owns the process."""
    stream = stream or sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    structlog.configure(
        processors=[*_enriched(), *(_for_people(stream) if console else _for_machines())],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(max(_LEVELS[level], logging.INFO))
    # That a file changed is told by whoever acts on it.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _enriched() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _redact,
    ]


def _for_people(stream: TextIO) -> list[Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            timestamp_key="at",
            pad_event_to=24,
            exception_formatter=structlog.dev.plain_traceback,
        )
    ]


def _for_machines() -> list[Processor]:
    return [structlog.processors.format_exc_info, _to_json]


def _to_json(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> str:
    first = {name: fields.pop(name, None) for name in ("at", "level", "component", "event")}
    return orjson.dumps({**first, **fields}, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _redact(
    _logger: object, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name in fields:
        if any(secret in name.lower() for secret in _SECRETS):
            fields[name] = _REDACTED
    return fields


class _Lines:
    """Writes whole lines, and bears a closed stream: a log line is never worth a crash."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = log = msg


class _Bridge(logging.Handler):
    """What libraries log, as events like ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = record.getMessage()
        except (TypeError, ValueError):
            event = str(record.msg)
        structlog.get_logger(component=record.name).log(
            record.levelno, event, exc_info=record.exc_info
        )
