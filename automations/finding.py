"""What `ensue lint` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from automations.reader import Problem, RuleFile

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and whether it keeps the rule from working. A note says what was not looked at."""

    severity: Severity
    problem: Problem

    def __str__(self) -> str:
        problem = self.problem
        out = f" ({problem.hint})" if problem.hint else ""
        where = f"{problem.file}:{problem.line}:{problem.column}"
        return f"{where}: {self.severity}: {problem.message}{out}"

    @property
    def order(self) -> tuple[str, int, int]:
        return self.problem.file, self.problem.line, self.problem.column

    def to_json(self) -> dict[str, Any]:
        problem = self.problem
        return {
            "severity": self.severity,
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "code": problem.code,
            "message": problem.message,
            "hint": problem.hint,
            "automation": problem.automation,
        }


def finding(
    file: RuleFile,
    severity: Severity,
    place: str,
    code: str,
    message: str,
    hint: str | None = None,
    *,
    at_key: bool = False,
) -> Finding:
    """Something at a place of this rule's definition."""
    document = file.document
    here = document.position(document.path(place), key=at_key)
    problem = Problem(
        file.file, here.line, here.column, code, f"{place}: {message}", hint, file.rule.name
    )
    return Finding(severity, problem)
