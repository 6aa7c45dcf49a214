"""From what the parts say of themselves to the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from automations.turn import Turn
from base.metrics import Metrics
from base.time import SECOND, parse_rfc3339
from events.event import Event, Stored
from events.journal import Journal

_RUN = "ensue.run."


def count_turns(metrics: Metrics) -> Callable[[Turn], None]:
    """For the recorder of firings."""

    def turn(told: Turn) -> None:
        for (automation, outcome), count in told.outcomes.items():
            metrics.firings.labels(automation, outcome).inc(count)
        for automation, count in told.errors.items():
            metrics.evaluation_errors.labels(automation).inc(count)

    return turn


def count_journal(metrics: Metrics, journal: Journal) -> None:
    """What the journal says of its transactions, and what waits for them."""
    seconds, waits = metrics.journal_commit_seconds, metrics.journal_wait_seconds
    sizes, failures = metrics.journal_batch_events, metrics.journal_failures

    def committed(took: float, waited: float, events: int) -> None:
        seconds.observe(took)
        waits.observe(waited)
        sizes.observe(events)

    journal.on_commit = committed
    journal.on_failure = lambda fault: failures.labels(fault.name.lower()).inc()
    metrics.journal_waiting_bytes.set_function(lambda: journal.waiting_bytes)


def count_stored(metrics: Metrics) -> Callable[[Sequence[Stored]], None]:
    """For the journal's subscribers: positions, and the states that runs entered."""
    position = metrics.log_position

    def stored(events: Sequence[Stored]) -> None:
        position.set(events[-1].position)
        for one in events:
            if one.event.type.startswith(_RUN):
                _count_run(metrics, one.event)

    return stored


def _count_run(metrics: Metrics, event: Event) -> None:
    state, data = event.type.removeprefix(_RUN), event.data
    metrics.runs.labels(state).inc()
    if state == "running":
        waited = parse_rfc3339(data["started"]) - parse_rfc3339(data["scheduled"])
        metrics.launch_seconds.observe(max(0, waited) / SECOND)
    elif data["duration"] is not None:
        metrics.run_seconds.labels(data["flow"]).observe(data["duration"])
