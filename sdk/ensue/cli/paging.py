"""Lists: one page of them, and how to get the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from ensue.cli.client import Client
from ensue.cli.options import Session
from ensue.cli.output import styled


def paged(decorated: Callable[..., Any]) -> Callable[..., Any]:
    """Add --limit and --cursor."""
    for option in (
        click.option("--cursor", help="Go on from where the last page ended."),
        click.option(
            "--limit",
            type=click.IntRange(1, 1_000),
            default=25,
            show_default=True,
            help="How many at most.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def read_page(
    session: Session, path: str, query: Mapping[str, object], *, empty: str
) -> list[dict[str, Any]]:
    """The items of one page, for a table.

    With --json the answer is printed as it came, and nothing is left to show; where there
    are no items, `empty` says what to do about that.
    """
    answer = session.client.get(path, **query)
    output = session.output
    following = answer.get("next")
    if following and not output.as_json:
        context = click.get_current_context()
        context.call_on_close(lambda: output.note(f"There is more: --cursor {following}"))
    return _shown(session, answer, empty)


def read_all(session: Session, path: str, *, empty: str) -> list[dict[str, Any]]:
    """As `read_page`, for what is few: all items, over as many pages as it takes."""
    return _shown(session, _whole(session.client, path), empty)


def all_items(client: Client, path: str) -> list[dict[str, Any]]:
    """The items of all pages."""
    items: list[dict[str, Any]] = _whole(client, path)["items"]
    return items


def _whole(client: Client, path: str) -> Any:
    """The first page with the items of all."""
    answer = client.get(path)
    following = answer.get("next")
    while following:
        further = client.get(path, cursor=following)
        answer["items"] += further["items"]
        following = further.get("next")
    answer["next"] = None
    return answer


def _shown(session: Session, answer: dict[str, Any], empty: str) -> list[dict[str, Any]]:
    """The items for a table; with --json none, for then the answer is printed as it is."""
    if session.output.as_json:
        session.output.json(answer)
        return []
    items: list[dict[str, Any]] = answer["items"]
    if not items:
        session.output.note(empty)
    for problem in answer.get("problems") or []:
        where = ":".join(
            str(problem[part]) for part in ("file", "line", "column") if problem.get(part)
        )
        session.output.note(styled("invalid", "red"), f"{where}: {problem['message']}")
    return items
