"""Many random schedules, held to the model: `make chaos`, or `python -m tests.schedules --help`."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import click
import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from base.database import Address
from tests.schedules import crash
from tests.schedules.databases import serving
from tests.schedules.generate import KINDS, batch
from tests.schedules.schedule import Schedule
from tests.schedules.shrink import printed, smallest
from tests.schedules.trial import Difference, trial

TOGETHER = 50
"""Schedules that share a database."""
KILLED_TOGETHER = 9
KILLS = 3
"""Of the process, for each such lot."""

console = Console(highlight=False)


@dataclass
class Sum:
    """What came of the schedules of one kind on one database."""

    schedules: int = 0
    outcomes: int = 0
    kills: int = 0
    wrong: int = 0
    cpu: float = 0.0


@dataclass
class Work:
    database: str
    addresses: Iterator[Address]
    seed: int
    sums: dict[tuple[str, str], Sum] = field(default_factory=dict)
    shown: int = 0

    def sum(self, kind: str) -> Sum:
        return self.sums.setdefault((self.database, kind), Sum())

    def lot(self, kind: str, number: int, size: int) -> None:
        """Schedules in this process."""
        schedules, started = batch(kind, self.seed + number, size), time.process_time()
        found, outcomes = asyncio.run(trial(next(self.addresses), schedules))
        self._count(kind, size, outcomes, found)
        self.sum(kind).cpu += time.process_time() - started
        self._show(kind, self.seed + number, schedules, found)

    def killed_lot(self, kind: str, number: int, size: int) -> None:
        """Schedules in a process that is killed."""
        killed = crash.Killed(next(self.addresses), kind, self.seed + number, size, KILLS)
        found, rules = asyncio.run(killed.differences())
        self._count(kind, size, sum(len(rule.rows) for rule in rules.values()), found)
        self.sum(kind).kills += len(killed.struck)
        for name, one in list(found.items())[:1]:
            console.print(f"\n[red]✗[/] {kind}, seed {killed.seed}, killed {killed.struck}")
            self._print(batch(kind, killed.seed, size)[name], one)

    def _count(self, kind: str, size: int, outcomes: int, found: Mapping[str, Difference]) -> None:
        total = self.sum(kind)
        total.schedules += size
        total.outcomes += outcomes
        total.wrong += len(found)

    def _show(
        self,
        kind: str,
        seed: int,
        schedules: Mapping[str, Schedule],
        found: Mapping[str, Difference],
    ) -> None:
        for name in list(found)[: max(0, 3 - self.shown)]:
            self.shown += 1
            console.print(f"\n[red]✗[/] {self.database}, {kind}, seed {seed}, schedule {name}")
            if self._alone(schedules[name]) is None:
                console.print("  only among the others of its lot:")
                self._print(schedules[name], found[name])
                continue
            small = smallest(schedules[name], lambda one: self._alone(one) is not None)
            left = self._alone(small)
            assert left
            self._print(small, left)

    def _alone(self, schedule: Schedule) -> Difference | None:
        return asyncio.run(trial(next(self.addresses), {"s": schedule}))[0].get("s")

    def _print(self, schedule: Schedule, difference: Difference) -> None:
        console.print(escape(printed(schedule)))
        for line in difference.lines(schedule):
            console.print(escape(line))


@click.command()
@click.option("--schedules", default=10_000, show_default=True, help="Over kinds and databases.")
@click.option("--killed", default=200, show_default=True, help="In a process that is killed.")
@click.option(
    "--database",
    type=click.Choice(["sqlite", "postgresql", "both"]),
    default="both",
    show_default=True,
)
@click.option("--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True, help="Only these.")
@click.option("--seed", type=int, help="The schedules of a trial before.")
def main(
    schedules: int, killed: int, database: str, kinds: tuple[str, ...], seed: int | None
) -> None:
    """Hold rules to a model over random schedules of events, ticks, restarts, edits and kills.

    Exits with 1 where they disagree, with a schedule that can be pasted into a test.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    databases = ["sqlite", "postgresql"] if database == "both" else [database]
    sums: dict[tuple[str, str], Sum] = {}
    columns = (
        TextColumn("{task.description:>28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        bar = bars.add_task("schedules", total=schedules)
        for one in databases:
            with serving(one) as addresses:
                work = Work(one, addresses, seed, sums)
                share = schedules // len(databases)
                for kind, number, size, is_killed in _lots(
                    list(kinds or KINDS), share, killed // len(databases)
                ):
                    told = f"{one}: {kind}{', killed' if is_killed else ''}"
                    bars.update(bar, description=told)
                    (work.killed_lot if is_killed else work.lot)(kind, number, size)
                    bars.advance(bar, size)
    wrong = _tell(sums, seed)
    sys.exit(1 if wrong else 0)


def _lots(kinds: list[str], schedules: int, killed: int) -> Iterator[tuple[str, int, int, bool]]:
    """Kind, number, size, and whether the process is killed: kind after kind, over and over."""
    left, turn = {True: min(killed, schedules), False: schedules - min(killed, schedules)}, 0
    for is_killed, most in ((True, KILLED_TOGETHER), (False, TOGETHER)):
        for kind in itertools.cycle(kinds):
            if not left[is_killed]:
                break
            size = min(most, left[is_killed])
            left[is_killed] -= size
            turn += 1
            yield kind, turn, size, is_killed


def _tell(sums: Mapping[tuple[str, str], Sum], seed: int) -> int:
    table = Table(title=f"seed {seed}", title_justify="left")
    for name in ("", "database", "kind", "schedules", "firings", "kills", "disagree", "CPU"):
        table.add_column(name, justify="left" if name in {"", "database", "kind"} else "right")
    for (database, kind), one in [*sums.items(), (("", "all"), _all(sums))]:
        table.add_row(
            "[red]✗[/]" if one.wrong else "[green]✓[/]",
            database,
            kind,
            f"{one.schedules:,}",
            f"{one.outcomes:,}",
            f"{one.kills:,}",
            f"{one.wrong:,}",
            f"{one.cpu:.1f} s",
        )
    console.print(table)
    return _all(sums).wrong


def _all(sums: Mapping[tuple[str, str], Sum]) -> Sum:
    ones = sums.values()
    return Sum(
        sum(one.schedules for one in ones),
        sum(one.outcomes for one in ones),
        sum(one.kills for one in ones),
        sum(one.wrong for one in ones),
        sum(one.cpu for one in ones),
    )


if __name__ == "__main__":
    main()
