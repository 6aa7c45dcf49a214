"""`ensue replay`: let an event happen again."""

from __future__ import annotations

import click

from ensue.cli.client import segment
from ensue.cli.options import Session, client_command


@client_command("replay")
@click.argument("event")
@click.option("--automation", metavar="NAME", help="Only for this automation.")
def command(session: Session, event: str, automation: str | None) -> None:
    """Let EVENT happen again: the automations of today see it as a new event."""
    body = {"automation": automation} if automation else {}
    answer = session.client.post(f"/api/events/{segment(event)}/replay", body)
    output = session.output
    if output.as_json:
        output.json(answer)
        return
    firings = answer.get("firings")
    output.say("replayed as", answer["id"])
    if firings is not None:
        output.say(f"{firings} firing{'' if firings == 1 else 's'}")
