"""The kill test: `make chaos`, or `python -m tests.chaos --help`."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.broken import FAULTS
from tests.chaos.killer import LONGEST
from tests.chaos.service import ServiceError
from tests.chaos.trial import Outcome, Trial, Watcher, run

_SHOWN = 10

console = Console(highlight=False)


@click.command()
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
    events: int,
    kills: int,
    database: str,
    seed: int | None,
    longest: float,
    graceful: bool,
    broken: str | None,
    keep: Path | None,
) -> None:
    """Kill the service over and over under load, then reconcile every ledger.

    Exits with 1 where a promise was not kept.
    """
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    kept = True
    for name in ("sqlite", "postgresql") if database == "both" else (database,):
        trial = Trial(name, seed, events, 0 if graceful else kills, graceful, broken, longest)
        folder = Path(tempfile.mkdtemp(prefix="ensue-chaos-"))
        try:
            outcome = asyncio.run(_watched(trial, folder))
        except ServiceError as error:
            raise click.ClickException(f"the service does not start: {error}") from None
        except asyncio.CancelledError:
            raise click.Abort from None
        finally:
            if keep:
                shutil.copytree(folder / "project", keep / name, dirs_exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
        _tell(trial, outcome)
        kept = kept and outcome.kept
    if not kept:
        console.print(f"[bold red]Not kept.[/] The seed was {seed}.")
    sys.exit(0 if kept else 1)


async def _watched(trial: Trial, folder: Path) -> Outcome:
    task = asyncio.current_task()
    assert task
    # A stop of the test is a stop of everything that it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
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


def _tell(trial: Trial, outcome: Outcome) -> None:
    what = f", broken on purpose: {trial.broken}" if trial.broken else ""
    table = Table(title=f"{trial.database}, seed {trial.seed}{what}", title_justify="left")
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
