"""`ensue events`: what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ensue.cli.client import segment
from ensue.cli.inputs import instant
from ensue.cli.options import Session, client_command
from ensue.cli.output import Output, brief, styled
from ensue.cli.paging import paged, read_page
from ensue.cli.stream import Stream
from ensue.cli.words import parse_time, relative

_OWN = ("id", "type", "source", "subject", "time", "specversion", "data")


@click.group("events")
def command() -> None:
    """What happened: list, show, follow live."""


def _filters(decorated: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--subject", help="Only of this subject."),
        click.option("--source", help="Only from this source; * and ? stand for anything."),
        click.option("--type", "type_", help="Only of this type; * and ? stand for anything."),
    ):
        decorated = option(decorated)
    return decorated


@client_command("ls")
@_filters
@click.option(
    "--since", type=instant, metavar="TIME|SPAN", help="From then on; 2h is two hours ago."
)
@click.option("--until", type=instant, metavar="TIME|SPAN", help="Up to then.")
@click.option("--correlation", help="Only of the chain that began with this event.")
@click.option("--order", type=click.Choice(["asc", "desc"]), help="Default: newest first.")
@paged
def ls(session: Session, **given: Any) -> None:
    """List events, the newest first."""
    given["type"] = given.pop("type_")
    given["correlationid"] = given.pop("correlation")
    items = read_page(session, "/api/events", given, empty=_NOTHING)
    output = session.output
    if items:
        output.table(
            ("ID", "WHEN", "TYPE", "SUBJECT", "SOURCE"),
            (
                (
                    event["id"],
                    relative(event.get("time"), output.now),
                    event["type"],
                    event.get("subject") or "",
                    event["source"],
                )
                for event in items
            ),
            whole=("ID", "WHEN"),
        )


_NOTHING = "No events. `ensue emit hello` sends one, and `ensue events tail` waits for them."


@client_command("show")
@click.argument("event")
def show(session: Session, event: str) -> None:
    """Show an event, whole."""
    found = session.client.get(f"/api/events/{segment(event)}")
    output = session.output
    if output.as_json:
        output.json(found)
        return
    at = found.get("time")
    output.facts(
        [
            *((name, found.get(name)) for name in _OWN[:4]),
            ("time", f"{at} ({relative(at, output.now)})"),
            *((name, str(value)) for name, value in found.items() if name not in _OWN),
        ]
    )
    if "data" in found:
        output.section("data", found["data"])


@client_command("tail")
@_filters
@click.option("-n", "--number", type=click.IntRange(1), help="Stop after so many.")
@click.option("--after", type=click.IntRange(0), help="Begin after this position of the log.")
def tail(session: Session, number: int | None, after: int | None, **given: Any) -> None:
    """Follow events as they happen; Ctrl-C ends it.

    A broken connection is taken up again where it broke off: nothing is left out.
    """
    given["type"] = given.pop("type_")
    output = session.output
    stream = Stream(session.client, given, after=after, notice=output.note)
    if output.interactive:
        output.note("Following; Ctrl-C ends it.")
    for count, event in enumerate(stream, 1):
        if output.as_json:
            output.json_line(event)
        else:
            _print(output, event)
        if count == number:
            return


def _print(output: Output, event: dict[str, Any]) -> None:
    at = parse_time(event["time"]).astimezone().strftime("%H:%M:%S")
    output.say(
        styled(at, "dim"),
        styled(event["type"], "bold"),
        event.get("subject") or "",
        styled(brief(event.get("data", "")), "dim"),
    )


for _command in (ls, show, tail):
    command.add_command(_command)
