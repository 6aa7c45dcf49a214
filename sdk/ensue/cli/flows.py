"""`ensue flows`: what can be run."""

from __future__ import annotations

from typing import Any

import click

from ensue.cli.client import segment
from ensue.cli.options import Session, client_command
from ensue.cli.output import state
from ensue.cli.paging import read_all


@click.group("flows")
def command() -> None:
    """Flows: list, show, pause, resume."""


@client_command("ls")
def ls(session: Session) -> None:
    """List the flows."""
    items = read_all(session, "/api/flows", empty=_NOTHING)
    if items:
        session.output.table(
            ("NAME", "STATUS", "PARAMETERS", "FROM"),
            (
                (item["name"], state(_status(item)), ", ".join(_parameters(item)), _place(item))
                for item in items
            ),
            whole=("NAME", "STATUS"),
        )


_NOTHING = "No flows. A project directory has them in flows/*.py, as functions under @flow."


@client_command("show")
@click.argument("name")
def show(session: Session, name: str) -> None:
    """Show a flow and what it can be given."""
    found = session.client.get(f"/api/flows/{segment(name)}")
    output = session.output
    if output.as_json:
        output.json(found)
        return
    output.facts(
        [
            ("name", found["name"]),
            ("description", found.get("description")),
            ("status", state(_status(found))),
            ("from", _place(found)),
        ]
    )
    schema = found.get("parameters")
    if schema:
        output.section("parameters", schema)


@client_command("pause")
@click.argument("name")
def pause(session: Session, name: str) -> None:
    """Let no further run of a flow start until it is resumed."""
    _steer(session, name, "pause", "paused")


@client_command("resume")
@click.argument("name")
def resume(session: Session, name: str) -> None:
    """Let runs of a paused flow start again."""
    _steer(session, name, "resume", "active")


def _steer(session: Session, name: str, verb: str, now: str) -> None:
    answer = session.client.post(f"/api/flows/{segment(name)}/{verb}")
    if session.output.as_json:
        session.output.json(answer)
    else:
        session.output.say(name, state(now))


def _status(item: dict[str, Any]) -> str:
    return str(item.get("status") or ("paused" if item.get("paused") else "active"))


def _place(item: dict[str, Any]) -> str:
    return str(item.get("entrypoint") or item.get("file") or "")


def _parameters(item: dict[str, Any]) -> list[str]:
    """The names in a flow's schema; those that must be given have a star."""
    schema = item.get("parameters") or {}
    required = schema.get("required", [])
    return [f"{name}*" if name in required else name for name in schema.get("properties", {})]


for _command in (ls, show, pause, resume):
    command.add_command(_command)
