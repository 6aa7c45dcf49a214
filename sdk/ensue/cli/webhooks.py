"""`ensue webhooks`: where events are delivered, and what became of each delivery."""

from __future__ import annotations

from typing import Any

import click

from ensue.cli.client import segment
from ensue.cli.options import Session, client_command
from ensue.cli.output import state
from ensue.cli.paging import paged, read_all, read_page
from ensue.cli.words import relative, size


@click.group("webhooks")
def command() -> None:
    """Webhooks and what was delivered to them."""


@client_command("ls")
def ls(session: Session) -> None:
    """List the webhooks."""
    items = read_all(session, "/api/webhooks", empty=_NOTHING)
    output = session.output
    if items:
        output.table(
            ("NAME", "URL", "SCHEME", "LAST", "ACCEPTED", "REJECTED"),
            (
                (
                    item["name"],
                    item["url"],
                    item["scheme"],
                    relative(item.get("last_delivery"), output.now),
                    str(item.get("accepted", 0)),
                    str(item.get("rejected", 0)),
                )
                for item in items
            ),
            whole=("NAME", "URL"),
        )


_NOTHING = "No webhooks. A project directory has them in sources/*.yaml."


@client_command("deliveries")
@click.argument("name")
@paged
def deliveries(session: Session, name: str, **given: Any) -> None:
    """List what was delivered to a webhook, and why some of it was refused."""
    path = f"/api/webhooks/{segment(name)}/deliveries"
    items = read_page(session, path, given, empty="Nothing was delivered to it yet.")
    output = session.output
    if items:
        output.table(
            ("WHEN", "STATUS", "EVENT", "SIZE", "FROM", "WHY"),
            (
                (
                    relative(item["at"], output.now),
                    state(item["status"]),
                    item.get("event_id") or "",
                    size(item.get("size")),
                    item.get("remote") or "",
                    ": ".join(filter(None, (item.get("code"), item.get("message")))),
                )
                for item in items
            ),
            whole=("WHEN", "STATUS", "EVENT"),
        )


for _command in (ls, deliveries):
    command.add_command(_command)
