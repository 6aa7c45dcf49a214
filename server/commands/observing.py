"""What `ensue lint` knows of a service: its events, and its flows where no project has some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from automations.inspector import FlowShape
from automations.observed import Observed, observe
from base.database import Address, Database
from base.errors import ConfigurationError, EnsueError
from base.schema import VERSION
from base.settings import load
from server.commands.asking import Server
from server.commands.probe import stored_version
from server.flow_shape import shape

if TYPE_CHECKING:
    from triggers.glob import Glob

_PAGE: Final = 1_000


def observed(
    server: Server | None, root: Path | None, globs: Sequence[Glob], most: int
) -> tuple[Observed | None, str]:
    """What events have been like; or else, in words, why that is not known.

    Raises EnsueError where a server that was named on the command line does not answer.
    """
    try:
        if server is not None:
            return _of_server(server, globs, most), ""
        if root is None:
            return None, "--api-url names a server that has some"
        return _of_project(root, globs, most), "none are stored yet"
    except EnsueError as error:
        if server is not None and server.is_named:
            raise
        return None, error.message


def flows(server: Server) -> dict[str, FlowShape] | None:
    """The flows of a server by name. Raises EnsueError as above."""
    found: dict[str, FlowShape] = {}
    following = f"/api/flows?limit={_PAGE}"
    try:
        while following:
            page = server.answer(following)
            found |= {one["name"]: shape(one["parameters"]) for one in page["items"]}
            cursor = page["next"]
            following = cursor and f"/api/flows?limit={_PAGE}&cursor={quote(cursor)}"
    except (KeyError, TypeError, AttributeError) as error:
        raise server.stranger(error) from None
    except EnsueError:
        if server.is_named:
            raise
        return None
    return found


def _of_server(server: Server, globs: Sequence[Glob], most: int) -> Observed:
    wanted = {"types": [glob.text for glob in globs], "most": most}
    answer = server.answer("/api/fields", wanted)
    try:
        return Observed.from_json(server.url, answer)
    except (KeyError, TypeError, AttributeError) as error:
        raise server.stranger(error) from None


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
