"""`ensue dead`: actions that were given up."""

from __future__ import annotations

from typing import Any

import click

from ensue.cli.client import CommandError, segment
from ensue.cli.options import Session, client_command
from ensue.cli.output import brief, state
from ensue.cli.paging import paged, read_page
from ensue.cli.words import relative


@click.group("dead")
def command() -> None:
    """Actions that were given up: list, replay."""


@client_command("ls")
@paged
def ls(session: Session, **given: Any) -> None:
    """List the actions that were given up, and why."""
    items = read_page(session, "/api/dead", given, empty="Nothing was given up.")
    output = session.output
    if items:
        output.table(
            ("ID", "WHEN", "AUTOMATION", "KIND", "ATTEMPTS", "ERROR"),
            (
                (
                    item["id"],
                    relative(item["at"], output.now),
                    item["automation"],
                    item["kind"],
                    str(item["attempts"]),
                    brief(item.get("error") or "", 200),
                )
                for item in items
            ),
            whole=("ID", "WHEN"),
        )


@client_command("replay")
@click.argument("actions", metavar="ID...", nargs=-1, required=True)
def replay(session: Session, actions: tuple[str, ...]) -> None:
    """Try actions again that were given up."""
    failed = 0
    for action in actions:
        try:
            answer = session.client.post(f"/api/dead/{segment(action)}/replay")
        except CommandError as error:
            if len(actions) == 1 or error.exit_code != 1:
                raise
            failed += 1
            session.output.note(f"{action}: {error.message}")
            continue
        if session.output.as_json:
            session.output.json_line(answer)
        else:
            session.output.say(action, state("pending"))
    if failed:
        raise CommandError(f"{failed} of {len(actions)} could not be replayed")


for _command in (ls, replay):
    command.add_command(_command)
