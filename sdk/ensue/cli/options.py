"""What every client command understands, and what it is handed.

    @client_command("ls")
    @click.option("--limit", default=25)
    def ls(session: Session, limit: int) -> None: ...

The three options may stand before the command's name or behind it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, Final

import click

from ensue.cli.client import DEFAULT_URL, Client, key_from_environment
from ensue.cli.output import Output

_COMMON: Final = ("api_url", "as_json", "no_color")


class Session:
    """One invocation: where the server is, and how to print."""

    def __init__(self, url: str | None, *, as_json: bool, no_color: bool) -> None:
        self._url = url
        color = not no_color and not os.environ.get("NO_COLOR")
        self.output = Output(as_json=as_json, color=color)

    @cached_property
    def client(self) -> Client:
        url = self._url or os.environ.get("ENSUE_API_URL") or DEFAULT_URL
        return Client(url, key=key_from_environment())


def common_options(decorated: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json, --api-url and --no-color."""
    for option in (
        click.option("--no-color", is_flag=True, help="Print without colours."),
        click.option(
            "--api-url",
            metavar="URL",
            help=f"Where the server is (ENSUE_API_URL; default {DEFAULT_URL}).",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    ):
        decorated = option(decorated)
    return decorated


def client_command(
    name: str, **attributes: Any
) -> Callable[[Callable[..., int | None]], click.Command]:
    """A client command: as click's, with the common options and a `Session` in front.

    What it returns is the exit code; None is 0.
    """

    def make(body: Callable[..., int | None]) -> click.Command:
        @wraps(body)
        def invoked(**given: Any) -> int | None:
            return body(_session(given), **given)

        params = getattr(body, "__click_params__", [])
        invoked.__click_params__ = params  # type: ignore[attr-defined]  # as click keeps them
        made: click.Command = click.command(name, cls=click.Command, **attributes)(
            common_options(invoked)
        )
        return made

    return make


def _session(given: dict[str, Any]) -> Session:
    """Take the common options out of what was given; what stands nearest to the command wins."""
    own = {name: given.pop(name) for name in _COMMON}
    before = click.get_current_context().find_root().params
    found = {name: own[name] or before.get(name) for name in _COMMON}
    return Session(
        found["api_url"], as_json=bool(found["as_json"]), no_color=bool(found["no_color"])
    )
