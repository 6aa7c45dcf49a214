"""`ensue run`: run a flow, and watch it if that is wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import click
from rich.status import Status

from ensue.cli.client import segment
from ensue.cli.following import Following, LogPrinter
from ensue.cli.inputs import JSON_METAVAR, json_value, pair
from ensue.cli.options import Session, client_command
from ensue.cli.output import Output, cell, state, styled
from ensue.cli.words import took


@client_command("run")
@click.argument("flow")
@click.option(
    "-p",
    "--param",
    type=pair,
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter; may be repeated.",
)
@click.option(
    "--params", type=json_value, metavar=JSON_METAVAR, help="All parameters, as one JSON object."
)
@click.option("--tag", "tags", multiple=True, help="A tag for the run; may be repeated.")
@click.option("--delay", metavar="SPAN", help="Start it after so long, such as 10m.")
@click.option("--idempotency-key", help="The same key starts one run only.")
@click.option(
    "-w", "--watch", is_flag=True, help="Follow it to its end; exit 1 unless it completes."
)
def command(session: Session, flow: str, **given: Any) -> None:
    """Run FLOW.

    ensue run review-order -p order=a1 -p total=1500 --watch
    """
    if given["params"] is not None and not isinstance(given["params"], dict):
        raise click.BadParameter("an object of parameters is wanted", param_hint="--params")
    body: dict[str, Any] = {
        "parameters": {**(given["params"] or {}), **dict(given["param"])},
        "tags": list(given["tags"]),
    }
    for name in ("delay", "idempotency_key"):
        if given[name] is not None:
            body[name] = given[name]
    run = session.client.post(f"/api/flows/{segment(flow)}/runs", body)
    output = session.output
    if given["watch"]:
        click.get_current_context().exit(_watch(session, run))
    if output.as_json:
        output.json(run)
        return
    output.say(run["id"], state(run["state"]))
    output.note(f"`ensue runs logs -f {run['id']}` follows it.")


def _watch(session: Session, run: dict[str, Any]) -> int:
    output = session.output
    printer = LogPrinter(output)
    with _spinner(output, run) as spinner:

        def on_state(name: str, seen: dict[str, Any]) -> None:
            if output.as_json:
                output.json_line({"run": seen["id"], "state": name})
            elif spinner:
                spinner.update(cell(f"{seen['flow']} {name}"))
            else:
                output.say(seen["flow"], state(name))

        following = Following(session.client, run["id"], on_line=printer.line, on_state=on_state)
        ended = following.to_the_end()
    if not output.as_json:
        _epilogue(output, ended)
    return 0 if ended["state"] == "completed" else 1


@contextlib.contextmanager
def _spinner(output: Output, run: dict[str, Any]) -> Iterator[Status | None]:
    if not output.interactive:
        yield None
        return
    output.note(run["id"])
    with output.waiting(f"{run['flow']} {run['state']}") as status:
        yield status


def _epilogue(output: Output, run: dict[str, Any]) -> None:
    seconds = took(run.get("duration"))
    output.say(
        run["flow"],
        state(run["state"]),
        styled(f"in {seconds}" if seconds else "", "dim"),
        run.get("message") or "",
    )
    if run.get("result") is not None:
        output.section("result", run["result"])
