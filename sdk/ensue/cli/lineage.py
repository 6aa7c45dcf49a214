"""`ensue lineage`: from the first event of a chain to all that ensued, as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from ensue.cli.client import Client, CommandError, segment
from ensue.cli.options import Session, client_command
from ensue.cli.output import styled
from ensue.cli.words import parse_time, took


@client_command("lineage")
@click.argument("thing", metavar="EVENT|RUN")
def command(session: Session, thing: str) -> None:
    """Show what led to an event or a run, and all that ensued."""
    answer = _lineage(session.client, thing)
    output = session.output
    if output.as_json:
        output.json(answer)
        return
    for tree in trees(answer["items"], thing):
        output.out.print(tree)


def _lineage(client: Client, thing: str) -> Any:
    try:
        return client.get(f"/api/events/{segment(thing)}/lineage")
    except CommandError as error:
        if error.status != 404:
            raise
        of_run = client.get("/api/events", subject=thing, limit=1, order="asc")["items"]
        if not of_run:
            raise CommandError(
                f"there is no event and no run {thing}", hint="`ensue events ls` lists events"
            ) from None
        return client.get(f"/api/events/{segment(of_run[0]['id'])}/lineage")


def trees(events: Sequence[dict[str, Any]], marked: str) -> list[Tree]:
    """The events under the ones that caused them; in general one tree."""
    if not events:
        return []
    began = min(parse_time(event["time"]) for event in events)
    nodes: dict[str, Tree] = {}
    for event in events:
        after = (parse_time(event["time"]) - began).total_seconds()
        nodes[event["id"]] = Tree(_label(event, after, marked), guide_style="dim")
    roots = []
    for event in events:
        parent = nodes.get(event.get("causationid") or "")
        node = nodes[event["id"]]
        if parent is None or parent is node:
            roots.append(node)
        else:
            parent.children.append(node)
    return roots


def _label(event: dict[str, Any], after: float, marked: str) -> Text:
    subject = event.get("subject") or ""
    here = marked in {event["id"], subject}
    return Text(" ").join(
        [
            styled(event["type"], "bold reverse" if here else "bold"),
            styled(subject, ""),
            styled(f"+{took(after)}", "cyan"),
            styled(event["id"], "dim"),
        ]
    )
