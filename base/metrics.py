"""All metrics, defined and explained in one place.

The composition root makes one `Metrics` and hands it to whoever counts; there is no global
registry. An increment costs about a microsecond, so that what is hot counts once a batch:

    metrics.events_accepted.labels("webhook").inc(len(batch))

Labels never carry what the outside world chooses freely (event types, subjects, URLs), since
each new value is a new series for ever. Names of rules, flows and hooks are chosen by the
operator and are few.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_FAST: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400)
_SIZES: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500)


class Metrics:
    """Every figure the service exports under `/metrics`; times are in seconds."""

    def __init__(self, *, process: bool = False) -> None:
        """With `process`, figures of this operating-system process and of Python too."""
        self.registry = CollectorRegistry()
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)
        self._intake()
        self._journal()
        self._rules()
        self._runs()
        self._face()

    def render(self) -> bytes:
        """The exposition in Prometheus' text format; its type is `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def _intake(self) -> None:
        self.events_accepted = self._counter(
            "ensue_events_accepted",
            "Events stored for the first time, by where they came from "
            "(api, webhook, kafka, sdk, service).",
            "source_kind",
        )
        self.events_duplicate = self._counter(
            "ensue_events_duplicate",
            "Events that were known already and changed nothing.",
            "source_kind",
        )
        self.events_rejected = self._counter(
            "ensue_events_rejected",
            "Requests or records that did not become events, by the code they were answered.",
            "code",
        )
        self.hook_deliveries = self._counter(
            "ensue_hook_deliveries",
            "Deliveries to a webhook (accepted, duplicate, rejected).",
            "hook",
            "outcome",
        )

    def _journal(self) -> None:
        self.journal_commit_seconds = self._histogram(
            "ensue_journal_commit_seconds",
            "One transaction of the journal: from its first statement to the end of the commit.",
            _FAST,
        )
        self.journal_wait_seconds = self._histogram(
            "ensue_journal_wait_seconds",
            "The longest wait of a change in a batch: from being handed in to being committed.",
            _FAST,
        )
        self.journal_batch_events = self._histogram(
            "ensue_journal_batch_events", "Events in one transaction of the journal.", _SIZES
        )
        self.journal_waiting_bytes = self._gauge(
            "ensue_journal_waiting_bytes",
            "Bytes from outside handed to the journal and not yet committed; what comes beyond "
            "their limit is answered with 503.",
        )
        self.journal_failures = self._counter(
            "ensue_journal_failures",
            "Transactions that did not commit, by reason (data, again, unavailable, unknown, fatal).",
            "reason",
        )
        self.log_position = self._gauge(
            "ensue_log_position", "Position of the newest event in the log."
        )
        self.retention_deleted = self._counter(
            "ensue_retention_deleted",
            "Rows removed for their age, by kind (events, deliveries, seen, firings, runs, logs ...).",
            "kind",
        )

    def _rules(self) -> None:
        self.rules = self._gauge(
            "ensue_automations",
            "Automations, by status (active, paused, disabled, invalid).",
            "status",
        )
        self.firings = self._counter(
            "ensue_firings",
            "Firings of an automation, by outcome"
            " (acted, shadow, suppressed, looped, gathered, resolved).",
            "automation",
            "outcome",
        )
        self.evaluation_errors = self._counter(
            "ensue_evaluation_errors",
            "Conditions that could not be evaluated for an event; they count as not met.",
            "automation",
        )
        self.actions = self._counter(
            "ensue_actions",
            "Actions by kind (run, emit, call, ...) and outcome "
            "(succeeded, skipped, retried, failed, dead).",
            "kind",
            "outcome",
        )
        self.action_seconds = self._histogram(
            "ensue_action_seconds",
            "One attempt of an action that leaves the service, by kind.",
            (*_FAST, 10, 30),
            "kind",
        )
        self.outbox_waiting = self._gauge(
            "ensue_outbox_waiting", "Actions in the outbox that are due or will be tried again."
        )
        self.outbox_dead = self._gauge(
            "ensue_outbox_dead", "Actions given up; `ensue dead ls` shows them."
        )

    def _runs(self) -> None:
        self.runs = self._counter(
            "ensue_runs", "Runs that entered a state, by that state.", "state"
        )
        self.runs_active = self._gauge(
            "ensue_runs_active", "Runs that are not over, by their state.", "state"
        )
        self.launch_seconds = self._histogram(
            "ensue_launch_seconds",
            "From a run being due to its start.",
            _FAST,
        )
        self.run_seconds = self._histogram(
            "ensue_run_seconds",
            "How long an attempt of a run took, from its start to its end.",
            _SLOW,
            "flow",
        )
        self.workers_online = self._gauge(
            "ensue_workers_online", "Workers with a live heartbeat.", "pool"
        )

    def _face(self) -> None:
        self.http_request_seconds = self._histogram(
            "ensue_http_request_seconds",
            "One HTTP request, by route (its pattern, not its path), method and status class.",
            _FAST,
            "route",
            "method",
            "status",
        )
        self.stream_clients = self._gauge(
            "ensue_stream_clients", "Clients that follow the live stream."
        )
        self.stream_dropped = self._counter(
            "ensue_stream_dropped", "Clients cut off because they did not read fast enough."
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, meaning, labels, registry=self.registry, buckets=buckets)
