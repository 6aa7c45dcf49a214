"""`ensue automations`: the rules, and what they did."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.text import Text

from ensue.cli import windows
from ensue.cli.client import CommandError, segment
from ensue.cli.inputs import JSON_METAVAR, json_value
from ensue.cli.options import Session, client_command
from ensue.cli.output import Output, state, styled
from ensue.cli.paging import read_all
from ensue.cli.words import relative

_FAILING: Final = 3
"""Errors in a row from which a rule is said to fail."""


@click.group("automations")
def command() -> None:
    """Rules: list, show, windows, pause, resume, fire."""


@client_command("ls")
def ls(session: Session) -> None:
    """List the automations, with what is wrong with them."""
    items = read_all(session, "/api/automations", empty=_NOTHING)
    output = session.output
    if not items:
        return
    output.table(
        ("NAME", "STATUS", "FIRINGS", "LAST", "ERRORS", "FROM"),
        (
            (
                item["name"],
                _status(item),
                str(item.get("firings", 0)),
                relative(item.get("last_fired"), output.now),
                str(item.get("errors") or ""),
                _place(item),
            )
            for item in items
        ),
        whole=("NAME", "STATUS"),
    )
    for item in items:
        _problem(output, item)


_NOTHING = (
    "No automations. A project directory has them in automations/*.yaml; "
    "`ensue init` makes one that works."
)


@client_command("show")
@click.argument("name")
def show(session: Session, name: str) -> None:
    """Show an automation: how it stands, and its definition."""
    found = session.client.get(f"/api/automations/{segment(name)}")
    output = session.output
    if output.as_json:
        output.json(found)
        return
    output.facts(
        [
            ("name", found["name"]),
            ("description", found.get("description")),
            ("status", _status(found)),
            ("from", _place(found)),
            ("revision", str(found.get("revision", ""))),
            ("firings", str(found.get("firings", 0))),
            ("last fired", relative(found.get("last_fired"), output.now)),
            ("errors", str(found.get("errors") or "")),
            ("last error", found.get("last_error")),
        ]
    )
    _problem(output, found)
    if found.get("definition"):
        output.section("definition", found["definition"])


@client_command("pause")
@click.argument("name")
def pause(session: Session, name: str) -> None:
    """Stop an automation from firing until it is resumed."""
    _steer(session, name, "pause", "paused")


@client_command("resume")
@click.argument("name")
def resume(session: Session, name: str) -> None:
    """Let a paused automation fire again."""
    _steer(session, name, "resume", "active")


@client_command("fire")
@click.argument("name")
@click.option("-e", "--event", metavar="ID", help="Fire it on this event of the log.")
@click.option(
    "-d",
    "--data",
    type=json_value,
    metavar=JSON_METAVAR,
    help="Fire it on an event made for it, with this data.",
)
def fire(session: Session, name: str, event: str | None, data: object) -> None:
    """Fire an automation now, whatever its trigger says."""
    if event is not None and data is not None:
        raise click.UsageError("--event is an event as it is; it cannot be given other --data")
    body: dict[str, Any] = {} if event is None else {"event": event}
    if data is not None:
        body = {"event": {"data": data}}
    answer = session.client.post(f"/api/automations/{segment(name)}/fire", body)
    output = session.output
    if output.as_json:
        output.json(answer)
    else:
        output.say("fired", answer["firing"])
        for run in answer["runs"]:
            output.say("run", run)
    failed = [action for action in answer["actions"] if action["status"] == "failed"]
    if failed:
        raise CommandError(f"its action {failed[0]['kind']} failed: {failed[0]['error']}")


def _steer(session: Session, name: str, verb: str, now: str) -> None:
    answer = session.client.post(f"/api/automations/{segment(name)}/{verb}")
    if session.output.as_json:
        session.output.json(answer)
    else:
        session.output.say(name, state(now))


def _status(item: dict[str, Any]) -> Text:
    """`active`, and what is to be known besides: that it fails, or is not what its file says."""
    shadow = item.get("shadow") and item["status"] == "active"
    told = state("shadow" if shadow else item["status"])
    if item["status"] == "invalid":
        return told
    if item.get("errors_in_a_row", 0) >= _FAILING:
        told.append_text(styled(", failing", "red"))
    if item.get("problem"):
        told.append_text(styled(", older version", "yellow"))
    return told


def _place(item: dict[str, Any]) -> str:
    file = item.get("file")
    return (
        f"{file}:{item['line']}" if file and item.get("line") else file or item.get("origin") or ""
    )


def _problem(output: Output, item: dict[str, Any]) -> None:
    """What is wrong with its file, and with what it was asked last."""
    problem = item.get("problem")
    if problem:
        where = problem.get("place") or item["name"]
        goes_on = "" if item["status"] == "invalid" else f"; revision {item['revision']} is at work"
        output.say(styled("invalid", "red"), f"{where}: {problem['message']}{goes_on}")
    in_a_row = item.get("errors_in_a_row", 0)
    if in_a_row:
        which = "its last event" if in_a_row == 1 else f"each of its last {in_a_row:,} events"
        error = f"an error on {which}: {item.get('last_error')}"
        output.say(styled("failing", "red"), f"{item['name']}: {error}")


for _command in (ls, show, windows.command, pause, resume, fire):
    command.add_command(_command)
