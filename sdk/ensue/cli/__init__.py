"""The `ensue` command.

    program.py   the frame: which commands there are, exit codes, and that nobody sees a traceback
    client.py    the server's API over HTTP, and what can go wrong on the way
    stream.py    the live stream of events (SSE), resumed where it broke off
    options.py   what every client command understands: --json, --api-url, --no-color
    output.py    tables for people, JSON for programs
    progress.py  answers that take their time
    words.py     times, spans and sizes as a person says them

and one file per command: `emit`, `events`, `automations`, `replay`, `explain`, `backtest`,
`plan`, `apply`, `flows`, `run`, `runs`, `webhooks`, `dead`, `lineage`. They talk to a server
over its API only. `ensue serve` and the other commands of the server come from the distribution
`ensue-server`, by the entry-point group `ensue.commands`.

Exit codes: 0 ok, 1 failed, 2 usage, 3 server unreachable, 4 not allowed, 130 interrupted.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line on `sys.argv`; returns the exit code."""
    try:
        import click  # noqa: F401  # only whether it is there
        import rich  # noqa: F401  # likewise
    except ImportError as error:
        sys.stderr.write(f"Error: the command line needs {error.name}: pip install 'ensue[cli]'\n")
        return 1
    from ensue.cli.program import run_program

    return run_program(sys.argv[1:])
