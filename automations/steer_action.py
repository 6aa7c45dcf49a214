"""`cancel`, `pause`, `resume`, `retry`: what is done to runs, flows and rules that are there.

    - cancel: {run: "${event.data.run}"}
    - cancel: {flow: build-branch}      # the runs of it that have not ended
    - pause: {automation: nightly-import}
    - retry: {}                         # the run that the event tells of

What would have no effect, such as cancelling a run that has ended, is skipped, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from automations.outcome import ActionFailure
from base.fields import Complaints, Fields, described
from base.place import within
from events.expression import ACTION, Activation, EvaluationError
from events.template import Template

Verb = Literal["cancel", "pause", "resume", "retry"]
What = Literal["run", "flow", "automation"]

OBJECTS: Final[Mapping[str, tuple[What, ...]]] = {
    "cancel": ("run", "flow", "automation"),
    "pause": ("run", "flow", "automation"),
    "resume": ("run", "flow", "automation"),
    "retry": ("run",),
}
"""What each may be done to."""

MAX_NAME: Final = 1_024
INFERRED: Final = 'event.type.startsWith("ensue.run.") ? event.subject : event.data.run'
"""The run that an event tells of: of the events of runs, and of those of their tasks."""


@dataclass(frozen=True, slots=True)
class Steering:
    """What a firing asks to be done, and to what: the id of a run, the name of a flow or a rule."""

    verb: Verb
    what: What
    name: str

    def __str__(self) -> str:
        return f"{self.what} {self.name}"

    def pauses(self, automation: str) -> bool:
        """Whether it pauses this rule."""
        return self == Steering("pause", "automation", automation)


@dataclass(frozen=True, slots=True)
class SteerAction:
    """One of the four, compiled. Where nothing is named it is the run that the event tells of."""

    verb: Verb
    what: What
    name: Template
    is_named: bool

    @classmethod
    def parse(
        cls, form: Mapping[str, Any], place: str, complaints: Complaints
    ) -> SteerAction | None:
        """None where something was complained about."""
        before = len(complaints.found)
        verb = next(one for one in OBJECTS if one in form)
        fields = Fields(form, place, complaints, (verb, "if"))
        given = {} if form[verb] is None else form[verb]
        if not isinstance(given, dict):
            fields.complain(
                verb,
                f"must be a map such as {{run: …}}, not {described(given)}",
                f"`{verb}: {{}}` is the run that the event tells of",
            )
            return None
        what, name = _named(verb, given, fields, complaints)
        templates = []
        with complaints.kept():
            here = within(fields.at(verb), what)
            templates.append(Template.compile(name, scope=ACTION, place=here))
        if len(complaints.found) > before:
            return None
        return cls(cast("Verb", verb), what, templates[0], bool(given))

    @property
    def literal(self) -> str | None:
        """The name, where it does not depend on the event."""
        return str(self.name.source) if self.name.is_literal else None

    def spelled(self) -> str:
        """What it is done to, as the rule spells it."""
        return f"{self.what} {self.name.source}" if self.is_named else "run"

    def render(self, activation: Activation) -> Steering | ActionFailure:
        """Raises EvaluationError."""
        try:
            name = self.name.render(activation)
        except EvaluationError:
            if self.is_named:
                raise
            name = None
        if not self.is_named and not (isinstance(name, str) and name):
            return ActionFailure(
                "run_not_named", "the event tells of no run, and the action names none", self.verb
            )
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
            return ActionFailure(
                "name_invalid",
                f"{described(name)} names no {self.what}",
                f"{self.verb}.{self.what}",
            )
        return Steering(self.verb, self.what, name)


def _named(
    verb: str, given: Mapping[str, Any], around: Fields, complaints: Complaints
) -> tuple[What, str]:
    """What the form names; the run of the event where it names nothing."""
    fields = Fields(given, around.at(verb), complaints, OBJECTS[verb])
    named: list[What] = [what for what in OBJECTS[verb] if what in given]
    if len(named) > 1:
        around.complain(verb, f"names one thing, and this has `{'` and `'.join(named)}`")
    if not named:
        return "run", f"${{{INFERRED}}}"
    return named[0], fields.text(named[0], required=True)
