"""The kill test: `make chaos`, or `python -m tests.chaos --help`."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos import replicas, set_clock, slow
from tests.chaos.broken import FAULTS
from tests.chaos.killer import LONGEST
from tests.chaos.service import ServiceError
from tests.chaos.trial import Outcome, Trial, Watcher, run

_SHOWN = 10
_NO_SOCKETS = shutil.ignore_patterns("postgres", "*.sock")

console = Console(highlight=False)


TRIALS = ("kills", "replicas", "clock", "slow")


@click.command()
@click.option(
    "--trial",
    "trials",
    type=click.Choice(TRIALS),
    multiple=True,
    help="Only this: killing it, killing those of several servers that take timers, setting its clock, a slow database.",
)
@click.option("--events", default=50_000, show_default=True, help="Events to send.")
@click.option("--kills", default=500, show_default=True, help="Processes to kill.")
@click.option(
    "--database",
    type=click.Choice(["sqlite", "postgresql", "both"]),
    default="both",
    show_default=True,
)
@click.option("--seed", type=int, help="Plan the same events and kills as a trial before.")
@click.option(
    "--longest",
    default=LONGEST,
    show_default=True,
    help="Seconds it may live at most between two kills.",
)
@click.option("--graceful", is_flag=True, help="Stop it 20 times with SIGTERM instead of killing.")
@click.option("--broken", type=click.Choice(list(FAULTS)), help="A build broken on purpose.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep all files in this folder.")
def main(
    trials: tuple[str, ...],
    events: int,
    kills: int,
    database: str,
    seed: int | None,
    longest: float,
    graceful: bool,
    broken: str | None,
    keep: Path | None,
) -> None:
    """Kill the service over and over under load, then reconcile every ledger; and other hardships.

    Exits with 1 where a promise was not kept.
    """
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    trials = trials or TRIALS
    kept = True
    if "kills" in trials:
        for name in ("sqlite", "postgresql") if database == "both" else (database,):
            trial = Trial(name, seed, events, 0 if graceful else kills, graceful, broken, longest)
            what = f", broken on purpose: {broken}" if broken else ""
            kept &= _tried(
                f"{name}, seed {seed}{what}", partial(_watched, trial), keep and keep / name
            )
    if "replicas" in trials:
        several = partial(replicas.run, seed=seed)
        kept &= _tried(f"three servers, seed {seed}", several, keep and keep / "replicas")
    if "clock" in trials and set_clock.library() is None:
        console.print(f"Setting the clock is left out: {set_clock.MISSING}.")
    elif "clock" in trials:
        kept &= _tried("the clock is set", set_clock.run, keep and keep / "clock")
    if "slow" in trials:
        kept &= _tried("a slow database", slow.run, keep and keep / "slow")
    if not kept:
        console.print(f"[bold red]Not kept.[/] The seed was {seed}.")
    sys.exit(0 if kept else 1)


def _tried(title: str, trial: Callable[[Path], Awaitable[Outcome]], keep: Path | None) -> bool:
    """Whether all promises were kept in this trial, which is told of."""
    folder = Path(tempfile.mkdtemp(prefix="ensue-chaos-"))

    async def run() -> Outcome:
        task = asyncio.current_task()
        assert task
        # A stop of the test is a stop of everything that it started.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await trial(folder)

    try:
        outcome = asyncio.run(run())
    except ServiceError as error:
        raise click.ClickException(f"the service does not start: {error}") from None
    except asyncio.CancelledError:
        raise click.Abort from None
    finally:
        if keep:
            shutil.copytree(folder, keep, dirs_exist_ok=True, ignore=_NO_SOCKETS)
        shutil.rmtree(folder, ignore_errors=True)
    _tell(title, outcome)
    return outcome.kept


async def _watched(trial: Trial, folder: Path) -> Outcome:
    columns = (
        TextColumn("{task.description:>22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        acked = bars.add_task("events acknowledged", total=trial.events)
        struck = bars.add_task(f"{trial.database}: starting", total=trial.kills or 20)
        watcher = Watcher(
            acked=lambda count: bars.update(acked, completed=count),
            struck=lambda: bars.advance(struck),
            phase=lambda words: bars.update(struck, description=f"{trial.database}: {words}"),
        )
        return await run(trial, folder, watcher)


def _tell(title: str, outcome: Outcome) -> None:
    table = Table(title=title, title_justify="left")
    for name in ("", "promise", "", "checked", "found"):
        table.add_column(name, justify="right" if name == "checked" else "left")
    for verdict in outcome.verdicts:
        count = len(verdict.problems)
        found = f"[red]{count:,} problems[/]" if count else (verdict.note or "nothing amiss")
        table.add_row(
            "[green]✓[/]" if verdict.kept else "[red]✗[/]",
            verdict.promise,
            verdict.title,
            f"{verdict.checked:,} {verdict.unit}",
            found,
        )
    console.print(table)
    for name, value in outcome.figures.items():
        console.print(f"  {name:<18} {escape(value)}")
    for verdict in outcome.verdicts:
        if verdict.problems:
            console.print(f"\n[red]✗ {verdict.promise} {verdict.title}[/]")
            for problem in verdict.problems[:_SHOWN]:
                console.print(f"  {escape(problem)}")
            if len(verdict.problems) > _SHOWN:
                console.print(f"  … and {len(verdict.problems) - _SHOWN:,} more")
    console.print()


if __name__ == "__main__":
    main()
