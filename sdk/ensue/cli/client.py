"""The server's API, as the command line sees it.

It speaks HTTP with the standard library: a command that prints ten lines should not spend
most of its time on loading a client.

    CommandError            exit code 1, a message and what to do about it
    ├── UnreachableError    3: nobody answers, or what answers is not an Ensue server
    └── NotAllowedError     4: the server knows better than to do this for us
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import click

DEFAULT_URL: Final = "http://127.0.0.1:3678"
TIMEOUT: Final = 30.0
"""Seconds without a byte after which the server counts as gone."""

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"


class CommandError(Exception):
    """A command that could not do what it was asked to, explained."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        place: str | None = None,
        code: str | None = None,
        status: int | None = None,
    ) -> None:
        """`code` and `status` are the server's, where it was the server that refused."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place
        self.code = code
        self.status = status


class UnreachableError(CommandError):
    exit_code = 3


class NotAllowedError(CommandError):
    exit_code = 4


class Client:
    """One server, found at `url`. Every method raises CommandError when it comes to nothing."""

    def __init__(self, url: str, *, key: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise click.UsageError(f"{url!r} is not the URL of a server, such as {DEFAULT_URL}")
        if parts.password:
            raise click.UsageError(
                "the server's URL carries a password; give a key in ENSUE_API_KEY instead"
            )
        self.url = url.rstrip("/")
        self._headers = {"Accept": JSON, "User-Agent": "ensue-cli"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if local:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **query: object) -> Any:
        """The JSON at a path; parameters that are None are left out."""
        return self._answer("GET", _with_query(path, query))

    def post(self, path: str, body: object = None, *, kind: str = JSON) -> Any:
        """What the server says to this."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        return self._answer("POST", path, data or b"", {"Content-Type": kind} if data else {})

    def lines(self, path: str, *, headers: Mapping[str, str], **query: object) -> Iterator[str]:
        """The lines of an answer that does not end, as they come."""
        response = self._send("GET", _with_query(path, query), None, headers)
        try:
            with response:
                for line in response:
                    yield line.decode("utf-8", "replace").rstrip("\r\n")
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None

    def told(self, path: str, body: object) -> Iterator[dict[str, Any]]:
        """The lines of JSON that the server answers to this with, as they come."""
        data = json.dumps(body, ensure_ascii=False).encode()
        response = self._send("POST", path, data, {"Content-Type": JSON, "Accept": NDJSON})
        try:
            with response:
                for line in response:
                    yield json.loads(line)
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None
        except ValueError:
            raise self._stranger() from None

    def _answer(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        try:
            with self._send(method, path, data, headers or {}) as response:
                body = response.read()
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None
        try:
            return json.loads(body) if body else None
        except ValueError:
            raise self._stranger() from None

    def _send(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> HTTPResponse:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked at the start
            self.url + path, data=data, headers={**self._headers, **headers}, method=method
        )
        try:
            response: HTTPResponse = self._opener.open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code, error.read(1 << 20)) from None
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None
        return response

    def _refusal(self, status: int, body: bytes) -> CommandError:
        """The error a problem document stands for."""
        try:
            problem = json.loads(body)
            title = str(problem["title"])
        except (ValueError, KeyError, TypeError):
            if status in {401, 403}:
                return NotAllowedError(f"{self.url} answered {status}", hint=_KEY_HINT)
            return self._stranger(status)
        kind = NotAllowedError if status in {401, 403} else CommandError
        return kind(
            str(problem.get("detail") or title),
            hint=problem.get("hint") or (_KEY_HINT if status == 401 else None),
            place=problem.get("place"),
            code=problem.get("code"),
            status=status,
        )

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = getattr(error, "reason", error)
        if isinstance(reason, OSError) and reason.strerror:
            reason = reason.strerror.lower()
        return UnreachableError(
            f"no server answers at {self.url} ({reason}); "
            "start one with `ensue serve`, or say where it is with --api-url or ENSUE_API_URL"
        )

    def _stranger(self, status: int | None = None) -> UnreachableError:
        answer = f"answered {status}, and not as Ensue does" if status else "is not an Ensue server"
        return UnreachableError(
            f"{self.url} {answer}; say where the server is with --api-url or ENSUE_API_URL"
        )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: what is sent goes where the user said."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_KEY_HINT: Final = "give a key in the variable ENSUE_API_KEY"


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def _with_query(path: str, query: Mapping[str, object]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def key_from_environment() -> str | None:
    return os.environ.get("ENSUE_API_KEY") or None
