"""Builds broken on purpose: to see that a schedule would tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from automations.rule import Rule
from triggers.absence import Absence
from triggers.count import Count
from triggers.sequence import Sequence
from triggers.window import Tick, WindowState
from triggers.windows import WindowRows, Windows

Patch = Callable[[object, str, Any], None]
"""As `monkeypatch.setattr`."""


def a_count_that_does_not_start_afresh(patch: Patch) -> None:
    advance = Count.advance

    def stale(self: Count, state: WindowState, told: Any, now: int) -> Any:
        step = advance(self, state, told, now)
        return step if step.fired is None else _with(step, members=state.members)

    patch(Count, "advance", stale)


def a_silence_that_is_told_again(patch: Patch) -> None:
    advance = Absence.advance

    def nagging(self: Absence, state: WindowState, told: Any, now: int) -> Any:
        step = advance(self, state, told, now)
        if isinstance(told, Tick) and step.fired is not None:
            return _with(step, due=told.due + self.span)
        return step

    patch(Absence, "advance", nagging)


def a_restart_that_loses_the_newest_member(patch: Patch) -> None:
    read = WindowRows._read

    async def forgetful(self: WindowRows, keys: Any) -> Any:
        return {
            key: replace(one, state=replace(one.state, members=one.state.members[:-1]))
            for key, one in (await read(self, keys)).items()
        }

    patch(WindowRows, "_read", forgetful)


def a_sequence_that_takes_what_is_too_late(patch: Patch) -> None:
    advance = Sequence.advance

    def patient(self: Sequence, state: WindowState, told: Any, now: int) -> Any:
        return advance(self, replace(state, newest=None), told, now)

    patch(Sequence, "advance", patient)


def an_edit_that_keeps_what_meant_something_else(patch: Patch) -> None:
    async def kept(_self: Windows, _tx: Any, _automations: Any) -> None:
        return None

    patch(Windows, "drop", kept)


def an_edit_that_forgets_what_means_the_same(patch: Patch) -> None:
    patch(Rule, "trigger_digest", Rule.digest)


def _with(step: Any, **fields: Any) -> Any:
    state = replace(step.state, **fields)
    return step._replace(state=state) if hasattr(step, "_replace") else replace(step, state=state)


BREAKS: Mapping[Callable[[Patch], None], str] = {
    a_count_that_does_not_start_afresh: "count",
    a_silence_that_is_told_again: "absent",
    a_restart_that_loses_the_newest_member: "sequence",
    a_sequence_that_takes_what_is_too_late: "sequence",
    an_edit_that_keeps_what_meant_something_else: "absent",
    an_edit_that_forgets_what_means_the_same: "aggregate",
}
"""Each with a kind of schedule that tells."""
