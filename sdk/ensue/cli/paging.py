"""Lists: one page of them, and how to get the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from ensue.cli.options import Session


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
    if output.as_json:
        output.json(answer)
        return []
    items: list[dict[str, Any]] = answer["items"]
    if not items:
        output.note(empty)
    following = answer.get("next")
    if following:
        context = click.get_current_context()
        context.call_on_close(lambda: output.note(f"There is more: --cursor {following}"))
    return items
