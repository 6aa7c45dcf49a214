"""`ensue lint`: what is wrong with rules, sources and flows, without running any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from automations.lint import Finding


@click.command("lint")
@click.argument("path", metavar="[PATH]", default=".", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Let warnings fail too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(path: Path, strict: bool, as_json: bool) -> int:
    """Check a project directory, a file of rules, or a folder of them.

    Exits with 1 when something is wrong.
    """
    from automations.lint import Finding, lint
    from base.time import now
    from server.commands import output
    from server.commands.project import Project

    project = Project.at(path)
    loaded = project.read()
    flows, broken = project.flows()
    findings = [
        *lint(loaded, flows, now=now()),
        *(Finding("error", problem) for problem in broken),
        *(
            # A secret is often there only where the project is served.
            Finding("warning" if problem.code == "secret_missing" else "error", problem)
            for problem in project.source_problems()
        ),
    ]
    findings.sort(key=lambda one: one.order)
    errors = sum(one.severity == "error" for one in findings)
    if output.json_wanted(as_json):
        output.as_json({"findings": [_told(one) for one in findings], "rules": len(loaded.rules)})
    else:
        _print(findings, rules=len(loaded.rules), errors=errors)
    return 1 if errors or (strict and findings) else 0


def _print(findings: list[Finding], *, rules: int, errors: int) -> None:
    from rich.text import Text

    from server.commands import output

    console = output.console()
    for one in findings:
        problem = one.problem
        style = "red" if one.severity == "error" else "yellow"
        line = Text(f"{problem.file}:{problem.line}:{problem.column}", style="bold")
        line.append(f" {one.severity} ", style=style)
        line.append(problem.message)
        line.append(f"  [{problem.code}]", style="dim")
        console.print(line)
        if problem.hint:
            console.print(Text(f"    {problem.hint}", style="dim"))
    warnings = len(findings) - errors
    summary = f"{rules} rules in order, {errors} errors, {warnings} warnings"
    console.print(output.mark(not errors), Text(summary))


def _told(one: Finding) -> dict[str, object]:
    problem = one.problem
    return {
        "severity": one.severity,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "automation": problem.automation,
    }
