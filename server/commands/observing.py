"""What `ensue lint` knows of events: from a server, or from the database of the project."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from automations.observed import Observed, observe
from base.database import Address, Database
from base.errors import ConfigurationError, EnsueError, ForbiddenError
from base.schema import VERSION
from base.settings import load
from server.commands.probe import stored_version

if TYPE_CHECKING:
    from triggers.glob import Glob

_PATIENCE: Final = 30.0
_MOST_BYTES: Final = 256 << 20


class UnreachableError(EnsueError):
    default_code = "server_unreachable"
    exit_code = 3


class NotAllowedError(ForbiddenError):
    exit_code = 4


def observed(
    root: Path | None, globs: Sequence[Glob], most: int, *, named: str | None = None
) -> tuple[Observed | None, str]:
    """What events have been like; or else, in words, why that is not known.

    `named` is the server that was named behind the command; before it stands for the same. A
    server that was named on the command line is to answer: raises EnsueError if it does not.
    """
    context = click.get_current_context(silent=True)
    named = named or (context.find_root().params.get("api_url") if context else None)
    url = named or os.environ.get("ENSUE_API_URL")
    try:
        if url:
            return _of_server(url, globs, most), ""
        if root is None:
            return None, "--api-url names a server that has some"
        return _of_project(root, globs, most), "none are stored yet"
    except EnsueError as error:
        if named:
            raise
        return None, error.message


def _of_server(url: str, globs: Sequence[Glob], most: int) -> Observed:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigurationError(f"{url!r} is not the URL of a server")
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key := os.environ.get("ENSUE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    body = json.dumps({"types": [glob.text for glob in globs], "most": most}).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        f"{url.rstrip('/')}/api/fields", body, headers, method="POST"
    )
    handlers = []
    if urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}:
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=_PATIENCE) as answer:
            return Observed.from_json(url, json.loads(answer.read(_MOST_BYTES)))
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(url, error.code, error.read(100_000)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", None) or error
        raise UnreachableError(
            f"no Ensue server answers at {url}: {reason}",
            hint="is it running? without --api-url the project's own database is looked at",
        ) from None


def _of_project(root: Path, globs: Sequence[Glob], most: int) -> Observed | None:
    """None where nothing is stored yet."""
    address = Address.parse(load(root).database)
    version = stored_version(address)
    if version == 0:
        return None
    if version != VERSION:
        raise ConfigurationError(
            f"{address} has version {version}, this program {VERSION}", code="database_version"
        )
    return asyncio.run(_looked(address, globs, most))


async def _looked(address: Address, globs: Sequence[Glob], most: int) -> Observed:
    database = Database(address)
    database.look()
    try:
        return await observe(database, globs, most, origin=str(address))
    finally:
        await database.close()


def _refused(url: str, status: int, body: bytes) -> EnsueError:
    try:
        told: Any = json.loads(body)
        message, hint = str(told["detail"]), told.get("hint")
    except (ValueError, KeyError, TypeError):
        message, hint = f"{url} answers {status}", None
    kind = NotAllowedError if status in {401, 403} else EnsueError
    return kind(message, hint=hint)
