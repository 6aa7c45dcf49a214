"""`ensue emit`: send an event."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import click

from ensue.cli.inputs import JSON_METAVAR, json_value, pair
from ensue.cli.options import Session, client_command
from ensue.cli.output import state

_CLOUDEVENT = "application/cloudevents+json"


@client_command("emit")
@click.argument("type_", metavar="TYPE")
@click.option("-d", "--data", type=json_value, metavar=JSON_METAVAR, help="The event's data.")
@click.option("--source", default="/cli", show_default=True, help="Where it comes from.")
@click.option("--subject", help="What it is about.")
@click.option("--id", "id_", help="Its id; the same one sent again is a duplicate.")
@click.option(
    "-a", "--attribute", type=pair, metavar="NAME=VALUE", multiple=True, help="A further attribute."
)
def command(session: Session, type_: str, **given: Any) -> None:
    """Send an event of TYPE.

    It is accepted when it, and all that it set in motion, is stored.

        ensue emit shop.order.created -d '{"total": 1500}' --subject a1
    """
    event: dict[str, Any] = {
        **dict(given["attribute"]),
        "specversion": "1.0",
        "id": given["id_"] or str(uuid.uuid4()),
        "source": given["source"],
        "type": type_,
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    if given["subject"] is not None:
        event["subject"] = given["subject"]
    if given["data"] is not None:
        event["data"] = given["data"]
    answer = session.client.post("/api/events", event, kind=_CLOUDEVENT)
    output = session.output
    if output.as_json:
        output.json(answer)
        return
    output.say(state("duplicate" if answer["duplicates"] else "accepted"), answer["ids"][0])
    if answer["duplicates"]:
        output.note("An event of this source and id is stored already; nothing changed.")
