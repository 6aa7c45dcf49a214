"""What may become of a run: a state machine without I/O and without a clock.

                          ┌──────────── Release, Lose ────────────┐
                          ▼                                       │
    (start) ───▶ scheduled ── Delay ──▶ late ──┬── Claim ──▶ pending ── Start ──▶ running
                  │     ▲                │     │                │                  │
                Pause   │              Pause   │              Cancel            End, Lose
                  ▼   Resume             ▼     │                ▼                  ▼
                 paused ┘             paused   │            cancelling       completed, failed,
                                               │                │            timed_out, crashed,
                             retrying ── Claim ┘            End, Lose        cancelled
                                ▲                               ▼
                                │                           cancelled
                                └──── failed, timed_out or crashed, with retries left

`Cancel` ends what waits (scheduled, late, retrying, paused) at once and turns what is owned
(pending, running) into cancelling. `Skip` ends what waits as skipped. `Retry` is the way
out of every terminal state, for a person or a rule, back to scheduled; there is no other.

Guarantees, pinned by property tests: each transition yields exactly one event; the attempt
rises with each claim and never falls; what a worker reports counts only for the attempt it
claimed (fencing); a run that was never started is never given up because its worker was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, assert_never

from base.time import Micros
from engine.run import TERMINAL, WAITING, Run, RunState, told
from events.event import Event

HOPELESS = frozenset({"parameters_invalid"})
"""Failures that another attempt would only repeat."""

Outcome: TypeAlias = Literal["completed", "failed", "timed_out", "crashed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker takes a run that is due, until `lease_until`."""

    worker: str
    lease_until: Micros


@dataclass(frozen=True, slots=True)
class Start:
    """The process is there; user code runs only after this is on disk."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Release:
    """The worker gives back a run whose user code it never started."""

    attempt: int


@dataclass(frozen=True, slots=True)
class End:
    """The attempt is over."""

    attempt: int
    outcome: Outcome
    message: str | None = None
    code: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Lose:
    """The owner is gone, and its processes with it."""

    message: str


@dataclass(frozen=True, slots=True)
class Delay:
    """It should have started by now."""


@dataclass(frozen=True, slots=True)
class Cancel:
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    pass


@dataclass(frozen=True, slots=True)
class Resume:
    pass


@dataclass(frozen=True, slots=True)
class Skip:
    message: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Somebody wants it done again: a new attempt of the same run, with its retries restored."""


Signal: TypeAlias = (
    Claim | Start | Release | End | Lose | Delay | Cancel | Pause | Resume | Skip | Retry
)


@dataclass(frozen=True, slots=True)
class Step:
    """The run as it is now, and the one event that says so."""

    run: Run
    event: Event


@dataclass(frozen=True, slots=True)
class Refused:
    """The signal means nothing in this state (or comes from an attempt that is over)."""

    run: Run
    reason: str


def advance(run: Run, signal: Signal, now: Micros) -> Step | Refused:
    """What the signal makes of the run."""
    changed = _next(run, signal, now)
    if isinstance(changed, str):
        return Refused(run, changed)
    kind = "resumed" if isinstance(signal, Resume) else changed.state.value
    following, event = told(replace(changed, revision=run.revision + 1), kind, run.state, now)
    return Step(following, event)


def already(run: Run, signal: Start | End) -> bool:
    """Whether the run is where the signal would lead: it was sent again after an unknown outcome."""
    if run.attempt != signal.attempt:
        return False
    if isinstance(signal, Start):
        return run.state is RunState.RUNNING
    return run.state in TERMINAL or run.state is RunState.RETRYING


def begin(run: Run, now: Micros) -> Step:
    """The first transition: the run comes to be, and its event says `scheduled`."""
    following, event = told(run, RunState.SCHEDULED.value, None, now)
    return Step(following, event)


