"""`ensue test`: the tests that stand beside the rules, on a virtual clock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from automations.rehearsal import Moment, Result
    from server.rehearsed import Rehearsed


@click.command("test")
@click.argument("path", metavar="[PATH]", default=".", type=click.Path(path_type=Path))
@click.option("--verbose", "-v", is_flag=True, help="Show the time line of passed tests too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(path: Path, verbose: bool, as_json: bool) -> int:
    """Run the `tests:` of the rules in a project directory, a file, or a folder.

    Exits with 1 when a test fails or a rule cannot be read.
    """
    from server.commands import output
    from server.commands.project import Project
    from server.rehearsed import rehearse_all

    project = Project.at(path)
    found = rehearse_all(project.read(), project.variables())
    if output.json_wanted(as_json):
        output.as_json(found.to_json())
    else:
        _print(found, verbose=verbose)
    return 1 if found.failed or found.problems else 0


def _print(found: Rehearsed, *, verbose: bool) -> None:
    from rich.text import Text

    from server.commands import output

    console = output.console()
    last = None
    for file, result in found.results:
        if (file, result.automation) != last:
            last = (file, result.automation)
            console.print(Text(result.automation, style="bold"), Text(file, style="dim"))
        console.print(" ", output.mark(result.passed), Text(result.name))
        if verbose or not result.passed:
            _print_details(console, result)
    for problem in found.problems:
        console.print(output.mark(False), Text(problem))
    for name in found.untested:
        console.print(output.mark(None), Text(f"{name} has no tests", style="dim"))
    failed = found.failed
    passed = len(found.results) - failed
    console.print()
    style = "bold red" if failed or found.problems else "bold green"
    console.print(Text(f"{passed} passed, {failed} failed", style=style))


def _print_details(console: Console, result: Result) -> None:
    from rich.table import Table
    from rich.text import Text

    from server import rehearsed

    for moment in result.timeline:
        console.print(Text(f"      {_line(moment)}", style="dim"))
    table = Table(box=None, padding=(0, 2, 0, 6), header_style="dim")
    table.add_column("expected", overflow="fold")
    table.add_column("actual", overflow="fold")
    for row in result.rows:
        style = "" if row.agrees else "red"
        table.add_row(
            Text(rehearsed.expected(row.expected) if row.expected else "-", style=style),
            Text(rehearsed.deed(row.actual) if row.actual else "-", style=style),
        )
    if not result.rows:
        table.add_row("nothing", "nothing")
    console.print(table)
    for row in result.rows:
        for text in rehearsed.differences(row):
            console.print(Text(f"        {text}", style="red"))


def _line(moment: Moment) -> str:
    from base.time import format_duration
    from server import rehearsed

    at = format_duration(moment.at).rjust(8)
    event = moment.event
    words = {
        "given": "event",
        "emitted": "emitted",
        "rang": "timer",
        "passes": "time passes",
        "fired": "fires",
        "resolved": "clears",
        "gathered": "waits with others",
        "throttled": "throttled",
        "duplicate": "duplicate",
        "unanswered": "no answer",
        "looped": "chain cut",
        "breaker": "breaker opens",
        "paused": "is paused",
    }[moment.kind]
    if event is None or moment.kind in ("rang", "gathered", "fired", "resolved"):
        return f"{at}  {words}"
    subject = f" {event.subject}" if event.subject else ""
    data = f" {rehearsed.brief(event.data)}" if event.has_data and moment.kind == "given" else ""
    note = f": {moment.note}" if moment.note else ""
    return f"{at}  {words} {event.type}{subject}{data}{note}"
