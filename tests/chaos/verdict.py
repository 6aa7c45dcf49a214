"""What the reconciliation says about one promise."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Verdict:
    """`checked` says how many things were looked at, and `unit` what they are."""

    promise: str
    title: str
    unit: str
    checked: int = 0
    problems: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def kept(self) -> bool:
        """A promise of which nothing was seen is not one that was kept."""
        return not self.problems and self.checked > 0

    def expect(self, holds: bool, problem: str) -> None:
        """Count one thing looked at; note the problem where it is not as it should be."""
        self.checked += 1
        if not holds:
            self.problems.append(problem)
