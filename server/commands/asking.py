"""Asking a server that runs, by its API, as the commands of the client do."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

import click

from base.errors import ConfigurationError, EnsueError, ForbiddenError

_PATIENCE: Final = 30.0
_MOST_BYTES: Final = 256 << 20
_LOCAL: Final = frozenset(("localhost", "127.0.0.1", "::1"))


class UnreachableError(EnsueError):
    default_code = "server_unreachable"
    exit_code = 3


class NotAllowedError(ForbiddenError):
    exit_code = 4


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is. `is_named` says that the command line does, and so it is to answer."""

    url: str
    is_named: bool

    @classmethod
    def found(cls, given: str | None = None) -> Self | None:
        """By `--api-url` behind the command or before it, or by `ENSUE_API_URL`."""
        context = click.get_current_context(silent=True)
        named = given or (context.find_root().params.get("api_url") if context else None)
        url = named or os.environ.get("ENSUE_API_URL")
        return cls(url.rstrip("/"), bool(named)) if url else None

    def answer(self, path: str, body: object = None) -> Any:
        """The JSON at a path, or what is said to this. Raises EnsueError."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"}:
            raise ConfigurationError(f"{self.url!r} is not the URL of a server")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := os.environ.get("ENSUE_API_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 - see above
        direct = [urllib.request.ProxyHandler({})] if parts.hostname in _LOCAL else []
        try:
            opener = urllib.request.build_opener(*direct)
            with opener.open(request, timeout=_PATIENCE) as answer:
                return json.loads(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(100_000)) from None
        except (OSError, ValueError) as error:
            raise self.stranger(getattr(error, "reason", None) or error) from None

    def stranger(self, reason: object) -> UnreachableError:
        """For what answers as no server of ours would."""
        return UnreachableError(
            f"no Ensue server answers at {self.url}: {reason}",
            hint="is it running? --api-url and ENSUE_API_URL say where it is",
        )

    def _refused(self, status: int, body: bytes) -> EnsueError:
        try:
            told: Any = json.loads(body)
            message, hint = str(told["detail"]), told.get("hint")
        except (ValueError, KeyError, TypeError):
            message, hint = f"{self.url} answers {status}", None
        kind = NotAllowedError if status in {401, 403} else EnsueError
        return kind(message, hint=hint)
