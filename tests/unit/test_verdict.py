from __future__ import annotations

from random import Random

import pytest

from automations.backoff import GIVE_UP_AFTER, bound
from automations.call import Response, Unsent
from automations.call_action import Call
from automations.notices import Chain
from automations.outbox import Claimed
from automations.verdict import Again, Done, GivenUp, judge
from base.time import SECOND

NOW = 1_893_456_000 * SECOND


def verdict(outcome, *, expect=(), attempts=1, since=NOW):
    call = Call("POST", "https://example.com", (), None, SECOND, expect)
    action = Claimed(
        id="f.0",
        automation="a",
        firing="f",
        kind="call",
        target="https://example.com:443",
        request={},
        attempts=attempts,
        since=since,
        lease=NOW,
        chain=Chain("c", "e", 1),
    )
    return judge(action, call, outcome, NOW, Random(1))


def answered(status, **fields):
    return Response(status, "", "", **fields)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_success(status):
    assert verdict(answered(status)) == Done()


def test_what_is_expected_is_a_success_and_nothing_else_is():
    assert verdict(answered(404), expect=(200, 404)) == Done()
    assert isinstance(verdict(answered(202), expect=(200,)), GivenUp)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 409, 410, 422, 451])
def test_an_answer_that_would_be_the_same_again_is_final(status):
    given_up = verdict(answered(status))
    assert isinstance(given_up, GivenUp)
    assert given_up.code == f"status_{status}"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again_within_its_bound(status):
    again = verdict(answered(status), attempts=5)
    assert isinstance(again, Again)
    assert NOW <= again.due <= NOW + bound(5)


def test_the_time_that_was_asked_for_is_kept():
    assert verdict(answered(503, retry_after=NOW + 300 * SECOND)).due == NOW + 300 * SECOND


def test_a_time_that_lies_beyond_the_day_is_the_end():
    later = answered(429, retry_after=NOW + GIVE_UP_AFTER + 1)
    assert isinstance(verdict(later), GivenUp)


def test_no_answer_is_tried_again_for_a_day():
    assert isinstance(verdict(Unsent("timeout", "")), Again)
    assert isinstance(verdict(Unsent("timeout", ""), since=NOW - GIVE_UP_AFTER - 1), GivenUp)


def test_what_is_hopeless_is_not_tried_again():
    assert verdict(Unsent("address_forbidden", "no", hopeless=True)) == GivenUp(
        "address_forbidden", "no"
    )
