from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from base.metrics import Metrics


def test_what_is_counted_is_exported() -> None:
    metrics = Metrics()
    metrics.events_accepted.labels("webhook").inc(3)
    metrics.journal_batch_events.observe(7)
    text = metrics.render().decode()
    assert 'ensue_events_accepted_total{source_kind="webhook"} 3.0' in text
    assert "ensue_journal_batch_events_sum 7.0" in text


def test_two_services_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.runs.labels("completed").inc()
    assert "completed" in first.render().decode()
    assert "completed" not in second.render().decode()


def test_every_metric_is_named_for_the_service_and_explained() -> None:
    metrics = [m for m in vars(Metrics()).values() if isinstance(m, Counter | Gauge | Histogram)]
    assert len(metrics) > 20
    for metric in metrics:
        described = metric.describe()[0]
        assert described.name.startswith("ensue_")
        assert described.documentation.endswith(".")


def test_figures_of_the_process_are_there_when_asked_for() -> None:
    assert "process_resident_memory_bytes" in Metrics(process=True).render().decode()
    assert "process_resident_memory_bytes" not in Metrics().render().decode()
