"""What follows from an attempt to send: done, tried again at a time, or given up."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from automations.backoff import is_final, next_attempt
from automations.call import Response, Unsent
from automations.call_action import Call
from automations.notify import Delivery
from automations.outbox import Claimed
from base.time import Micros


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Again:
    due: Micros
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    code: str
    message: str


Verdict = Done | Again | GivenUp


def judge(
    action: Claimed, call: Call, outcome: Response | Unsent, now: Micros, rng: Random
) -> Verdict:
    """What follows from one attempt.

    An answer that would be the same again (most of 4xx, a redirect, a success other than the
    one expected) is final; no answer, 408, 425, 429 and 5xx are tried again for a day.
    """
    not_before = 0
    if isinstance(outcome, Response):
        if call.succeeds(outcome.status):
            return Done()
        status = outcome.status
        code, message = f"status_{status}", f"it was answered with {status}"
        if is_final(status):
            return GivenUp(code, message)
        not_before = outcome.retry_after or 0
    else:
        code, message = outcome.code, outcome.message
        if outcome.hopeless:
            return GivenUp(code, message)
    return _again(action, code, message, now, rng, not_before)


def judge_delivery(action: Claimed, delivery: Delivery, now: Micros, rng: Random) -> Verdict:
    """The same of a notification: done when every address took it."""
    refused = delivery.refused
    if refused is None:
        return Done()
    if refused.is_final:
        return GivenUp(refused.code, refused.message)
    return _again(action, refused.code, refused.message, now, rng)


def _again(
    action: Claimed, code: str, message: str, now: Micros, rng: Random, not_before: Micros = 0
) -> Again | GivenUp:
    due = next_attempt(action.attempts, now, rng, since=action.since, not_before=not_before)
    return GivenUp(code, message) if due is None else Again(due, code, message)
