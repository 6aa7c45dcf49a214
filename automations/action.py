"""Actions: what a rule does when it fires.

An action is declared in the rule and rendered for a firing. Rendering decides nothing and
does nothing: it gives the run, the event, the request or the change that is asked for, or says
why there is none. Actions of one firing are independent of each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from automations.call_action import Call, CallAction
from automations.emit_action import Emission, EmitAction
from automations.foreign_words import action_meant, advised
from automations.notify_action import Notification, NotifyAction
from automations.outcome import ActionFailure, Skipped
from automations.run_action import Launch, RunAction
from automations.steer_action import SteerAction, Steering
from base.errors import ConfigurationError
from base.fields import Complaints, described
from base.place import within
from base.suggest import hint
from events.expression import ACTION, Activation, EvaluationError, Expression, Failure

Deed = RunAction | EmitAction | CallAction | NotifyAction | SteerAction
Rendered = Launch | Emission | Call | Notification | Steering | Skipped | ActionFailure

KINDS: Mapping[str, type[Deed]] = {
    "run": RunAction,
    "emit": EmitAction,
    "call": CallAction,
    "notify": NotifyAction,
    "cancel": SteerAction,
    "pause": SteerAction,
    "resume": SteerAction,
    "retry": SteerAction,
}
KINDS_TO_COME = ("publish",)
"""Actions that the language has and this version does not."""


@dataclass(frozen=True, slots=True)
class Action:
    """One entry of `actions`, compiled: a deed, and the `if` it depends on."""

    kind: str
    deed: Deed
    condition: Expression | None
    place: str

    def render(self, activation: Activation) -> Rendered:
        """What it asks for in this firing. Never raises for what the event holds."""
        if self.condition is not None:
            holds = self.condition.holds(activation)
            if isinstance(holds, Failure):
                return self._failure(ActionFailure(holds.code, holds.message, "if"))
            if not holds:
                return Skipped()
        try:
            rendered = self.deed.render(activation)
        except EvaluationError as error:
            return ActionFailure.of(error)
        return self._failure(rendered) if isinstance(rendered, ActionFailure) else rendered

    def _failure(self, failure: ActionFailure) -> ActionFailure:
        return replace(failure, place=within(self.place, failure.place or ""))


def parse_actions(form: Any, place: str, complaints: Complaints) -> tuple[Action, ...]:
    """The actions of a rule, as far as they are in order."""
    if not isinstance(form, list) or not form:
        complaints.add(
            place if form is not None else "",
            "a rule has a list of at least one action"
            + ("" if form is None else f", not {described(form) if form else 'an empty list'}"),
            hint="- run: my-flow",
        )
        return ()
    actions = []
    for number, entry in enumerate(form):
        with complaints.kept():
            if action := _parse_one(entry, within(place, number), complaints):
                actions.append(action)
    return tuple(actions)


def _parse_one(entry: Any, place: str, complaints: Complaints) -> Action | None:
    kind = _kind(entry, place)
    condition = None
    with complaints.kept():
        if entry.get("if") is not None:
            condition = Expression.condition(entry["if"], scope=ACTION, place=within(place, "if"))
    before = len(complaints.found)
    deed = KINDS[kind].parse(entry, place, complaints)
    complaints.found[before:] = [advised(one, entry, place) for one in complaints.found[before:]]
    return None if deed is None else Action(kind, deed, condition, place)


def _kind(entry: Any, place: str) -> str:
    """Which action it is. Raises ConfigurationError."""
    if not isinstance(entry, dict):
        raise ConfigurationError(
            f"an action is a map such as `run: my-flow`, not {described(entry)}",
            code="rule_invalid",
            place=place,
            hint="- run: my-flow",
        )
    found: list[str] = [name for name in entry if name in KINDS or name in KINDS_TO_COME]
    if len(found) > 1:
        raise ConfigurationError(
            f"one action does one thing, and this has `{'` and `'.join(found)}`",
            code="rule_invalid",
            place=place,
            hint="begin each with a dash of its own",
        )
    if not found:
        meant = action_meant(entry) or next(
            (advice for name in entry if (advice := hint(name, KINDS))), None
        )
        raise ConfigurationError(
            f"an action is one of {', '.join(KINDS)}",
            code="rule_invalid",
            place=place,
            hint=meant,
        )
    if found[0] in KINDS_TO_COME:
        raise ConfigurationError(
            f"the action `{found[0]}` is not supported by this version",
            code="not_supported",
            place=within(place, found[0]),
            hint=f"there are {', '.join(KINDS)}",
        )
    return found[0]
