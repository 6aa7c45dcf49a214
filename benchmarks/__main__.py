"""`make bench`: every figure beside its goal and beside a limit measured in the same run.

    python -m benchmarks [--only intake,postgres,index,runs,rest,laboratory,windows] [--seconds 10] [--stored 5000000]

`--quick` takes seconds instead of minutes and stores 200,000 events instead of five million.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import index, intake, laboratory, load, report, rest, runs, windows
from benchmarks.report import Figure


def main() -> None:
    options = _options()
    parts: dict[str, Callable[[], Iterator[Figure]]] = {
        "rest": lambda: rest.run(starts=2 if options.quick else 5),
        "index": lambda: index.run(seconds=min(2.0, options.seconds)),
        "laboratory": lambda: laboratory.run(events=20_000 if options.quick else 1_000_000),
        "windows": lambda: windows.run(
            seconds=options.seconds, opened=50_000 if options.quick else 1_000_000
        ),
        "runs": lambda: runs.run(
            rounds=50 if options.quick else 300, count=300 if options.quick else 3_000
        ),
        "intake": lambda: intake.run(seconds=options.seconds, stored=options.stored),
        "postgres": lambda: intake.run_postgres(seconds=options.seconds),
    }
    wanted = [name for name in parts if not options.only or name in options.only.split(",")]
    load_average = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load_average:.1f}, load generator: {load.generator()}")
    done = report.show(figure for name in wanted for figure in parts[name]())
    report.keep(done, Path(".bench") / "figures.json")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", help="parts, with commas between")
    parser.add_argument("--seconds", type=float, help="for each load")
    parser.add_argument("--stored", type=int, help="events in the full database")
    parser.add_argument("--quick", action="store_true", help="a look in a minute")
    options = parser.parse_args()
    options.seconds = options.seconds or (3 if options.quick else 10)
    options.stored = options.stored or (200_000 if options.quick else 5_000_000)
    return options


if __name__ == "__main__":
    main()
