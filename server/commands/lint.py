"""`ensue lint`: what is wrong with rules, sources and flows, without running any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from automations.finding import Finding
    from automations.observed import Observed
    from automations.reader import Loaded
    from server.commands.asking import Server
    from server.commands.project import Project


_STYLES: Final = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command("lint")
@click.argument("path", metavar="[PATH]", default=".", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Let warnings fail too.")
@click.option(
    "--events",
    type=click.IntRange(0, 10_000),
    default=1_000,
    metavar="N",
    show_default=True,
    help="Hold rules against so many of the newest events of each type; 0 for none.",
)
@click.option("--api-url", metavar="URL", help="The server whose events are looked at.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(path: Path, strict: bool, events: int, api_url: str | None, as_json: bool) -> int:
    """Check a project directory, a file of rules, or a folder of them.

    Fields and types that rules name are held against events: those of the server, where
    `--api-url` or `ENSUE_API_URL` names one, or those in the project's database. Flows are the
    project's; outside of a project those of the server.

    Exits with 1 when something is wrong.
    """
    from rich.text import Text

    from automations.finding import Finding
    from automations.lint import lint
    from base.time import now
    from server.commands import observing, output
    from server.commands.asking import Server
    from server.commands.project import Project

    project = Project.at(path)
    loaded = project.read()
    flows, broken = project.flows()
    server = Server.found(api_url)
    if project.root is None and server is not None:
        flows = observing.flows(server)
    variables = project.variables() if project.root else None
    observed, why_not = _observed(server, project, loaded, events)
    findings = [
        *lint(loaded, flows, now=now(), observed=observed, variables=variables),
        *project.channel_findings(loaded),
        *(Finding("error", problem) for problem in broken),
        *(
            # A secret is often there only where the project is served.
            Finding("warning" if problem.code == "secret_missing" else "error", problem)
            for problem in project.source_problems()
        ),
    ]
    findings.sort(key=lambda one: one.order)
    errors = sum(one.severity == "error" for one in findings)
    warnings = sum(one.severity == "warning" for one in findings)
    if output.json_wanted(as_json):
        told = {"findings": [one.to_json() for one in findings], "rules": len(loaded.rules)}
        output.as_json(told | {"observed": _told_observed(observed)})
    else:
        _print(findings)
        summary = f"{len(loaded.rules)} rules in order, {errors} errors, {warnings} warnings"
        output.console().print(output.mark(not errors), Text(summary))
        output.console().print(Text(f"  {_looked_at(observed, why_not)}", style="dim"))
    return 1 if errors or (strict and warnings) else 0


def _observed(
    server: Server | None, project: Project, loaded: Loaded, most: int
) -> tuple[Observed | None, str]:
    """What events have been like; or else why that is not known."""
    from automations.observed import wanted
    from server.commands import observing

    globs = wanted(
        leaf.selector
        for file in loaded.rules
        for trigger in file.rule.triggers
        for leaf in trigger.leaves
    )
    if not most or not globs:
        return None, ""
    return observing.observed(server, project.root, globs, most)


def _looked_at(observed: Observed | None, why_not: str) -> str:
    if observed is None:
        return f"no events were looked at{why_not and f': {why_not}'}"
    left_out = f", {len(observed.left_out):,} types left out" if observed.left_out else ""
    return (
        f"held against {observed.events:,} events of {len(observed.types):,} types "
        f"in {observed.origin}{left_out}"
    )


def _print(findings: list[Finding]) -> None:
    from rich.text import Text

    from server.commands import output

    console = output.console()
    for one in findings:
        problem = one.problem
        style = _STYLES[one.severity]
        line = Text(f"{problem.file}:{problem.line}:{problem.column}", style="bold")
        line.append(f" {one.severity} ", style=style)
        line.append(problem.message)
        line.append(f"  [{problem.code}]", style="dim")
        console.print(line)
        if problem.hint:
            console.print(Text(f"    {problem.hint}", style="dim"))


def _told_observed(observed: Observed | None) -> dict[str, object] | None:
    if observed is None:
        return None
    return {
        "origin": observed.origin,
        "events": observed.events,
        "types": len(observed.types),
        "left_out": len(observed.left_out),
    }
