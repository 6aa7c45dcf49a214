"""`ensue runs`: what ran, what it said, and how it ended."""

from __future__ import annotations

from typing import Any

import click

from ensue.cli.client import segment
from ensue.cli.following import Following, LogPrinter
from ensue.cli.options import Session, client_command
from ensue.cli.output import Output, brief, state
from ensue.cli.paging import all_items, paged, read_page
from ensue.cli.words import relative, took


@click.group("runs")
def command() -> None:
    """Runs: list, show, logs, cancel, retry."""


@client_command("ls")
@click.option("--state", "state_", help="Only in this state.")
@click.option("--flow", help="Only of this flow.")
@click.option("--automation", help="Only those that this automation started.")
@paged
def ls(session: Session, **given: Any) -> None:
    """List runs, the newest first."""
    given["state"] = given.pop("state_")
    items = read_page(session, "/api/runs", given, empty=_NOTHING)
    output = session.output
    if items:
        output.table(
            ("ID", "FLOW", "STATE", "WHEN", "TOOK", "PARAMETERS"),
            (
                (
                    item["id"],
                    item["flow"],
                    state(item["state"]),
                    relative(item.get("started") or item.get("due"), output.now),
                    took(item.get("duration")),
                    brief(item["parameters"]) if item.get("parameters") else "",
                )
                for item in items
            ),
            whole=("ID", "STATE", "WHEN"),
        )


_NOTHING = "No runs. `ensue run FLOW` starts one; `ensue flows ls` lists the flows."


@client_command("show")
@click.argument("run")
def show(session: Session, run: str) -> None:
    """Show a run, with its tasks."""
    path = f"/api/runs/{segment(run)}"
    found = session.client.get(path)
    tasks = all_items(session.client, f"{path}/tasks")
    output = session.output
    if output.as_json:
        output.json({**found, "tasks": tasks})
        return
    _facts(output, found)
    if found.get("parameters"):
        output.section("parameters", found["parameters"])
    if found.get("result") is not None:
        output.section("result", found["result"])
    if tasks:
        output.line("")
        output.table(
            ("TASK", "STATE", "TOOK", "MESSAGE"),
            (
                (
                    str(task.get("name", "")),
                    state(task.get("state")),
                    took(task.get("duration")),
                    brief(task.get("message") or ""),
                )
                for task in tasks
            ),
            whole=("STATE",),
        )


def _facts(output: Output, run: dict[str, Any]) -> None:
    output.facts(
        [
            ("id", run["id"]),
            ("flow", run["flow"]),
            ("state", state(run["state"])),
            ("message", run.get("message")),
            ("attempt", str(run.get("attempt") or "")),
            ("automation", run.get("automation")),
            ("started", relative(run.get("started"), output.now)),
            ("due", "" if run.get("started") else relative(run.get("due"), output.now)),
            ("took", took(run.get("duration"))),
            ("tags", ", ".join(run.get("tags") or [])),
            ("chain", run.get("correlationid")),
        ]
    )


@client_command("logs")
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
def logs(session: Session, run: str, *, follow: bool) -> None:
    """Print what a run wrote."""
    printer = LogPrinter(session.output)
    following = Following(session.client, run, on_line=printer.line)
    if follow:
        following.to_the_end()
        return
    session.client.get(f"/api/runs/{segment(run)}")  # a run that is not there is an error
    if not following.read_lines() and not session.output.as_json:
        session.output.note("It has written nothing. -f waits for what it will write.")


@client_command("cancel")
@click.argument("run")
def cancel(session: Session, run: str) -> None:
    """Cancel a run: its process is asked to end, and then made to."""
    answer = session.client.post(f"/api/runs/{segment(run)}/cancel")
    _changed(session, answer, run)


@client_command("retry")
@click.argument("run")
def retry(session: Session, run: str) -> None:
    """Run a run again that has ended."""
    answer = session.client.post(f"/api/runs/{segment(run)}/retry")
    _changed(session, answer, run)


def _changed(session: Session, answer: Any, run: str) -> None:
    if session.output.as_json:
        session.output.json(answer)
        return
    answer = answer or {}
    session.output.say(str(answer.get("id", run)), state(answer.get("state")))


for _command in (ls, show, logs, cancel, retry):
    command.add_command(_command)
