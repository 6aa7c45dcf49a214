from __future__ import annotations

from dataclasses import dataclass

from automations.turn import SPAN, Counts
from base.time import SECOND

NOW = 1_893_456_000 * SECOND


@dataclass
class Transaction:
    now: int = NOW


def test_so_many_firings_a_minute_and_no_more():
    counts = Counts()
    turn = counts.turn(Transaction())
    assert [counts.may_fire(turn, "a", 2) for _ in range(3)] == [True, True, False]
    assert counts.may_fire(turn, "b", 2)


def test_what_a_transaction_counted_is_forgotten_when_it_is_run_again():
    counts = Counts()
    for _ in range(5):
        turn = counts.turn(Transaction())
        assert counts.may_fire(turn, "a", 1)
    counts.keep()
    assert not counts.may_fire(counts.turn(Transaction()), "a", 1)


def test_the_minute_slides_and_its_bound_belongs_to_it():
    counts = Counts()
    assert counts.may_fire(counts.turn(Transaction()), "a", 1)
    counts.keep()
    assert not counts.may_fire(counts.turn(Transaction(NOW + SPAN)), "a", 1)
    assert counts.may_fire(counts.turn(Transaction(NOW + SPAN + 1)), "a", 1)


def test_a_rule_that_is_resumed_counts_afresh():
    counts = Counts()
    counts.may_fire(counts.turn(Transaction()), "a", 1)
    counts.keep()
    counts.forget("a")
    assert counts.may_fire(counts.turn(Transaction()), "a", 1)


def test_errors_are_told_once_a_minute_for_each_rule():
    counts = Counts()
    turn = counts.turn(Transaction())
    assert counts.may_tell(turn, "a")
    assert not counts.may_tell(turn, "a")
    assert counts.may_tell(turn, "b")
    counts.keep()
    assert not counts.may_tell(counts.turn(Transaction(NOW + SPAN - 1)), "a")
    assert counts.may_tell(counts.turn(Transaction(NOW + SPAN)), "a")


def test_a_clock_that_is_set_back_does_not_silence_errors():
    counts = Counts()
    counts.may_tell(counts.turn(Transaction()), "a")
    counts.keep()
    assert counts.may_tell(counts.turn(Transaction(NOW - 3_600 * SECOND)), "a")


def test_there_is_nothing_to_keep_where_nothing_was_counted():
    assert Counts().keep() is None
