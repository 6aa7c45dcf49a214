"""`ensue replay`: let an event happen again."""

from __future__ import annotations

import click

from ensue.cli.client import segment
from ensue.cli.options import Session, client_command


@client_command("replay")
@click.argument("event")
@click.option("--automation", metavar="NAME", help="Only for this automation.")
def command(session: Session, event: str, automation: str | None) -> None:
    """Let EVENT set off the automations of today once more.

    Those that remember, such as a count, do not count it twice.
    """
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
    if untold := answer.get("untold"):
        output.note(
            f"not told, for they remember and do not count an event twice: {', '.join(untold)};"
            f" `ensue automations fire NAME --event {event}` lets one act"
        )
