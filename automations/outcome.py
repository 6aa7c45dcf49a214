"""What came of rendering an action, besides what it asks for."""

from __future__ import annotations

from dataclasses import dataclass

from events.expression import EvaluationError


@dataclass(frozen=True, slots=True)
class Skipped:
    """The action's `if` was false."""


@dataclass(frozen=True, slots=True)
class ActionFailure:
    """The action could not be made ready; the other actions of the firing go on.

    `code` is that of an evaluation error (`field_missing` …) or says what is wrong with the
    result (`url_invalid`, `header_invalid`, `time_invalid` …); `place` is the field.
    """

    code: str
    message: str
    place: str | None = None

    @classmethod
    def of(cls, error: EvaluationError) -> ActionFailure:
        return cls(error.code, error.message, error.place)
