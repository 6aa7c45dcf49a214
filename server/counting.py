"""From what the parts say of themselves to the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from automations.turn import Turn
from base.metrics import Metrics
from events.event import Stored

_RUN = "ensue.run."


def count_turns(metrics: Metrics) -> Callable[[Turn], None]:
    """For the recorder of firings."""

    def turn(told: Turn) -> None:
        for (automation, outcome), count in told.outcomes.items():
            metrics.firings.labels(automation, outcome).inc(count)
        for automation, count in told.errors.items():
            metrics.evaluation_errors.labels(automation).inc(count)

    return turn


def count_commits(metrics: Metrics) -> Callable[[float, int], None]:
    """For the journal: seconds and events of a commit."""
    seconds, sizes = metrics.journal_commit_seconds, metrics.journal_batch_events

    def committed(took: float, events: int) -> None:
        seconds.observe(took)
        sizes.observe(events)

    return committed


def count_stored(metrics: Metrics) -> Callable[[Sequence[Stored]], None]:
    """For the journal's subscribers: positions, and the states that runs entered."""
    position = metrics.log_position

    def stored(events: Sequence[Stored]) -> None:
        position.set(events[-1].position)
        for one in events:
            if one.event.type.startswith(_RUN):
                metrics.runs.labels(one.event.type.removeprefix(_RUN)).inc()

    return stored
