"""One figure, and how all of them are shown and kept."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """What was measured, what it should reach, and its ratio to a limit of the same run."""

    name: str
    value: float
    unit: str
    target: float | None = None
    ratio: float | None = None
    limit: str = ""
    note: str = ""
    lower_is_better: bool = False

    @property
    def reached(self) -> bool | None:
        if self.target is None:
            return None
        return self.value <= self.target if self.lower_is_better else self.value >= self.target


def show(figures: Iterable[Figure]) -> list[Figure]:
    """Print the figures as they come, then all of them as a table; returns them."""
    console = Console()
    done = []
    for figure in figures:
        console.print(f"  {figure.name}: {figure.value:,.1f} {figure.unit}", highlight=False)
        done.append(figure)
    table = Table(title=f"Python {platform.python_version()}, {platform.machine()}")
    for column in ("what", "figure", "goal", "ratio", "limit", "beside it"):
        table.add_column(column, overflow="fold")
    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}
    for f in done:
        goal = f"{marks[f.reached]} {f.target:,.0f}" if f.target is not None else ""
        ratio = f"{f.ratio:.2f}" if f.ratio is not None else ""
        table.add_row(f.name, f"{f.value:,.1f} {f.unit}", goal, ratio, f.limit, f.note)
    console.print(table)
    return done


def keep(figures: Iterable[Figure], path: Path) -> None:
    """Write the figures as JSON, to be compared with another run."""
    path.parent.mkdir(exist_ok=True)
    rows = [asdict(figure) for figure in figures]
    at = datetime.now(UTC).isoformat(timespec="seconds")
    path.write_text(json.dumps({"at": at, "figures": rows}, indent=1))
