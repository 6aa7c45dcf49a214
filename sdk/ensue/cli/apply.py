"""`ensue apply`: bring rules into force, after a look at what that changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ensue.cli.client import CommandError
from ensue.cli.options import Session, client_command
from ensue.cli.plan import can_apply, is_empty, planned, print_plan
from ensue.cli.rule_files import read_files


@client_command("apply")
@click.argument("path", metavar="[PATH]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--prune", is_flag=True, help="Delete what was applied before and is not in PATH any more."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def command(session: Session, path: Path, prune: bool, yes: bool) -> None:
    """Bring the rules in PATH into force: all of them, or none.

    Shows the plan and asks first. What was applied stays until it is applied again, or pruned;
    rules that the server's project directory brings are changed there.
    """
    output = session.output
    body: dict[str, Any] = {"files": read_files(path), "prune": prune}
    told = planned(session, body)
    if not output.as_json:
        print_plan(output, told)
    if not can_apply(told):
        raise _cannot(told)
    if is_empty(told):
        applied = {
            "created": [],
            "updated": [],
            "deleted": [],
            "unchanged": [one["automation"] for one in told["changes"]],
        }
    else:
        _agree(yes=yes)
        applied = session.client.post("/api/apply", {**body, "base": told["base"]})
    if output.as_json:
        output.json(applied)
        return
    for kind in ("created", "updated", "deleted"):
        for name in applied[kind]:
            output.say(kind, name)


def _agree(*, yes: bool) -> None:
    """Ask a person; without one `--yes` has to have been said."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(
            "nobody is there to be asked", hint="look at `ensue plan`, then say --yes"
        )
    click.confirm("Apply this?", abort=True, err=True)


def _cannot(told: dict[str, Any]) -> CommandError:
    if told["problems"]:
        problem = told["problems"][0]
        return CommandError(
            "nothing was applied: the rules are not in order", place=None, hint=problem["place"]
        )
    (first, *_) = [one for one in told["changes"] if one["conflict"]]
    return CommandError(
        f"nothing was applied: {first['automation']} is brought by the project directory",
        hint=f"change it in {first['conflict']}, or take it out of there first",
    )