def _next(run: Run, signal: Signal, now: Micros) -> Run | str:
    """The changed run, or why nothing changes."""
    match signal:
        case Claim():
            return _claimed(run, signal, now)
        case Start() | Release() | End() if signal.attempt != run.attempt:
            return f"attempt {signal.attempt} is over: the run is at attempt {run.attempt}"
        case Start():
            if run.state is not RunState.PENDING:
                return _not_possible(run, "start")
            return replace(run, state=RunState.RUNNING, started=now)
        case Release():
            return (
                _given_back(run) if run.state is RunState.PENDING else _not_possible(run, "go back")
            )
        case End():
            return _ended(run, signal, now)
        case Lose():
            return _lost(run, signal, now)
        case Delay():
            if run.state is not RunState.SCHEDULED:
                return _not_possible(run, "be late")
            return replace(run, state=RunState.LATE)
        case Cancel():
            return _cancelled(run, signal, now)
        case Pause():
            if run.state not in WAITING:
                return _not_possible(run, "be paused")
            return replace(run, state=RunState.PAUSED)
        case Resume():
            if run.state is not RunState.PAUSED:
                return _not_possible(run, "be resumed")
            return replace(run, state=RunState.SCHEDULED, due=max(run.due, now))
        case Skip():
            if run.state not in WAITING:
                return _not_possible(run, "be skipped")
            return _over(run, RunState.SKIPPED, now, message=signal.message)
        case Retry():
            if run.state not in TERMINAL:
                return _not_possible(run, "be retried")
            return replace(_fresh(run), state=RunState.SCHEDULED, due=now, retried=0)
        case _:
            assert_never(signal)


def _claimed(run: Run, claim: Claim, now: Micros) -> Run | str:
    if run.state not in WAITING or run.due > now:
        return _not_possible(run, "be claimed")
    return replace(
        _fresh(run),
        state=RunState.PENDING,
        attempt=run.attempt + 1,
        worker=claim.worker,
        lease_until=claim.lease_until,
    )


def _ended(run: Run, end: End, now: Micros) -> Run | str:
    if run.state is RunState.CANCELLING:
        if end.outcome == "completed":
            return _over(run, RunState.COMPLETED, now, result=end.result)
        return _over(run, RunState.CANCELLED, now, message=run.message)
    if run.state not in (RunState.PENDING, RunState.RUNNING):
        return _not_possible(run, "end")
    outcome = RunState(end.outcome)
    if outcome in (RunState.COMPLETED, RunState.CANCELLED):
        return _over(run, outcome, now, message=end.message, code=end.code, result=end.result)
    return _failed(run, outcome, now, message=end.message, code=end.code)


def _lost(run: Run, lost: Lose, now: Micros) -> Run | str:
    match run.state:
        case RunState.PENDING:
            return _given_back(run)
        case RunState.RUNNING:
            return _failed(run, RunState.CRASHED, now, message=lost.message)
        case RunState.CANCELLING:
            return _over(run, RunState.CANCELLED, now, message=run.message or lost.message)
        case _:
            return _not_possible(run, "be lost")


def _cancelled(run: Run, cancel: Cancel, now: Micros) -> Run | str:
    if run.state in WAITING or run.state is RunState.PAUSED:
        return _over(run, RunState.CANCELLED, now, message=cancel.message)
    if run.state in (RunState.PENDING, RunState.RUNNING):
        return replace(run, state=RunState.CANCELLING, message=cancel.message)
    return _not_possible(run, "be cancelled")


def _failed(
    run: Run, outcome: RunState, now: Micros, *, message: str | None, code: str | None = None
) -> Run:
    over = _over(run, outcome, now, message=message, code=code)
    if run.retried >= run.retries or code in HOPELESS:
        return over
    return replace(
        over, state=RunState.RETRYING, due=now + run.retry_delay, retried=run.retried + 1
    )


def _over(
    run: Run,
    state: RunState,
    now: Micros,
    *,
    message: str | None = None,
    code: str | None = None,
    result: str | None = None,
) -> Run:
    return replace(
        run,
        state=state,
        ended=now,
        message=message,
        code=code,
        result=result,
        worker=None,
        lease_until=None,
    )


def _given_back(run: Run) -> Run:
    return replace(_fresh(run), state=RunState.SCHEDULED)


def _fresh(run: Run) -> Run:
    """Without what the last attempt left behind."""
    return replace(
        run,
        worker=None,
        lease_until=None,
        started=None,
        ended=None,
        message=None,
        code=None,
        result=None,
    )


def _not_possible(run: Run, verb: str) -> str:
    return f"a run that is {run.state.value} cannot {verb}"
