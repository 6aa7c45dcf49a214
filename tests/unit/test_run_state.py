"""The state machine of runs, by example and by property."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.run import OWNED, TERMINAL, WAITING, Run, RunState
from engine.state import (
    Cancel,
    Claim,
    Delay,
    End,
    Lose,
    Pause,
    Refused,
    Release,
    Resume,
    Retry,
    Skip,
    Start,
    Step,
    advance,
    begin,
)

T0 = 1_900_000_000_000_000
SECOND = 1_000_000


def fresh(**changes):
    return replace(
        Run(id="r1", flow="triage", due=T0, scheduled=T0, correlationid="c", last_event="cause"),
        **changes,
    )


def steps(run, *signals, now=T0):
    for signal in signals:
        step = advance(run, signal, now)
        assert isinstance(step, Step), step
        run = step.run
    return run


CLAIM = Claim("w1", T0 + 30 * SECOND)


def test_a_run_goes_from_scheduled_to_completed():
    run = steps(
        fresh(), CLAIM, Start(1), End(1, "completed", result='{"ok":true}'), now=T0 + SECOND
    )
    assert run.state is RunState.COMPLETED
    assert run.attempt == 1
    assert run.worker is None
    assert run.lease_until is None
    assert run.result == '{"ok":true}'


def test_the_chain_of_events_is_unbroken():
    first = begin(fresh(), T0)
    assert first.event.causationid == "cause"
    second = advance(first.run, CLAIM, T0)
    assert isinstance(second, Step)
    assert second.event.causationid == first.event.id
    assert second.event.data["previous"] == "scheduled"
    assert second.event.type == "ensue.run.pending"
    assert second.event.source == "/flows/triage"
    assert second.event.subject == "r1"


def test_a_transaction_that_is_run_again_tells_the_same_event():
    once, again = begin(fresh(), T0), begin(fresh(), T0)
    assert once.event.id == again.event.id


def test_a_run_is_not_claimed_before_it_is_due():
    assert isinstance(advance(fresh(due=T0 + 1), CLAIM, T0), Refused)


def test_an_older_attempt_cannot_write():
    run = steps(fresh(retries=1), CLAIM, Start(1), Lose("gone"))
    run = steps(run, Claim("w2", T0), Start(2))
    for stale in (Start(1), End(1, "completed"), Release(1)):
        refused = advance(run, stale, T0)
        assert isinstance(refused, Refused)
        assert "attempt 1 is over" in refused.reason


def test_a_failure_with_retries_left_waits_its_delay_and_the_last_delay_serves_for_the_rest():
    run = fresh(retries=3, retry_delays=(SECOND, 10 * SECOND))
    waits = []
    for attempt in (1, 2, 3):
        run = steps(run, CLAIM, Start(attempt), End(attempt, "failed"), now=run.due)
        waits.append(run.due - (run.ended or 0))
    assert run.state is RunState.RETRYING
    assert waits == [SECOND, 10 * SECOND, 10 * SECOND]
    run = steps(run, CLAIM, Start(4), End(4, "failed", message="again"), now=run.due)
    assert run.state is RunState.FAILED
    assert run.message == "again"


def test_wrong_parameters_are_not_tried_again():
    run = steps(fresh(retries=3), CLAIM, Start(1), End(1, "failed", code="parameters_invalid"))
    assert run.state is RunState.FAILED


def test_a_run_that_never_started_goes_back_to_the_queue_when_its_worker_is_lost():
    run = steps(fresh(), CLAIM, Lose("gone"))
    assert run.state is RunState.SCHEDULED
    assert run.worker is None
    assert steps(run, CLAIM).attempt == 2


def test_a_run_that_had_started_has_crashed_when_its_worker_is_lost():
    run = steps(fresh(), CLAIM, Start(1), Lose("its worker w1 was lost"))
    assert run.state is RunState.CRASHED
    assert run.message == "its worker w1 was lost"


def test_cancelling_what_waits_ends_it_at_once():
    assert steps(fresh(), Cancel("by ann")).state is RunState.CANCELLED
    assert steps(fresh(), Pause(), Cancel()).state is RunState.CANCELLED


@pytest.mark.parametrize("outcome", ["failed", "crashed", "timed_out", "cancelled"])
def test_cancelling_what_runs_ends_as_cancelled_however_it_dies(outcome):
    run = steps(fresh(retries=5), CLAIM, Start(1), Cancel("by ann"))
    assert run.state is RunState.CANCELLING
    run = steps(run, End(1, outcome, message="killed"))
    assert run.state is RunState.CANCELLED
    assert run.message == "by ann"


def test_a_run_that_completed_before_it_could_be_cancelled_has_completed():
    run = steps(fresh(), CLAIM, Start(1), Cancel(), End(1, "completed"))
    assert run.state is RunState.COMPLETED


def test_a_cancelled_claim_can_no_longer_start():
    run = steps(fresh(), CLAIM, Cancel())
    assert isinstance(advance(run, Start(1), T0), Refused)
    assert steps(run, End(1, "cancelled")).state is RunState.CANCELLED


def test_a_person_retries_a_finished_run_as_a_new_attempt_with_its_retries_restored():
    run = steps(fresh(retries=1), CLAIM, Start(1), End(1, "failed"), CLAIM, Start(2))
    run = steps(run, End(2, "failed"), Retry(), now=T0 + SECOND)
    assert (run.state, run.retried, run.due) == (RunState.SCHEDULED, 0, T0 + SECOND)
    assert run.message is None
    assert steps(run, CLAIM, now=T0 + SECOND).attempt == 3


def test_resuming_tells_of_the_resumption():
    step = advance(steps(fresh(), Pause()), Resume(), T0)
    assert isinstance(step, Step)
    assert step.event.type == "ensue.run.resumed"
    assert step.run.state is RunState.SCHEDULED


def test_large_parameters_are_shown_by_reference():
    run = fresh(parameters='{"text":"' + "x" * 10_000 + '"}')
    assert begin(run, T0).event.data["parameters"] == {"$ref": "/api/runs/r1"}


signals = st.one_of(
    st.builds(Claim, st.just("w"), st.integers(T0, T0 + 100)),
    st.builds(Start, st.integers(0, 4)),
    st.builds(Release, st.integers(0, 4)),
    st.builds(
        End,
        st.integers(0, 4),
        st.sampled_from(["completed", "failed", "timed_out", "crashed", "cancelled"]),
    ),
    st.builds(Lose, st.just("lost")),
    st.builds(Delay),
    st.builds(Cancel),
    st.builds(Pause),
    st.builds(Resume),
    st.builds(Skip, st.just("limit")),
    st.builds(Retry),
)


@given(st.lists(signals, max_size=40), st.integers(0, 3))
def test_whatever_happens_the_machine_keeps_its_guarantees(story, retries):
    run, now = begin(fresh(retries=retries), T0).run, T0
    for signal in story:
        now += SECOND
        step = advance(run, signal, now)
        if isinstance(step, Refused):
            assert step.run is run
            continue
        after = step.run
        assert after.revision == run.revision + 1
        assert step.event.causationid == run.last_event
        assert after.last_event == step.event.id
        if run.state in TERMINAL:
            assert isinstance(signal, Retry)
            assert after.state is RunState.SCHEDULED
        rise = 1 if isinstance(signal, Claim) else 0
        assert after.attempt == run.attempt + rise
        assert (after.worker is not None) == (after.state in OWNED)
        assert (after.lease_until is not None) == (after.state in OWNED)
        assert 0 <= after.retried <= retries
        if isinstance(signal, Start | End | Release):
            assert signal.attempt == run.attempt
        if after.state is RunState.RUNNING:
            assert after.started is not None
        if after.state in TERMINAL:
            assert after.ended == now
        run = after


@given(st.lists(signals, max_size=30))
def test_a_run_is_claimed_only_when_it_waits(story):
    run = fresh()
    for signal in story:
        step = advance(run, signal, T0)
        if isinstance(step, Step) and isinstance(signal, Claim):
            assert run.state in WAITING
            assert run.due <= T0
        run = step.run
